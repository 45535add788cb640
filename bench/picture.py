"""One picture of what a benchmark found, from its JSON.

    python bench/picture.py results.json picture.png

Training, prediction and scaling are drawn: `harness.picture` says how.
"""

import argparse
import json
from pathlib import Path

from harness.picture import draw

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", help="what --json of a benchmark wrote")
    parser.add_argument("picture", help="PNG, SVG or PDF")
    named = parser.parse_args()
    draw(json.loads(Path(named.results).read_text()), named.picture)

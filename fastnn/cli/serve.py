"""``fastnn serve``: saved networks answer requests over HTTP."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.system.printable import named


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "serve",
        help="answer requests over HTTP",
        description="Serve saved networks over HTTP by the Open Inference Protocol V2, until "
        "SIGTERM or Ctrl-C, with a page to try them at /. Files that change are loaded again.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"a file with {words.NETWORK}, as path, name=path or name:version=path (name by "
        "default: that of the file; version by default: 1)",
    )
    listening = parser.add_argument_group("where to listen")
    listening.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    listening.add_argument(
        "--port",
        type=words.whole_number(0),
        default=8000,
        help="port; 0 for any free one (default: %(default)s)",
    )
    listening.add_argument("--unix-socket", metavar="PATH", help="a Unix socket instead of a port")
    listening.add_argument(
        "--workers",
        type=words.whole_number(1),
        default=1,
        metavar="N",
        help="number of processes (default: %(default)s)",
    )
    bounds = parser.add_argument_group("limits of a request")
    bounds.add_argument(
        "--max-body",
        type=words.whole_number(1),
        default=64,
        metavar="MB",
        help="size of its body in MB (default: %(default)s)",
    )
    bounds.add_argument(
        "--max-rows",
        type=words.whole_number(1),
        default=100_000,
        metavar="N",
        help="number of rows (default: %(default)s)",
    )
    bounds.add_argument(
        "--timeout",
        type=words.whole_number(1),
        default=30,
        metavar="SECONDS",
        help="time to send it, and to answer it (default: %(default)s)",
    )
    bounds.add_argument(
        "--max-waiting",
        type=words.whole_number(1),
        default=64,
        metavar="N",
        help="requests in work at the same time, per process (default: %(default)s)",
    )
    bounds.add_argument(
        "--max-connections",
        type=words.whole_number(1),
        default=1000,
        metavar="N",
        help="open connections, per process (default: %(default)s)",
    )
    token = parser.add_mutually_exclusive_group()
    token.add_argument(
        "--token-env", metavar="NAME", help="environment variable with the token of requests"
    )
    token.add_argument("--token-file", metavar="FILE", help="file with the token of requests")
    parser.add_argument(
        "--poll",
        type=words.whole_number(0),
        default=1,
        metavar="SECONDS",
        help="how often to look for changed files; 0 for never (default: %(default)s)",
    )
    parser.add_argument(
        "--log-requests",
        action="store_true",
        help="write one line of JSON per request to standard error",
    )
    words.add_backend_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check everything, say where, and serve."""
    from fastnn.serve.limits import Limits
    from fastnn.serve.repository import Repository, models_of
    from fastnn.serve.server import Settings
    from fastnn.serve.server import run as serve
    from fastnn.serve.sockets import listening
    from fastnn.system.packages import imported

    imported("uvicorn", "serve")
    if options.port > 65535:
        raise ValueError(f"--port must be at most 65535, got {options.port}")
    words.apply_backend_options(options)
    token = _token(options)
    models = models_of(options.models)
    for path in models.values():
        words.model(path, options.backend)  # says what a wrong path is instead
    found = Repository(models, options.backend)
    limits = Limits(
        options.max_body << 20,
        options.max_rows,
        float(options.timeout),
        options.max_waiting,
        options.max_connections,
    )
    settings = Settings(
        models, limits, token, float(options.poll), options.backend, options.log_requests,
        options.threads,
    )  # fmt: skip
    with listening(options.host, options.port, options.unix_socket) as (bound, address):
        for version in found.all:
            streams.say(
                f"{named(version.name)}, version {version.version}: "
                f"{address}/v2/models/{named(version.name)}/versions/{version.version}"
            )
        if options.unix_socket is None:
            streams.say(f"a page to try {'it' if len(found.all) == 1 else 'them'}: {address}/")
        del found, version
        serve(settings, bound, options.workers)
    return 0


def _token(options: argparse.Namespace) -> str | None:
    """Return the token that requests must carry, if one was asked for."""
    if options.token_env is not None:
        token, where = os.environ.get(options.token_env, ""), f"variable {options.token_env}"
    elif options.token_file is not None:
        where = f"file {named(options.token_file)}"
        token = Path(options.token_file).read_text(encoding="utf-8")
    else:
        return None
    if not token.strip() or not token.strip().isascii() or len(token.split()) != 1:
        raise ValueError(f"the {where} must hold a token, one word of ASCII characters")
    return token.strip()

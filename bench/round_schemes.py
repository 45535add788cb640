"""Rounds of local training with averaged parameters: how much accuracy do they lose, and to which?

    python bench/round_schemes.py [--tables rate rounds] [--data mnist flights] [--seeds 3]
                                  [--passes 12] [--partitions 2 4 8 16 32] [--data-dir FOLDER]

A cluster is simulated in one process (rounds.py): rows are cut into P partitions, and every scheme
makes as many passes over them as the local fit that it is compared with, from the same initial
weights. Tables show the difference of the test accuracies in percentage points. The exit code is 1
if the chosen scheme loses more than 0.2 with shuffled rows. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

import fastnn
import round_data
from fastnn.optimizers import Optimizer
from fastnn.vocabulary import Activation
from harness import launch, machine, report
from rounds import GROWING, Scheme, accuracies, partitions

ADAM = fastnn.Adam(0.001)
ALLOWED = 0.2  # percentage points of test accuracy that the chosen scheme may lose
LAST_PASSES = 3  # whose mean is the accuracy a run ends with: one pass's varies by 0.001
SMOKE_ROWS, SMOKE_PASSES, SMOKE_PARTITIONS = 2_000, 2, (2, 4)
SMALL = 8
"""Rows of the smallest minibatch: with fewer, most of a step's time is the update."""


@dataclass(frozen=True)
class Case:
    """What is trained, by which optimizer."""

    data: str
    optimizer: Optimizer
    activation: Activation

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return (100,) if self.data == "mnist" else (64, 32)


@dataclass(frozen=True)
class Line:
    """A line of a table."""

    name: str
    scheme: Scheme
    optimizer: Optimizer = ADAM
    activation: Activation = "relu"
    by_label: bool = False


PLAIN = Scheme(rate="√κ", smallest_batch=SMALL)
CHOSEN = replace(PLAIN, rounds=0.5, outer_momentum=GROWING)


def tables() -> dict[str, list[Line]]:
    """Return the schemes of each table."""
    per_pass = {0.0: "1 round", 0.25: "P/4 rounds", 0.5: "P/2 rounds", 1.0: "P rounds"}
    chosen_or_one = {CHOSEN: "", replace(CHOSEN, rounds=0.0): ", 1 round"}
    momenta = {0.0: "0", 0.5: "0.5", 0.9: "0.9", GROWING: "1 − 1/√P"}
    shorter = {0: "P/2 rounds", 50: "50 steps a round", 10: "10 steps a round"}
    optimizers: list[tuple[str, Optimizer, Activation]] = [
        ("Adam 0.001, sigmoid", ADAM, "sigmoid"),
        ("Adam 0.003", fastnn.Adam(0.003), "relu"),
        ("SGD 0.1", fastnn.SGD(0.1), "relu"),
        ("SGD 0.01, momentum 0.9", fastnn.SGD(0.01, momentum=0.9), "relu"),
    ]
    return {
        "chosen": [Line("chosen", CHOSEN)],
        "plain": [
            Line(f"rate × {rate}, batch 100/P, at least {batch}", Scheme(rate, batch))
            for batch in (100, 32, SMALL)
            for rate in ("1", "√P", "P")
        ],
        "state": [
            Line(f"{state}{many}", replace(scheme, state=state))
            for scheme, many in chosen_or_one.items()
            for state in ("averaged", "averaged roots", "reset", "kept")
        ],
        "outer": [
            Line(f"η {rate}, μ {mu}{many}", replace(scheme, outer_rate=rate, outer_momentum=value))
            for scheme, many in chosen_or_one.items()
            for rate in (1.0, 0.7)
            for value, mu in momenta.items()
        ],
        "rounds": [
            Line(
                f"{many} a pass, μ {mu}{', cosine' if cosine else ''}",
                replace(PLAIN, rounds=rounds, outer_momentum=value, cosine=cosine),
            )
            for rounds, many in per_pass.items()
            for value, mu in momenta.items()
            for cosine in (False, True)
            if mu in ("0", "1 − 1/√P")
        ],
        "rate": [
            Line(f"rate × {rate}, batch at least {batch}", replace(CHOSEN, rate=rate,
                 smallest_batch=batch))
            for batch in (32, SMALL)
            for rate in ("1", "√κ", "κ", "√P")
        ],
        "optimizers": [
            Line(f"{name}, rate × {rate}", replace(CHOSEN, rate=rate), optimizer, activation)
            for name, optimizer, activation in optimizers
            for rate in ("1", "√κ", "κ", "√P")
        ],
        "sorted": [
            Line(f"{many}, μ {mu}", replace(CHOSEN, steps=steps, outer_momentum=value),
                 by_label=True)
            for steps, many in shorter.items()
            for value, mu in momenta.items()
            if mu in ("0", "1 − 1/√P")
        ],
    }  # fmt: skip


@cache
def split_of(data: str, folder: str | None, n_rows: int | None) -> round_data.Split:
    """Return a data set, or its first rows."""
    split = {"mnist": round_data.mnist, "flights": round_data.flights}[data](folder)
    if n_rows is None:
        return split
    train, test = (
        rows._replace(x=rows.x[:n_rows], y=rows.y[:n_rows]) for rows in (split.train, split.test)
    )
    return round_data.Split(train, test, f"{n_rows:,} rows of {split.source}")


class Bench:
    """Runs schemes and local fits, the latter once for each case."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.ends = cache(self._ends)

    def split(self, data: str) -> round_data.Split:
        n_rows = SMOKE_ROWS if self.options.smoke else None
        return split_of(data, self.options.data_dir, n_rows)

    def _ends(self, case: Case, scheme: Scheme, n: int, seed: int, by_label: bool) -> float:
        """Return the percentage of the test rows that is right in the end."""
        split = self.split(case.data)
        x, y = split.train.x, split.train.y
        scale = 1 / 255 if x.dtype == np.uint8 else 1.0
        network = fastnn.Network(
            (x.shape[1], *case.hidden, int(y.max()) + 1),
            activation=case.activation, input_scale=scale, dtype="float32", seed=seed,
        )  # fmt: skip
        curve = accuracies(
            network, case.optimizer, scheme, partitions(y, n, seed, by_label=by_label),
            split.train, split.test, passes=self.options.passes, seed=seed,
        )  # fmt: skip
        return 100.0 * float(np.mean(curve[-LAST_PASSES:]))

    def differences(self, data: str, line: Line) -> Iterator[float]:
        """Yield the mean difference from the local fit for each number of partitions."""
        case = Case(data, line.optimizer, line.activation)
        local = Scheme(cosine=line.scheme.cosine)
        for n in self.options.partitions:
            yield float(np.mean([
                self.ends(case, line.scheme, n, seed, line.by_label)
                - self.ends(case, local, 1, seed, False)
                for seed in range(self.options.seeds)
            ]))  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, and say where the chosen scheme loses too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    every = tables()
    parser.add_argument("--tables", nargs="+", choices=list(every), default=list(every))
    parser.add_argument(
        "--data", nargs="+", choices=["mnist", "flights"], default=["mnist", "flights"]
    )
    parser.add_argument("--seeds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--passes", type=int, default=12, help="default %(default)s")
    parser.add_argument("--partitions", nargs="+", type=int, default=[2, 4, 8, 16, 32], metavar="P")
    parser.add_argument("--data-dir", default=os.environ.get("FASTNN_MNIST_DIR"), metavar="FOLDER")
    parser.add_argument("--smoke", action="store_true", help="few rows, one seed")
    options = parser.parse_args(argv)
    if options.smoke:
        options.seeds, options.passes, options.partitions = 1, SMOKE_PASSES, SMOKE_PARTITIONS
    before, bench = machine.load_average(), Bench(options)
    lost: list[str] = []
    for name in options.tables:
        for data in options.data:
            print(f"{name}: {bench.split(data).source}, {options.passes} passes, "
                  f"{options.seeds} seeds")  # fmt: skip
            rows = [["points of accuracy", *(f"P={n}" for n in options.partitions)]]
            for line in every[name]:
                found = list(bench.differences(data, line))
                rows.append([line.name, *(f"{difference:+.2f}" for difference in found)])
                if (
                    line.scheme == CHOSEN
                    and (line.optimizer, line.activation) == (ADAM, "relu")
                    and not line.by_label
                ):
                    lost += [
                        f"LOSES: the chosen scheme, {data}, P={n}: {difference:+.2f} points"
                        for n, difference in zip(options.partitions, found, strict=True)
                        if difference < -ALLOWED
                    ]
            print("\n".join(report.aligned(rows)) + "\n", flush=True)
    stamp = machine.stamp(launch.environment(1)) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if not options.smoke and lost:
        print("\n".join(dict.fromkeys(lost)), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

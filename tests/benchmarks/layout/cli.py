"""The command line of the benchmark of the layout."""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from setup import trino
from tests.benchmarks.cli import PAGE, machine
from tests.benchmarks.layout import report
from tests.benchmarks.layout.report import ENGINES
from tests.benchmarks.layout.runs import SMOKE, Bench, Sizes, run
from tests.benchmarks.runs import tell
from tests.benchmarks.submit import HOME


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.layout",
        description="What the layout of the history is worth to those who ask it.",
        epilog="example: python -m tests.benchmarks.layout --only duckdb --rows 20000000",
    )
    made.add_argument("--only", action="append", choices=ENGINES, help="this engine; may be given several times")
    made.add_argument("--rows", type=int, help=f"about how many ({Sizes.rows})")
    made.add_argument("--repeats", type=int, help=f"rounds that count ({Sizes.repeats})")
    made.add_argument("--smoke", action="store_true", help="everything once, on next to nothing: does the benchmark work?")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print, and write our part of the page after a whole run of full size."""
    chosen = parser().parse_args(arguments)
    sizes = SMOKE if chosen.smoke else Sizes()
    sizes = replace(sizes, rows=chosen.rows or sizes.rows, repeats=chosen.repeats or sizes.repeats)
    asked = chosen.only or tuple(ENGINES)
    load, began = os.getloadavg()[0], time.monotonic()
    bench = run(sizes, asked)
    print(report.plain(bench.found))
    if sizes == Sizes() and set(asked) == set(ENGINES):
        write(bench, load, time.monotonic() - began)
    print(json.dumps(report.figures(bench.found, bench.layouts, bench.rows)))
    return 0


def write(bench: Bench, load: float, seconds: float) -> None:
    """Our part of the page."""
    where = dict(machine(load))
    where["Versions"] = f"DuckDB {version('duckdb')}, Trino {trino.server().name}, Arrow {version('pyarrow')}"
    where["Took"] = f"{seconds / 60:.0f} minutes"
    part = report.section(bench.found, bench.layouts, bench.rows, where)
    PAGE.write_text(report.SECTION.placed(part, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    tell(f"written: {PAGE.relative_to(HOME)}")

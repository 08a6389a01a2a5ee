"""The command line of the benchmark of history."""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from tests.benchmarks.cli import PAGE, machine, show_goals
from tests.benchmarks.history import report
from tests.benchmarks.history.runs import PARTS, SMOKE, Bench, Sizes, run
from tests.benchmarks.report import HEAD
from tests.benchmarks.runs import tell
from tests.benchmarks.submit import HOME


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.history",
        description="How fast `compact` is, beside DuckDB and polars.",
        epilog="example: python -m tests.benchmarks.history --rows 2000000 --repeats 1 --only warm",
    )
    made.add_argument("--only", action="append", choices=PARTS, help="this part; may be given several times")
    made.add_argument("--rows", type=int, help=f"about how many ({Sizes.rows})")
    made.add_argument("--repeats", type=int, help=f"of the warm rounds ({Sizes.repeats})")
    made.add_argument("--smoke", action="store_true", help="every part once, on next to nothing: does the benchmark work?")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write our part of the page after a whole run of full size."""
    chosen = parser().parse_args(arguments)
    sizes = SMOKE if chosen.smoke else Sizes()
    sizes = replace(sizes, rows=chosen.rows or sizes.rows, repeats=chosen.repeats or sizes.repeats)
    asked = chosen.only or PARTS
    load, began = os.getloadavg()[0], time.monotonic()
    bench = run(sizes, asked)
    told = report.figures(bench.found, rows=bench.inbox.rows, size=bench.inbox.bytes, compared=bench.compared)
    for row in (HEAD, *report.table(bench.found)):
        print(f"{row[0]:<48}" + "".join(f"{cell:>9}" for cell in row[1:]))
    print()
    show_goals(report.verdicts(told))
    if sizes == Sizes() and set(asked) == set(PARTS):
        write(bench, told, load, time.monotonic() - began)
    print(json.dumps(told))
    return 0


def write(bench: Bench, told: dict[str, object], load: float, seconds: float) -> None:
    """Our part of the page."""
    where = dict(machine(load))
    where["Versions"] += f", polars {version('polars')}, Arrow {version('pyarrow')}"
    where["Took"] = f"{seconds / 60:.0f} minutes"
    before = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(report.SECTION.placed(report.section(bench.found, told, where), before), encoding="utf-8")
    tell(f"written: {PAGE.relative_to(HOME)}")

"""The benchmark's command line."""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.costs import report as costs
from tests.benchmarks.costs.points import FULL
from tests.benchmarks.runs import APART, PARTS, SMOKE, Bench, Sizes, profile, run, tell
from tests.benchmarks.submit import HOME

PAGE = HOME / "docs" / "benchmarks.md"
ENOUGH = 1_200_000  # ticks, for the page


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="How fast the stream is, beside DuckDB.")
    made.add_argument("--only", action="append", choices=(*PARTS, *APART), help="this part; may be given several times")
    made.add_argument("--ticks", type=int, help=f"about how many ({Sizes.ticks})")
    made.add_argument("--repeats", type=int, help=f"of the warm rounds ({Sizes.repeats})")
    made.add_argument("--at-most", type=int, help="of costs: leave out what is above so many ticks, objects, trades in the table")
    made.add_argument("--smoke", action="store_true", help="every part once, on next to nothing: does the benchmark work?")
    made.add_argument("--profile", action="store_true", help="print where the time of one warm round goes, and nothing else")
    made.add_argument("--split", type=int, default=1, help="with --profile: batches of the round (1)")
    made.add_argument("--rounds", type=int, default=4, help="with --profile: rounds before it (4)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page after a whole run of full size."""
    chosen = parser().parse_args(arguments)
    sizes = SMOKE if chosen.smoke else Sizes()
    sizes = replace(sizes, ticks=chosen.ticks or sizes.ticks, repeats=chosen.repeats or sizes.repeats)
    if chosen.at_most:
        sizes = replace(sizes, costs=sizes.costs.up_to(chosen.at_most))
    if chosen.profile:
        show_profile(profile(sizes, rounds=chosen.rounds, split=chosen.split))
        return 0
    asked = chosen.only or PARTS
    load, began = os.getloadavg()[0], time.monotonic()
    bench = run(sizes, asked)
    told = report.figures(bench.found, ticks=bench.objects.ticks, compared=bench.compared)
    if set(asked) - set(APART):
        print(report.plain_table(bench.found))
        print()
        show_goals(report.verdicts(told))
    if bench.costs:
        told["costs"] = costs.figures(bench.costs, sizes.costs)
        print(costs.plain(bench.costs))
        print()
        show_goals(costs.verdicts(told["costs"]))
    write(bench, told, asked, {**machine(load), "Took": f"{(time.monotonic() - began) / 60:.0f} minutes"})
    print(json.dumps(told))
    return 0


def show_goals(verdicts: Sequence[tuple[str, str, str, str]]) -> None:
    """For a terminal."""
    for goal, bound, figure, verdict in verdicts:
        print(f"{figure:>7}  at most {bound:<4}  {verdict.replace('*', ''):<40} {goal.replace('`', '')}")


def write(bench: Bench, told: Mapping[str, Any], asked: Sequence[str], where: Mapping[str, str]) -> None:
    """The parts of the page of which this was a whole run of full size."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    page = before
    if bench.costs and bench.sizes.costs == FULL:
        page = costs.placed(costs.section(bench.costs, bench.sizes.costs, where), page)
    if bench.sizes.ticks >= ENOUGH and set(PARTS) <= set(asked):
        page = report.page(bench.found, told, where, page, costs.kept(page))
    if page != before:
        PAGE.write_text(page, encoding="utf-8")
        tell(f"written: {PAGE.relative_to(HOME)}")


def machine(load: float) -> Mapping[str, str]:
    """What it ran on."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    return {
        "Processor": f"{first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores; load {load:.1f} before the start",
        "Memory": f"{int(first('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GB",
        "System": f"{platform.system()} {platform.release()}, {java}, Python {platform.python_version()}",
        "Versions": f"Spark {version('pyspark')}, Delta {version('delta-spark')}, DuckDB {version('duckdb')}",
        "Date": now(),
    }


def now() -> str:
    """For the page."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def first(file: str, key: str) -> str:
    """The value of the first `key: value` line."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")


def show_profile(found: Mapping[str, Any]) -> None:
    """Phases, stages, samples."""
    for phase in found["phases"]:
        threads = dict(phase["threads"])
        total = threads.pop("all", 0.0)
        parts = ", ".join(f"{name} {used:.2f}" for name, used in sorted(threads.items(), key=lambda each: -each[1]))
        print(f"{'  ' * phase['depth'] + phase['phase']:<24} cpu {total:6.2f}  wall {phase['wall']:6.2f}   {parts}")
    print(f"\nclasses that were generated and compiled anew: {found['compilations']}\n")
    print(f"{'stage':>5} {'tasks':>5} {'cpu':>6} {'run':>6} {'MB read':>8} {'shuffled':>8} {'written':>8}  name")
    for stage in found["stages"]:
        sizes = " ".join(f"{stage[name] / 1e6:8.2f}" for name in ("read", "shuffled", "written"))
        print(f"{stage['id']:>5} {stage['tasks']:>5} {stage['cpu']:6.2f} {stage['run']:6.2f} {sizes}  {stage['name']}")
    samples = found["samples"]
    if "total" not in samples:
        print(f"\nno samples: {samples['left out']}")
        return
    print(f"\n{samples['total']} samples of tasks")
    for title in ("work", "top", "anywhere"):
        print(f"-- {title}")
        for name, count in samples[title]:
            print(f"{count / max(samples['total'], 1):6.1%}  {name}")

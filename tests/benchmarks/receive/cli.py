"""The command line of the ingest benchmark."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.cli import PAGE, first, now
from tests.benchmarks.data import CACHE
from tests.benchmarks.receive import report
from tests.benchmarks.receive.contest import contenders, measured
from tests.benchmarks.receive.sustained import SHARE, peak, sustained
from tests.benchmarks.receive.wire import texts
from tests.benchmarks.runs import shown, tell
from tests.benchmarks.worker import HOME, Worker

FRAMES, REPEATS, SECONDS = 600_000, 5, 300.0


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.receive", description="How fast `ingest collect` is.")
    made.add_argument("--frames", type=int, default=FRAMES, help="of a round (%(default)s)")
    made.add_argument("--repeats", type=int, default=REPEATS, help="rounds of each contender (%(default)s)")
    made.add_argument("--seconds", type=float, default=SECONDS, help="of the long run; 0: none (%(default)g)")
    made.add_argument("--share", type=float, default=SHARE, help="of the peak, in the long run (%(default)s)")
    made.add_argument("--only", action="append", help="this contender; may be given several times")
    made.add_argument("--cryptofeed", metavar="PYTHON", help="a Python that has cryptofeed")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write our part of the page after a whole run of full size."""
    chosen = parser().parse_args(arguments)
    load = os.getloadavg()[0]
    hour = texts(chosen.frames)
    tell(f"{len(hour)} frames of {sum(map(len, hour)) / len(hour):.0f} bytes")
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    found: dict[str, list[Mapping[str, float]]] = {}
    long = None
    try:
        with Worker("receive.sender", str(chosen.frames)) as sender:
            for _ in range(chosen.repeats):
                for name, contender in contenders(chosen.cryptofeed).items():
                    if not chosen.only or name in chosen.only:
                        found.setdefault(name, []).append(measured(contender, sender, hour, folder / name))
                        tell(f"{name} {len(found[name])}: {shown(found[name][-1])}")
            told = report.figures(found, None, share=chosen.share)
            if chosen.seconds and told["ours_k_per_cpu_s"]:
                top = peak(sender, hour, folder / "peak", told["ours_k_per_cpu_s"] * 1000)
                tell(f"one core takes {top:.0f} frames a second")
                long = {"peak": round(top), **sustained(sender, top * chosen.share, chosen.seconds, folder / "long")}
                told = report.figures(found, long, share=chosen.share)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(found, told)
    if long and not chosen.only and is_full(chosen):
        before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        PAGE.write_text(report.page(found, told, machine(load, chosen.cryptofeed), before), encoding="utf-8")
        tell(f"written: {PAGE.relative_to(HOME)}")
    print(json.dumps(told))
    return 0


def is_full(chosen: argparse.Namespace) -> bool:
    """Whether this is a run for the page."""
    return bool(chosen.frames >= FRAMES and chosen.repeats >= REPEATS and chosen.seconds >= SECONDS)


def show(found: report.Found, told: Mapping[str, Any]) -> None:
    """For a terminal."""
    for row in (report.HEAD, *report.table(found)):
        print(f"{row[0]:<42}" + "".join(f"{cell:>9}" for cell in row[1:]))
    print()
    for goal, bound, figure, verdict in report.verdicts(told):
        print(f"{figure:>8}  {bound:<13}  {verdict.replace('*', ''):<14} {goal.replace('`', '')}")


def machine(load: float, cryptofeed: str | None) -> Mapping[str, str]:
    """What it ran on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("websocket-client", "websockets", "orjson"))
    asked = [cryptofeed or sys.executable, "-c", "from importlib.metadata import version; print(version('cryptofeed'))"]
    theirs = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() if cryptofeed else "not measured"
    return {
        "Processor": f"{first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores; load {load:.1f} before the start",
        "System": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "Versions": f"{libraries}, cryptofeed {theirs}",
        "Date": now(),
    }

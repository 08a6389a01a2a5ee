"""`python -m ingest repair`: the options, and what is said on the way."""

import argparse
import random
import sys
import threading
from pathlib import Path

from ingest import landing, terminal
from ingest.clock import SYSTEM
from ingest.exchanges import find_exchange
from ingest.plan import checked, proxies
from ingest.repair.market import World
from ingest.repair.run import Progress, Repair
from ingest.rest.client import get
from ingest.rest.download import fetch
from ingest.settings import SettingsError
from ingest.spool.spool import SpoolError

EXAMPLE = """example:
  python -m ingest repair --conf conf/local.yaml --once

Reads <lake>/control/open-gaps.json; asks REST within ingest.repair.weight_share, then looks into the files that the venue
publishes of a day and of a month. What is found lands like what is collected.

Exit codes: 0 every gap was filled, or none is open; 1 failed; 2 not asked properly; 3 a gap is left open.
Ctrl+C or SIGTERM: asks for no more, uploads what is in the spool, ends within 20 s. A second one ends at once;
what has not landed is landed by the next start."""
DONE, FAILED, USAGE, OPEN = 0, 1, 2, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "Fill the lake's open gaps over REST and from published files, until stopped."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/local.yaml")
    parser.add_argument("--once", action="store_true", help="end when every open gap was tried")
    parser.add_argument("--verbose", action="store_true", help="log every segment, not only what went wrong")


def run(args: argparse.Namespace, stop: threading.Event) -> int:
    """Repair; how it ended. Whoever calls sets `stop` when a signal comes."""
    terminal.log(verbose=args.verbose)
    try:
        settings = checked(args.conf, find_exchange)
    except SettingsError as error:
        sys.stderr.write(f"repair: {error}\n")
        return USAGE
    through = proxies(settings.ingest, find_exchange)
    world = World(SYSTEM, get(through), fetch(through), random.random, stop)
    try:
        repair = Repair(settings.ingest, find_exchange, landing.store(settings.lake), world)
        end = repair.run(lambda now: terminal.show(_progress(now)), once=args.once)
    except (SpoolError, OSError) as error:
        sys.stderr.write(f"repair: {error}\n")
        return FAILED
    terminal.end(_summary(end))
    return code(end)


def code(end: Progress) -> int:
    """What the shell is told."""
    if not end.is_good:
        return FAILED
    return OPEN if end.left else DONE


def _progress(now: Progress) -> str:
    doing = f", reading {now.doing[0]}" if now.doing else ""
    return (
        f"{now.seconds:.0f} s: {now.gaps} gaps, {now.ends.get('repaired', 0)} repaired, {now.left} open, {now.rows:,} rows, "
        f"{now.objects} objects landed, {now.spool_bytes / 1e6:.1f} MB in the spool{doing}"
    )


def _summary(end: Progress) -> str:
    others = "".join(f" {outcome}={number}" for outcome, number in sorted(end.ends.items()) if outcome != "repaired")
    counts = (
        f"repair: {end.seconds:.0f} s, gaps={end.gaps} repaired={end.ends.get('repaired', 0)} left_open={end.left} "
        f"left_alone={end.alone}{others} rows={end.rows} files={end.files} objects={end.objects} "
        f"text_bytes={end.landed_bytes} waiting_segments={end.waiting}"
    )
    return "".join([counts, *(f"; failed: {failure}" for failure in end.failures)])

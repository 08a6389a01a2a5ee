"""`python -m ingest status`: one screen that a person on call can read."""

import argparse
import fcntl
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest import landing
from ingest.alerts.alert import Key, Severity
from ingest.clock import SYSTEM
from ingest.landing import Store
from ingest.settings import SettingsError, load
from ingest.watch.health import conditions
from ingest.watch.vitals import FeedVitals, LinkVitals, Vitals, plain, vitals
from ingest.watch.watch import NAME

OPEN_GAPS = "control/open-gaps.json"
STALE_SECONDS = 10.0
DONE, FAILED, USAGE = 0, 1, 2
EXAMPLE = """example:
  python -m ingest status --conf conf/local.yaml

Exit codes: 0 the collector runs and nothing is wrong; 1 it does not run, or something is; 2 the configuration is not right.
With --alive, 0 says that it runs and nothing more: to start a collector anew helps against no other ill, and makes a hole."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "How the collector of a configuration is: connections, streams, holes, spool, last objects."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/local.yaml")
    parser.add_argument("--alive", action="store_true", help="only whether it runs, for what would start it anew")
    parser.add_argument("--json", action="store_true", help="everything, for machines")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    try:
        settings = load(args.conf)
    except SettingsError as error:
        sys.stderr.write(f"status: {error}\n")
        return USAGE
    folder = settings.ingest.spool.path / "collect"
    now = read(folder / NAME)
    if now is None:
        sys.stderr.write(f"status: {folder / NAME}: nothing there; no collector of this configuration has run on this machine\n")
        return FAILED
    is_running = is_locked(folder / "lock")
    age = max(0.0, (SYSTEM.wall_ns() - now.at_ns) / 1e9)
    is_alive = is_running and age < STALE_SECONDS
    if args.alive:
        return DONE if is_alive else FAILED
    gaps = _open_gaps(landing.store(settings.lake))
    if args.json:
        told = {**plain(now), "is_running": is_running, "age_seconds": age, "open_gaps_of_the_lake": gaps}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in screen(now, is_running=is_running, age=age, gaps=gaps))
    return DONE if is_alive and not conditions(now) else FAILED


def read(path: Path) -> Vitals | None:
    """What a collector has written last; None: nothing that can be read."""
    try:
        return vitals(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def screen(now: Vitals, *, is_running: bool, age: float, gaps: int | None) -> Iterator[str]:
    """The lines that a person reads: what is wrong first."""
    state = "running" if is_running else "NOT RUNNING; this is how it was last seen"
    yield f"collector {now.collector} (process {now.pid}): {state}"
    yield f"  seen {age:.0f} s ago, up {_duration(now.seconds)}, since {_time(now.at_ns - int(now.seconds * 1e9))}"
    wrong = dict(conditions(now))
    if is_running and age >= STALE_SECONDS:
        text = f"it has written no status for {age:.0f} s: it hangs, or its disk takes no more"
        wrong[Key("status", "")] = Severity.CRITICAL, text
    yield ""
    yield f"WRONG: {len(wrong)}" if wrong else "nothing is wrong"
    for key, (severity, text) in sorted(wrong.items(), key=lambda item: (-item[1][0], item[0])):
        yield f"  {severity} {key}: {text}"
    yield ""
    yield from _table(
        ("connections", "streams", "state", "frames", "reconnects", "lag ms p50", "p99"), [_link(link) for link in now.links]
    )
    yield ""
    yield from _table(("stream", "heard", "asked after", "last id", "holes"), [_feed(feed) for feed in now.feeds])
    spool = now.spool
    yield ""
    yield (
        f"spool     {spool.bytes / 1e6:.1f} MB of {spool.max_bytes / 1e9:.1f} GB, {spool.waiting} segments wait"
        f"{f', the oldest for {_duration(spool.oldest_seconds)}' if spool.waiting else ''}"
    )
    yield f"landed    {spool.objects} objects, {spool.landed_bytes / 1e6:.1f} MB of text, {spool.failures} failed tries"
    yield from (f"          {key}" for key in spool.recent)
    for market in now.markets:
        yield (
            f"REST      {market.venue} {market.market}: {market.repaired} holes repaired, {market.left} left, {market.waiting} wait, "
            f"{market.polls} polls, weight {market.weight_used:g} of {market.weight_limit:g}"
        )
    yield f"gaps      {now.gaps} found in this run; the lake's ledger {'is not there' if gaps is None else f'has {gaps} open'}"


def _link(link: LinkVitals) -> tuple[str, ...]:
    state = "given up" if link.given_up else "connected" if link.is_connected else f"gone {link.since_seconds:.0f} s"
    lags = [f"{ms:,.0f}" for ms in link.lag_ms[1:3]] or ["", ""]
    again = str(max(0, link.connections - 1))
    return f"{link.venue} {link.market} {link.kind}", str(link.streams), state, f"{link.frames:,}", again, *lags


def _feed(feed: FeedVitals) -> tuple[str, ...]:
    heard = "never" if feed.heard_seconds is None else f"{_duration(feed.heard_seconds)} ago"
    last = "" if feed.last_id is None else str(feed.last_id)
    name = f"{feed.venue} {feed.market} {feed.kind} {feed.pair}"
    return name, "MUTE" if feed.is_mute else heard, _duration(feed.limit_seconds), last, str(feed.holes)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def is_locked(path: Path) -> bool:
    """Whether a process has the spool."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _open_gaps(store: Store) -> int | None:
    """How many gaps the lake's ledger says are open; None: there is no ledger yet, or the lake is away.

    Gaps that cannot be believed are left to a person, as `repair` leaves them.
    """
    try:
        found = store.get(OPEN_GAPS)
        tree: dict[str, Any] = json.loads(found[0]) if found else {}
        return len([gap for gap in tree["gaps"] if gap.get("state", "open") == "open"])
    except Exception:  # noqa: BLE001 - a lake that is away is no reason to show nothing
        return None

"""`python -m ingest collect`: the options, and what is said on the way."""

import argparse
import gc
import random
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ingest import landing, terminal
from ingest.alerts.desk import open_alerts
from ingest.clock import SYSTEM
from ingest.collector.feed import connector
from ingest.collector.link import World
from ingest.collector.run import Collector, Wanted
from ingest.collector.view import Progress
from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Exchange, Request
from ingest.plan import Plan, plans, proxies, rest_hosts
from ingest.rest.client import Purpose, get
from ingest.rest.clients import client
from ingest.rest.polls import polls
from ingest.rest.traded import Traded
from ingest.settings import Ingest, SettingsError, load
from ingest.spool.spool import SpoolError

EXAMPLE = """example:
  python -m ingest collect --conf conf/local.yaml --for 60s

Ctrl+C or SIGTERM: receives no more, uploads what is in the spool, ends within 20 s. A second one ends at once;
what has not landed is landed by the next start."""
# what a frame is made of is freed at once, by counting; to look for cycles among it all the time takes a twentieth of the time
COLLECT_AFTER = (50_000, 10, 10)
DONE, FAILED, USAGE = 0, 1, 2
_UNITS = {"s": 1, "m": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "Receive the feeds of a configuration into the landing zone of its lake, until stopped."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/local.yaml")
    parser.add_argument("--for", dest="seconds", type=_seconds, metavar="TIME", help="end after so long, such as 60s or 10m")
    parser.add_argument("--verbose", action="store_true", help="log every segment and connection, not only what went wrong")


def run(args: argparse.Namespace, stop: threading.Event) -> int:
    """Collect; how it ended. Whoever calls sets `stop` when a signal comes."""
    terminal.log(verbose=args.verbose)
    gc.set_threshold(*COLLECT_AFTER)
    try:
        settings = load(args.conf)
        through = proxies(settings.ingest, find_exchange)
        world = World(SYSTEM, connector(through), get(through), random.random, stop)
        wanted = _wanted(settings.ingest, world)
        alerts = open_alerts(settings.alerts, settings.ingest.collector)
    except SettingsError as error:
        sys.stderr.write(f"collect: {error}\n")
        return USAGE
    try:
        store, spread_pct = landing.store(settings.lake), settings.alerts.spread_pct
        collector = Collector(settings.ingest, wanted, store, world, alerts=alerts, spread_pct=spread_pct)
        end = collector.run(lambda now: terminal.show(_progress(now)), args.seconds)
    except (SpoolError, OSError) as error:
        sys.stderr.write(f"collect: {error}\n")
        return FAILED
    finally:
        alerts.close()
    terminal.end(_summary(end))
    return DONE if end.is_good else FAILED


def _wanted(ingest: Ingest, world: World) -> Wanted:
    """What the configuration asks for. Patterns of pairs are expanded by what the venues say, now and once a day."""
    purpose = Purpose("poll", tries=2)  # what was told before will do

    def ask(exchange: Exchange, request: Request) -> bytes:
        return client(ingest, exchange, rest_hosts(ingest, exchange), purpose, world).ask(*request).raw

    traded = Traded(ingest.spool.path / "instruments", ask)

    def replan(exchange: Exchange, body: bytes) -> Sequence[Plan]:
        traded.learn(exchange, body)
        return plans(ingest, find_exchange, traded)

    return Wanted(plans(ingest, find_exchange, traded), polls(ingest, find_exchange), replan)


def _progress(now: Progress) -> str:
    return (
        f"{now.seconds:.0f} s: {now.connected}/{now.connections} connections, {now.frames:,} frames, "
        f"{now.objects} objects landed, {now.spool_bytes / 1e6:.1f} MB in the spool, {now.gaps} gaps, {now.holes} open"
    )


def _summary(end: Progress) -> str:
    counts = (
        f"collect: {end.seconds:.0f} s, frames={end.frames} trades={end.trades} objects={end.objects} "
        f"text_bytes={end.landed_bytes} reconnects={end.reconnects} waiting_segments={end.waiting} lost_lines={end.lost} "
        f"polls={end.polls} gaps={end.gaps} open_holes={end.holes}"
    )
    return "".join([counts, *(f"; failed: {failure}" for failure in end.failures)])


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: a duration such as 60s, 10m or 2h")
    return float(int(found[1]) * _UNITS[found[2]])

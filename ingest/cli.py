"""The command line. Exit codes: 0 done, 1 failed, 2 not asked properly."""

import argparse
import logging
import os
import random
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ingest import landing
from ingest.alerts.desk import open_alerts
from ingest.clock import SYSTEM
from ingest.collector.feed import connector
from ingest.collector.link import World
from ingest.collector.run import Collector, Progress, Wanted
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
DONE, FAILED, USAGE = 0, 1, 2
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    given = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="python -m ingest", description="From the exchange to the landing zone.", epilog=_EPILOG
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _collect_options(commands.add_parser("collect", help="live feeds into the landing zone"))
    simulate = commands.add_parser("simulate", help="an exchange on this machine")
    if "simulate" in given:
        from ingest.simulator import command  # noqa: PLC0415 - collecting does not pay for it

        command.add_arguments(simulate)
        return command.run(parser.parse_args(given))
    status = commands.add_parser("status", help="how a collector is")
    if given[:1] == ["status"]:
        from ingest.watch import status as status_command  # noqa: PLC0415 - see above

        status_command.add_arguments(status)
        return status_command.run(parser.parse_args(given))
    alerts = commands.add_parser("alerts", help="test the channels that alerts go to")
    if given[:1] == ["alerts"]:
        from ingest.alerts import command as alerts_command  # noqa: PLC0415 - see above

        alerts_command.add_arguments(alerts)
        return alerts_command.run(parser.parse_args(given))
    repair = commands.add_parser("repair", help="open gaps, filled over REST and from published files")
    if given[:1] == ["repair"]:
        from ingest.repair import command as repair_command  # noqa: PLC0415 - see above

        repair_command.add_arguments(repair)
        return repair_command.run(parser.parse_args(given), _stopping())
    return _collect(parser.parse_args(given))


_EPILOG = "example: python -m ingest collect --conf conf/local.yaml --for 60s. Each command has its own --help."


def _collect_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Receive the feeds of a configuration into the landing zone of its lake, until stopped."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/local.yaml")
    parser.add_argument("--for", dest="seconds", type=_seconds, metavar="TIME", help="end after so long, such as 60s or 10m")
    parser.add_argument("--verbose", action="store_true", help="log every segment and connection, not only what went wrong")


def _collect(args: argparse.Namespace) -> int:
    level = logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s level=%(levelname)s %(message)s", force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stop = _stopping()
    try:
        settings = load(args.conf)
        through = proxies(settings.ingest, find_exchange)
        world = World(SYSTEM, connector(through), get(through), random.random, stop)
        wanted = _wanted(settings.ingest, world)
        alerts = open_alerts(settings.alerts, settings.ingest.collector)
    except SettingsError as error:
        print(f"collect: {error}", file=sys.stderr)
        return USAGE
    show = _show if sys.stderr.isatty() else _show_nothing
    try:
        store, spread_pct = landing.store(settings.lake), settings.alerts.spread_pct
        collector = Collector(settings.ingest, wanted, store, world, alerts=alerts, spread_pct=spread_pct)
        end = collector.run(show, args.seconds)
    except (SpoolError, OSError) as error:
        print(f"collect: {error}", file=sys.stderr)
        return FAILED
    finally:
        alerts.close()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(_summary(end))
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


def _stopping() -> threading.Event:
    """Set by the first signal."""
    stop = threading.Event()
    signals = _Signals(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signals)
    return stop


class _Signals:
    """The first signal asks for a drain, the second ends the process: nothing of the spool waits in its memory."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            os._exit(FAILED)
        self._asked = True
        self._stop.set()


def _show(now: Progress) -> None:
    text = (
        f"{now.seconds:.0f} s: {now.connected}/{now.connections} connections, {now.frames:,} frames, "
        f"{now.objects} objects landed, {now.spool_bytes / 1e6:.1f} MB in the spool, {now.gaps} gaps, {now.holes} open"
    )
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _show_nothing(now: Progress) -> None:
    """Nobody watches."""


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

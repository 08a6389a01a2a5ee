"""The command line. Exit codes: 0 done, 1 failed, 2 not asked properly."""

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import NamedTuple

FAILED = 1


class Command(NamedTuple):
    """What can be asked for."""

    help: str
    module: str  # with `add_arguments` and `run`; imported where it is asked for alone: collecting does not pay for the others
    drains: bool = False  # ends in its own time when a signal comes


COMMANDS: Mapping[str, Command] = {
    "collect": Command("live feeds into the landing zone", "ingest.collector.command", drains=True),
    "simulate": Command("an exchange on this machine", "ingest.simulator.command"),
    "status": Command("how a collector is", "ingest.watch.status"),
    "alerts": Command("test the channels that alerts go to", "ingest.alerts.command"),
    "backfill": Command(
        "the past into the lake's inbox: published files, or pages where there are none", "ingest.backfill.command", drains=True
    ),
    "repair": Command("open gaps, filled over REST and from published files", "ingest.repair.command", drains=True),
}
_EPILOG = "example: python -m ingest collect --conf conf/local.yaml --for 60s. Each command has its own --help."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    given = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="python -m ingest", description="From the exchange to the landing zone.", epilog=_EPILOG
    )
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    options = {name: parsers.add_parser(name, help=command.help) for name, command in COMMANDS.items()}
    asked = COMMANDS.get(given[0]) if given else None
    if asked is None:
        parser.error(f"no command: {parser.parse_args(given)}")  # the parser itself says what is wrong, or shows its help
    module = importlib.import_module(asked.module)
    module.add_arguments(options[given[0]])
    args = parser.parse_args(given)
    return int(module.run(args, stopping()) if asked.drains else module.run(args))


def stopping() -> threading.Event:
    """Set by the first signal."""
    stop = threading.Event()
    signals = Signals(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signals)
    return stop


class Signals:
    """The first signal asks for a drain, the second ends the process: nothing of the spool waits in its memory."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            os._exit(FAILED)
        self._asked = True
        self._stop.set()

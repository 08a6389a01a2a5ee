"""`python -m ingest simulate`: the options, and what is said on the way."""

import argparse
import asyncio
import contextlib
import re
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.exchanges import find_exchange
from ingest.simulator.faults import Fault, drop, faults
from ingest.simulator.truth import Truth
from ingest.simulator.worlds import World, made, recorded
from ingest.values import SettingsError

EXAMPLE = """example:
  python -m ingest simulate --speed 20 --for 30s --truth truth.jsonl --drop binance spot BTC-USDT 200 25
  python -m ingest simulate --faults faults.yaml --limits 0.1
  python -m ingest simulate --recording frames.jsonl.gz --venue binance --market spot --speed max

The addresses are the venues' own below ws://127.0.0.1:PORT/binance/spot, /binance/usdm, /coinbase/spot and /bitso/spot;
their REST is below the same prefixes: http://127.0.0.1:PORT/binance/spot/api/v3/aggTrades?symbol=BTCUSDT.
The market is a function of the seed and the time: started again, it goes on with the same ids."""
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "Exchanges on this machine: a market made from a seed, or a recording, behind the venues' protocols."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--port", type=_port, default=9101, help="on 127.0.0.1; 0 takes a free one and says which (default: %(default)s)")
    add("--speed", type=_speed, default=1.0, help="market seconds a second, or `max`: as fast as clients read (default: 1)")
    add("--seed", type=int, default=7, help="of the market (default: %(default)s)")
    add("--start", type=_time, help="the market's first moment, such as 2026-11-01T00:00:00Z (default: so that it ends now)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--for", dest="duration", type=_duration, help="end after so long on the clock, such as 30s")
    length.add_argument("--span", type=_duration, help="end after so much market time, such as 20m")
    add("--recording", type=Path, help="a recording (.gz or not) to replay instead of a market; needs --venue and --market")
    add("--venue", help="of the recording, such as binance")
    add("--market", help="of the recording, such as spot")
    add("--wait-for", type=int, help="begin when so many streams are subscribed (default: 1 for a recording, else 0)")
    add("--stay", action="store_true", help="keep the venues open when all was sent, until stopped")
    names = ("VENUE", "MARKET", "PAIR", "AT", "COUNT")
    add(
        "--drop",
        action="append",
        default=[],
        nargs=5,
        metavar=names,
        help="keep back COUNT frames AT market seconds after the start: the short form of one fault",
    )
    add("--faults", type=Path, help="a YAML list of what goes wrong, such as `- {fault: abort, venue: binance, at: 30s}`")
    add(
        "--limits",
        type=_limits,
        default=1.0,
        metavar="TIMES",
        help="so many times the venues' limits on requests and connections, on the real clock; `off`: none (default: 1)",
    )
    add("--truth", type=Path, help="a file for the truth: every trade, one JSON line each, and whether it was sent")


def run(args: argparse.Namespace) -> int:
    """Be the exchanges; 0 when all was sent or somebody stopped us, 2 when the options cannot be obeyed."""
    try:
        from ingest.simulator import server  # noqa: PLC0415 - the rest of the command line works without the extra
    except ModuleNotFoundError as error:
        return _refuse(f"{error.name} is not installed; pip install '.[simulator]' in a checkout brings it")
    try:
        world = _world(args)
        truth_file = args.truth.open("w", encoding="utf-8") if args.truth else None
    except (ValueError, LookupError, OSError, SettingsError) as error:
        return _refuse(str(error))
    wait_for = args.wait_for if args.wait_for is not None else int(world.is_recorded)

    def ready(port: int) -> None:
        start = datetime.fromtimestamp(world.start // 1_000_000, UTC)
        _say(f"ready port={port} address=ws://127.0.0.1:{port} start={start:%Y-%m-%dT%H:%M:%SZ} streams={len(world.offered)}")

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.run(
            world, truth, port=args.port, wait_for=wait_for, stays=args.stay, stop=stop, ready=ready, limits=args.limits
        )

    with truth_file or contextlib.nullcontext():
        truth = Truth(truth_file)
        try:
            asyncio.run(until_stopped())
        except OSError as error:
            return _refuse(f"port {args.port}: {error.strerror}; --port 0 takes a free one")
    _say(f"done frames={truth.frames} trades={truth.trades} sent={truth.sent} dropped_frames={truth.dropped}")
    return 0


def _world(args: argparse.Namespace) -> World:
    wanted = [*(_drop(*words) for words in args.drop), *(faults(args.faults) if args.faults else ())]
    if args.recording:
        if not (args.venue and args.market):
            raise ValueError("--recording: whose is it? --venue and --market say so, such as --venue binance --market spot")
        return recorded(args.recording, find_exchange(args.venue, args.market), args.speed, wanted)
    span = args.span if args.span or not args.duration else int(args.duration * _finite(args.speed))
    now = time.time_ns() // 1000
    if args.start is not None:
        start = args.start
    elif span is not None:
        start = now - span
    else:
        start = now - (0 if args.speed == 1 else int(3600 * 1_000_000 * _finite(args.speed)))  # an hour's run before it is now
    return made(args.seed, start, None if span is None else start + span, args.speed, wanted)


def _drop(venue: str, market: str, pair: str, at: str, count: str) -> Fault:
    for name, text in (("AT", at), ("COUNT", count)):
        if not re.fullmatch(r"\d+", text):
            raise ValueError(f"--drop {name} is {text!r}: a whole number is right")
    return drop(venue, market, pair, int(at), int(count))


def _finite(speed: float | None) -> float:
    if speed is None:
        raise ValueError("--speed max: how much? --span says it in market time, such as 20m")
    return speed


def _port(text: str) -> int:
    if not re.fullmatch(r"\d+", text) or int(text) > 65_535:  # noqa: PLR2004 - that is where ports end
        raise argparse.ArgumentTypeError(f"{text!r}: a port from 0 to 65535")
    return int(text)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0
    if not speed:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0 such as 20, or max")
    return speed


def _limits(text: str) -> float | None:
    if text == "off":
        return None
    times = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0
    if not times:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0 such as 0.5, or off")
    return times


def _duration(text: str) -> int:
    found = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: a duration such as 30s, 20m or 2h")
    return int(found[1]) * _UNITS[found[2]]


def _time(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: a time with its zone, such as 2026-11-01T00:00:00Z")
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # whoever started us waits for this line


def _refuse(reason: str) -> int:
    sys.stderr.write(f"simulate: {reason}\n")
    return 2

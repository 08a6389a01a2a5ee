"""`python -m ingest backfill`: the options, and what is said on the way."""

import argparse
import random
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ingest import landing, terminal
from ingest.backfill.inbox import InboxError
from ingest.backfill.listing import ListingError
from ingest.backfill.paging import Paging
from ingest.backfill.paging import World as RestWorld
from ingest.backfill.run import Backfill, Progress, World
from ingest.backfill.tally import Paged
from ingest.backfill.wanted import Asked
from ingest.clock import SYSTEM
from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Dump, Exchange
from ingest.plan import checked, proxies
from ingest.rest.client import RestError, get
from ingest.rest.download import fetch
from ingest.settings import PAIR_PATTERN, Settings, SettingsError
from ingest.spool.spool import SpoolError

EXAMPLE = """example:
  python -m ingest backfill --conf conf/local.yaml --dataset aggTrades --pairs BTC-USDT --from 2024-01-01 --to 2024-03-31
  python -m ingest backfill --conf conf/local.yaml --dataset klines --interval 1m --market usdm --pairs '*-USDT' --from 2024-01-01
  python -m ingest backfill --conf conf/local.yaml --venue coinbase --dataset trades --pairs BTC-USD --from 2024-01-01 --to 2024-01-31

Files come with the sha256 that is published beside them, of whole months where there are, else of days, to
<lake>/inbox/<venue>/<market>/<monthly|daily>/<dataset>/<symbol>/. A pattern fits what there ever were files of, delisted symbols
among them. What is there is not fetched again; what was cut is gone on with. --recheck: what the venue has replaced since.

A venue without files (coinbase, bitso) is asked over REST, page by page, as far back as it tells, within
ingest.repair.weight_share of its limit; the pages come to <lake>/inbox/<venue>/<market>/lines/<kind>/<pair>/. A pattern fits
what is traded now.

Exit codes: 0 all that is published is there; 1 failed, or something is not there; 2 not asked properly.
Ctrl+C or SIGTERM: ends within seconds; the next run goes on where this one ended."""
DONE, FAILED, USAGE = 0, 1, 2
_BAR = 24  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.description = "Fetch what an exchange publishes or tells of the past into the lake's inbox."
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--conf", type=Path, required=True, help="the configuration, such as conf/local.yaml")
    parser.add_argument("--venue", default="binance", help="such as binance, which is the default")
    parser.add_argument("--market", default="spot", help="spot, which is the default, or usdm")
    parser.add_argument("--dataset", required=True, help="as the venue calls it: aggTrades, trades, klines")
    parser.add_argument("--interval", default="1m", help="of klines; 1m by default")
    parser.add_argument("--pairs", required=True, help="such as BTC-USDT,*-USDC")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, help="the first day, such as 2024-01-01")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="the last day; yesterday by default")
    parser.add_argument("--recheck", action="store_true", help="fetch again what has another checksum by now")
    parser.add_argument("--verbose", action="store_true", help="log every file, not only what went wrong")


def run(args: argparse.Namespace, stop: threading.Event) -> int:
    """Fetch; how it ended. Whoever calls sets `stop` when a signal comes."""
    terminal.log(verbose=args.verbose)
    try:
        settings = checked(args.conf, find_exchange)
        exchange = _exchange(args)
        source = _kind(args, exchange) if exchange.dumps is None else _dump(args, exchange)
        asked = _asked(args, exchange)
    except SettingsError as error:
        sys.stderr.write(f"backfill: {error}\n")
        return USAGE
    try:
        if isinstance(source, Dump):
            summary, is_good = _files(settings, exchange, source, asked, stop)
        else:
            summary, is_good = _pages(settings, exchange, source, asked, stop)
    except (SpoolError, InboxError, ListingError, RestError, SettingsError, OSError) as error:
        sys.stderr.write(f"backfill: {error}\n")
        return FAILED
    terminal.end(summary)
    return DONE if is_good else FAILED


def _files(settings: Settings, exchange: Exchange, dump: Dump, asked: Asked, stop: threading.Event) -> tuple[str, bool]:
    through = proxies(settings.ingest, find_exchange)
    world = World(SYSTEM, fetch(through, settings.ingest.backfill.parallel), random.random, stop)
    backfill = Backfill(settings.ingest, exchange, dump, landing.store(settings.lake), world)
    end = backfill.run(asked, lambda now: terminal.show(_progress(now)))
    return _summary(end), end.is_good


def _pages(settings: Settings, exchange: Exchange, kind: str, asked: Asked, stop: threading.Event) -> tuple[str, bool]:
    world = RestWorld(SYSTEM, get(proxies(settings.ingest, find_exchange)), random.random, stop)
    paging = Paging(settings.ingest, exchange, kind, landing.store(settings.lake), world)
    end = paging.run(asked, lambda now: terminal.show(_paging(now)))
    return _paged(end), end.is_good


def _exchange(args: argparse.Namespace) -> Exchange:
    try:
        return find_exchange(args.venue, args.market)
    except LookupError as error:
        raise SettingsError(f"--venue {args.venue} --market {args.market}: {error.args[0]}") from error


def _kind(args: argparse.Namespace, exchange: Exchange) -> str:
    """Of what is asked for page by page."""
    histories = exchange.rest.histories if exchange.rest else {}
    kinds = {f"{kind}s": kind for kind, history in histories.items() if history.upwards is not None}
    if args.dataset not in kinds:
        raise SettingsError(
            f"--dataset {args.dataset}: {exchange.name} tells {', '.join(sorted(kinds)) or 'nothing of its past'}"
        )
    if args.recheck:
        raise SettingsError(f"--recheck: {exchange.name} publishes no files that could be replaced")
    return kinds[args.dataset]


def _dump(args: argparse.Namespace, exchange: Exchange) -> Dump:
    assert exchange.dumps is not None
    kinds = {dump.dataset: dump for dump in exchange.dumps.kinds.values()}
    if args.dataset == "klines":
        if args.interval not in exchange.dumps.candles:
            raise SettingsError(f"--interval {args.interval}: one of {', '.join(exchange.dumps.candles)}")
        return exchange.dumps.candles[args.interval]
    if args.dataset not in kinds:
        raise SettingsError(f"--dataset {args.dataset}: {exchange.name} publishes {', '.join(sorted([*kinds, 'klines']))}")
    return kinds[args.dataset]


def _asked(args: argparse.Namespace, exchange: Exchange) -> Asked:
    pairs = [pair.strip() for pair in args.pairs.split(",") if pair.strip()]
    for pair in pairs:
        if not PAIR_PATTERN.fullmatch(pair):
            raise SettingsError(f"--pairs {pair!r}: BASE-QUOTE of A-Z and 0-9, such as BTC-USDT or *-USDT")
        if "*" not in pair:
            try:
                exchange.symbol(pair)
            except ValueError as error:
                raise SettingsError(f"--pairs: {error}") from error
    if not pairs:
        raise SettingsError("--pairs: at least one, such as BTC-USDT")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    last = args.last or yesterday
    if not args.first <= last <= yesterday:
        raise SettingsError(
            f"--from {args.first} --to {last}: in this order, and none later than {yesterday}, which was yesterday"
        )
    return Asked(pairs, args.first, last, recheck=args.recheck)


def _progress(now: Progress) -> str:
    filled = _BAR * now.done // now.files if now.files else 0
    of = f" of {now.bytes / 1e6:.0f}" if now.bytes else ""
    rate = now.got_bytes / 1e6 / now.seconds if now.seconds else 0.0
    doing = f", {now.doing[0]}" if now.doing else ""
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {now.done}/{now.files} files, {now.got_bytes / 1e6:.1f}{of} MB, {rate:.1f} MB/s{doing}"


def _summary(end: Progress) -> str:
    ends = "".join(f" {outcome}={number}" for outcome, number in sorted(end.ends.items()))
    counts = f"backfill: {end.seconds:.0f} s, files={end.files}{ends} left={end.files - end.done} bytes={end.got_bytes}"
    absent = "".join(f"; {pair}: no file of {one.first} to {one.last}, {_WHERE[one.where]}" for pair, one in end.absent)
    return "".join([counts, absent, *(f"; failed: {failure}" for failure in end.failures)])


def _paging(now: Paged) -> str:
    done = now.ids - now.left
    filled = _BAR * done // now.ids if now.ids else 0
    doing = f", {now.doing[0]}" if now.doing else ""
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {done:,}/{now.ids:,} ids, {now.pages} pages, {now.files} files{doing}"


def _paged(end: Paged) -> str:
    counts = (
        f"backfill: {end.seconds:.0f} s, ids={end.ids} left={end.left} files={end.files} there={end.there} "
        f"pages={end.pages} trades={end.trades} text_bytes={end.bytes}"
    )
    return "".join([counts, *(f"; {note}" for note in end.notes), *(f"; failed: {failure}" for failure in end.failures)])


_WHERE = {
    "before": "before the first one",
    "between": "between others",
    "after": "after the last one",
    "all": "nor any other",
}

"""The simulated market: repeatable, a function of time, with ids as on each venue, and saying what it means."""

import gzip
import hashlib
import json
import zlib
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from ingest.envelope import object_key
from ingest.exchanges import EXCHANGES, find_exchange
from ingest.simulator.landed import objects
from ingest.simulator.listings import LISTINGS, Series, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from ingest.simulator.wire import WIRES, Frame, Trade
from tests.support.readings import EPOCH, MICROSECONDS, rows

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z, the first moment of a minute
SEED = 7


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(market(SEED, START, START + 3 * MINUTE))


@pytest.fixture(scope="module")
def trades(frames: list[Frame]) -> dict[Series, list[Trade]]:
    found: dict[Series, list[Trade]] = defaultdict(list)
    for frame in frames:
        found[frame.series].extend(frame.trades)
    return found


def test_every_feed_of_every_exchange_is_traded(trades: dict[Series, list[Trade]]):
    offered = {(exchange.venue, exchange.market, kind) for exchange in EXCHANGES.values() for kind in exchange.feeds}
    assert set(WIRES) == offered == {(feed.venue, feed.market, feed.kind) for feed in trades}
    assert set(trades) == {feed for listing in LISTINGS for feed in series(listing).values()}


def test_the_same_seed_is_the_same_market(frames: list[Frame]):
    assert list(market(SEED, START, START + 3 * MINUTE)) == frames
    assert list(market(SEED + 1, START, START + 3 * MINUTE)) != frames


@pytest.mark.parametrize("cut", [0, 1, 30_000_000, MINUTE, MINUTE + 17_000_001, 3 * MINUTE])
def test_a_market_started_again_goes_on_where_it_was(frames: list[Frame], cut: int):
    before, after = market(SEED, START, START + cut), market(SEED, START + cut, START + 3 * MINUTE)
    assert [*before, *after] == frames


def test_ids_join_across_hours():
    edge = START + 40 * MINUTE
    assert datetime.fromtimestamp(edge / 1e6, UTC).minute == 0
    for listing in LISTINGS:
        for feed, exchange in ((feed, find_exchange(feed.venue, feed.market)) for feed in series(listing).values()):
            around = market(SEED, edge - 3 * MINUTE, edge + 3 * MINUTE, wanted=lambda other, feed=feed: other == feed)
            ids = [trade.trade_id for frame in around for trade in frame.trades]
            assert min(b - a for a, b in pairwise(ids)) >= 1
            if exchange.feeds[feed.kind].dense:
                assert ids == list(range(ids[0], ids[0] + len(ids))), feed


def test_ids_are_as_on_the_venue(trades: dict[Series, list[Trade]]):
    for feed, found in trades.items():
        steps = {b.trade_id - a.trade_id for a, b in pairwise(found)}
        assert steps == {1} if feed.venue != "bitso" else min(steps) >= 1 and max(steps) > 1, feed


def test_aggregates_join_on_spot_and_skip_on_usdm(trades: dict[Series, list[Trade]]):
    for feed, found in trades.items():
        if feed.kind != "agg_trade":
            assert {(trade.first_id, trade.last_id) for trade in found} == {(None, None)}
            continue
        steps = {(b.first_id or 0) - (a.last_id or 0) for a, b in pairwise(found)}
        assert steps == {1} if feed.market == "spot" else min(steps) == 1 and max(steps) > 1, feed


def test_an_aggregate_is_the_sum_of_its_trades(trades: dict[Series, list[Trade]]):
    for feed, found in trades.items():
        if (feed.market, feed.kind, feed.venue) != ("spot", "agg_trade", "binance"):
            continue
        single = {
            trade.trade_id: trade
            for trade in trades[feed._replace(kind="trade", stream=feed.stream.replace("aggTrade", "trade"))]
        }
        for trade in found:
            parts = [single[number] for number in range(trade.first_id or 0, (trade.last_id or 0) + 1)]
            assert sum(Decimal(part.quantity) for part in parts) == Decimal(trade.quantity)
            assert {(part.price, part.taker_side, part.ts) for part in parts} == {(trade.price, trade.taker_side, trade.ts)}


def test_frames_come_in_time_and_none_before_its_trade(frames: list[Frame]):
    assert all(a.at <= b.at for a, b in pairwise(frames))
    assert all(START <= frame.at < START + 3 * MINUTE for frame in frames)
    assert all(trade.ts <= frame.at and (trade.event_ts in (None, frame.at)) for frame in frames for trade in frame.trades)


def test_a_frame_is_what_its_venue_would_send(frames: list[Frame]):
    for frame in frames:
        feed = frame.series
        exchange = find_exchange(feed.venue, feed.market)
        seen = exchange.recognise(json.loads(frame.text))
        ids = [trade.trade_id for trade in frame.trades]
        assert (seen.kind, seen.stream, seen.first_id, seen.last_id) == (feed.kind, feed.stream, min(ids), max(ids))
        unit = MICROSECONDS[exchange.time_unit]
        assert [
            (row.trade_id, row.first_id, row.last_id, row.price, row.quantity, row.taker_side, row.ts, row.event_ts, row.reason)
            for row in rows(exchange, feed.kind, "ws", frame.text)
        ] == [
            (
                trade.trade_id,
                trade.first_id,
                trade.last_id,
                Decimal(trade.price),
                Decimal(trade.quantity),
                trade.taker_side,
                EPOCH + timedelta(microseconds=trade.ts // unit * unit),
                None if trade.event_ts is None else EPOCH + timedelta(microseconds=trade.event_ts),
                None,
            )
            for trade in frame.trades
        ]


def test_prices_walk_on_the_tick_and_both_sides_trade(trades: dict[Series, list[Trade]]):
    for listing in LISTINGS:
        for feed in series(listing).values():
            found = trades[feed]
            prices = [Decimal(trade.price).scaleb(listing.price_places) for trade in found]
            assert all(price == int(price) and abs(price - listing.price) < listing.price // 10 for price in prices)
            assert all(Decimal(trade.quantity).scaleb(listing.quantity_places) % 1 == 0 for trade in found)
            assert len(set(prices)) > 3
            assert {trade.taker_side for trade in found} == {"buy", "sell"}


def test_orders_come_in_bursts(trades: dict[Series, list[Trade]]):
    """A busy second has several times the orders of a common one."""
    feed = next(feed for feed in trades if feed.pair == "BTC-USDT" and feed.kind == "agg_trade")
    seconds = defaultdict(int)
    for trade in trades[feed]:
        seconds[trade.ts // 1_000_000] += 1
    counts = sorted(seconds.values())
    assert counts[-1] > 3 * counts[len(counts) // 2]


def test_no_frame_is_sent_in_a_later_minute_than_its_trade():
    """Else a minute could not be made without the one before."""
    for listing in LISTINGS:
        found = list(market(SEED, START, START + MINUTE, listings=[replace(listing, ticks_per_hour=600_000)]))
        assert {frame.at // MINUTE for frame in found} == {START // MINUTE}
        assert {trade.ts // MINUTE for frame in found for trade in frame.trades} == {START // MINUTE}
        assert max(trade.ts for frame in found for trade in frame.trades) > START + MINUTE - 40_000


def test_a_busier_listing_has_more_ticks():
    busy = replace(LISTINGS[0], ticks_per_hour=600_000)
    spot = [frame for frame in market(SEED, START, START + MINUTE, listings=[busy]) if frame.series.kind == "agg_trade"]
    assert len(spot) > 5_000


def test_objects_hold_each_frame_as_a_landing_line(frames: list[Frame]):
    found = list(objects(frames, "laptop"))
    lines = defaultdict(list)
    for key, data in found:
        venue, market_ = key.split("venue=")[1].split("/")[0], key.split("market=")[1].split("/")[0]
        text = gzip.decompress(data)
        first = json.loads(text.split(b"\n", 1)[0])["recv_ns"]
        assert key == object_key(
            channel="trades",
            venue=venue,
            market=market_,
            day="2024-11-07",
            first_recv_ns=first,
            collector="laptop",
            sha256=hashlib.sha256(text).hexdigest(),
        )
        lines[venue, market_].extend(json.loads(line) for line in text.splitlines())
    assert len({key for key, _ in found}) == len(found) == 3 * 4
    for (venue, market_), written in lines.items():
        sent = [frame for frame in frames if (frame.series.venue, frame.series.market) == (venue, market_)]
        assert [line.pop("seq") for line in written] == list(range(1, len(sent) + 1))
        assert {line.pop("conn") for line in written} == {f"laptop-{sent[0].at * 1000}-{written_place(found, venue, market_)}"}
        assert written == [
            {
                "v": 1,
                "venue": venue,
                "market": market_,
                "channel": "trades",
                "kind": frame.series.kind,
                "pair": frame.series.pair,
                "stream": frame.series.stream,
                "source": "ws",
                "recv_ns": frame.at * 1000,
                "raw": json.loads(frame.text),
            }
            for frame in sent
        ]


def written_place(found: list[tuple[str, bytes]], venue: str, market_: str) -> int:
    """Connections are numbered in the order in which the first frames came."""
    places = dict.fromkeys((key.split("/")[2], key.split("/")[3]) for key, _ in found)
    return list(places).index((f"venue={venue}", f"market={market_}")) + 1


def test_members_of_an_object_are_small():
    busy = replace(LISTINGS[0], ticks_per_hour=600_000)
    ((_, data),) = objects(market(SEED, START, START + MINUTE, listings=[busy], wanted=lambda feed: feed.kind == "trade"))
    sizes = []
    while data:
        member = zlib.decompressobj(wbits=31)
        sizes.append(len(member.decompress(data)))
        data = member.unused_data
    assert len(sizes) > 2
    assert max(sizes) <= 1_000_000

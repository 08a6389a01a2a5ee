"""The past of the simulated venues: what the websocket sent until a moment, by id and by time, without memory of a made market."""

from dataclasses import replace
from functools import cache

import pytest

from ingest.simulator.listings import LISTINGS, Listing, Series, series
from ingest.simulator.market import market
from ingest.simulator.past import Made, Recorded
from ingest.simulator.ticks import MINUTE, minute_of, minute_of_fill, ticks
from ingest.simulator.wire import Frame, Trade

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
SEED = 7
SPAN = 4 * MINUTE
FEEDS = [feed for listing in LISTINGS for feed in series(listing).values()]
MADE = Made(SEED, {(listing.venue, listing.market, listing.pair): listing for listing in LISTINGS})


@cache
def sent(feed: Series) -> list[Frame]:
    return list(market(SEED, START, START + SPAN, wanted=lambda other: other == feed))


def trades(frames: list[Frame], now: int = START + SPAN) -> list[Trade]:
    return [trade for frame in frames if frame.at <= now for trade in frame.trades]


@cache
def recorded(feed: Series) -> Recorded:
    past = Recorded()
    for frame in sent(feed):
        past.add(frame)
    return past


@pytest.fixture(params=["made", "recorded"])
def past(request: pytest.FixtureRequest):
    return (lambda _feed: MADE) if request.param == "made" else recorded


@pytest.mark.parametrize("feed", FEEDS, ids=str)
@pytest.mark.parametrize("now", [START + 91_234_567, START + 2 * MINUTE, START + SPAN - 1])
def test_by_id_is_what_the_websocket_sent_until_now(past, feed: Series, now: int):
    found = trades(sent(feed), now)
    assert len(found) > 20
    middle = found[len(found) // 2].trade_id
    tail = [trade for trade in found if trade.trade_id >= middle]
    assert past(feed).since(feed, middle, 10_000, now) == tail
    assert past(feed).since(feed, middle, 10, now) == tail[:10]
    assert past(feed).newest(feed, 10, now) == found[-10:]
    older = [trade for trade in found if trade.trade_id < middle]
    assert past(feed).newest(feed, 10, now, below=middle) == older[-10:]
    assert past(feed).since(feed, found[-1].trade_id + 1, 10, now) == []


@pytest.mark.parametrize("feed", FEEDS, ids=str)
def test_by_time_both_ends_belong_to_it(past, feed: Series):
    found = trades(sent(feed))
    first, last, now = found[5].ts, found[-5].ts, START + SPAN - 1
    assert list(past(feed).between(feed, first, last, now)) == [trade for trade in found if first <= trade.ts <= last]
    assert list(past(feed).between(feed, first + 1, last - 1, now)) == [trade for trade in found if first < trade.ts < last]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.name)
def test_an_id_tells_its_minute_also_across_hours(listing: Listing):
    around = range(START // MINUTE + 37, START // MINUTE + 43)  # 18:00 lies in the middle
    for minute in around:
        happened = ticks(listing, SEED, minute)
        assert {minute_of(listing, SEED, tick.number) for tick in happened} == {minute}
        fills = [fill for tick in happened for fill in range(tick.first_fill, tick.first_fill + tick.fills)]
        assert {minute_of_fill(listing, SEED, fill) for fill in fills} == {minute}


def test_futures_tell_single_trades_whose_sums_are_the_aggregates():
    feed = next(feed for feed in FEEDS if (feed.market, feed.pair) == ("usdm", "BTC-USDT"))
    single = {
        trade.trade_id: trade
        for trade in MADE.since(feed._replace(kind="trade"), trades(sent(feed))[0].first_id or 0, 10_000, START + SPAN - 1)
    }
    told = set()
    for trade in trades(sent(feed)):
        ids = range(trade.first_id or 0, (trade.last_id or 0) + 1)
        assert {(single[number].price, single[number].taker_side, single[number].ts) for number in ids} == {
            (trade.price, trade.taker_side, trade.ts)
        }
        assert sum(int(single[number].quantity.replace(".", "")) for number in ids) == int(trade.quantity.replace(".", ""))
        told |= set(ids)
    assert told == set(single)


def test_a_recorded_past_has_each_id_once_and_in_order_however_it_came():
    feed = FEEDS[0]
    one, two, three = sent(feed)[:3]
    past = Recorded()
    for frame in (three, one, three, two, one):
        past.add(frame._replace(at=three.at))
    assert past.newest(feed, 10, three.at) == trades([one, two, three])


def test_another_seed_has_another_past():
    feed = FEEDS[0]
    assert replace(MADE, seed=8).newest(feed, 10, START) != MADE.newest(feed, 10, START)

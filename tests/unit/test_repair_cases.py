"""A gap under repair: what is looked for, and which word tells how it ended."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.continuity import Hole
from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Page
from ingest.repair.cases import End, Window, case, end
from ingest.repair.opengaps import OpenGap
from ingest.rest.download import Refusal
from ingest.rest.parts import daily, monthly
from ingest.settings import Epoch, Ingest

BEFORE = datetime(2024, 11, 7, 12, 0, 0, 123456, UTC)
AFTER = BEFORE + timedelta(hours=1)
GAP = OpenGap("binance", "spot", "agg_trade", "BTC-USDT", 10, 21, 11, 18, 8, BEFORE, AFTER)
DUMP = find_exchange("binance", "spot").dumps.kinds["agg_trade"]
DAY, MONTH = daily(DUMP, "BTC-USDT", BEFORE.date()), monthly(DUMP, "BTC-USDT", BEFORE.date())
AT_MS = 1_730_980_800_123


def made(gap=GAP, epochs=()):
    return case(Ingest("laptop", epochs=epochs), find_exchange, gap)


def test_the_ids_that_are_absent_are_looked_for():
    found = made()
    assert found.search.hole == Hole("ids", 11, 18, 10, 21, AT_MS, AT_MS + 3_600_000, is_told=True)
    assert (found.stream, found.plan.pairs, found.window) == ("btcusdt@aggTrade", {"btcusdt@aggTrade": "BTC-USDT"}, Window())


def test_where_they_are_not_known_all_between_the_two_trades_are():
    sparse = OpenGap("bitso", "spot", "trade", "BTC-MXN", 10, 21, before_ts=BEFORE)
    assert made(sparse).search.hole == Hole("suspected", 11, 20, 10, 21, AT_MS, None, is_told=True)
    dense = OpenGap("coinbase", "spot", "trade", "BTC-USD", 10, 21)
    assert made(dense).search.hole == Hole("ids", 11, 20, 10, 21, None, None, is_told=True)
    assert not made(OpenGap("coinbase", "spot", "trade", "BTC-USD", 10)).search.hole.is_plausible


@pytest.mark.parametrize(
    ("gap", "message"),
    [
        (OpenGap("kraken", "spot", "trade", "A-B", 1, 9), "exchange kraken spot: not known"),
        (OpenGap("binance", "spot", "depth", "BTC-USDT", 1, 9), "feed 'depth': binance spot has agg_trade, trade"),
        (OpenGap("binance", "spot", "trade", "BTC-NOPE", 1, 9), "symbol 'BTCNOPE'"),
        (OpenGap("binance", "spot", "trade.2", "BTC-USDT", 1, 9), "feed 'trade.2': ingest.epochs has no n 2 of trade BTC-USDT"),
    ],
)
def test_a_gap_of_a_feed_that_is_not_known_is_refused_by_name(gap, message):
    with pytest.raises((LookupError, ValueError), match=message):
        made(gap)


def test_an_epoch_has_its_time():
    second, third = BEFORE, AFTER
    epochs = [Epoch("binance", "spot", "trade", "BTC-USDT", n, at) for n, at in ((3, third), (2, second))]
    other = Epoch("binance", "usdm", "trade", "BTC-USDT", 4, AFTER)

    def window(feed):
        return made(OpenGap("binance", "spot", feed, "BTC-USDT", 1, 9), [*epochs, other]).window

    assert [window(feed) for feed in ("trade", "trade.2", "trade.3", "agg_trade")] == [
        Window(None, AT_MS),
        Window(AT_MS, AT_MS + 3_600_000),
        Window(AT_MS + 3_600_000, None),
        Window(),
    ]
    assert [Window(5, 7).has(ms) for ms in (4, 5, 6, 7)] == [False, True, True, False]


def asked(rest, *ids, low=0, high=-1):
    """A case whose REST told these ids, and proved this much."""
    found = made()
    found.search.take(Page(ids, low, high))
    found.turn(*rest)
    return found


def test_without_files_it_ends_as_rest_said():
    assert end(asked(("repaired", None), *range(11, 19), low=11, high=18)) == End("repaired", 8, None, "rest")
    assert end(asked(("absent", None), 11, low=11, high=18)) == End("absent", 1, None, "rest")
    assert end(asked(("failed", "HTTP 503"), 11)) == End("failed", 1, "HTTP 503", "rest")


def test_a_file_brings_the_rest():
    found = asked(("left", "nothing for [(12, 18)]"), 11)
    found.search.take(Page(range(12, 19), 0, -1))
    found.learn(DAY, (1, 30), "ab12")
    assert end(found) == End("repaired", 8, f"{DAY.name} sha256 ab12", "dump")
    assert list(found.open_days) == []


def test_a_file_proves_that_there_are_no_such_trades():
    found = asked(("absent", None), 11, low=11, high=18)
    assert found.open_days == [BEFORE.date()]
    found.search.take(Page([12], 0, -1))
    found.learn(DAY, (1, 30), "ab12")
    assert end(found) == End("absent", 2, f"{DAY.name} sha256 ab12; REST: absent", "dump")


def test_a_file_that_ends_inside_the_gap_leaves_the_rest_open():
    found = asked(("too_old", "48 hours"))
    found.search.take(Page([11, 12], 0, -1))
    found.learn(DAY, (1, 14), "ab12")
    assert end(found) == End("left", 2, f"{DAY.name} sha256 ab12; nothing for [(15, 18)]; REST: too_old, 48 hours", "dump")


def test_of_several_reasons_the_worst_is_the_outcome():
    found = asked(("too_old", "48 hours"))
    found.refusals[MONTH] = Refusal("not_published", "not before December")
    assert end(found) == End("not_published", 0, "not before December; REST: too_old, 48 hours", "dump")
    found.refusals[DAY] = Refusal("checksum", "A is not B")
    assert end(found) == End("checksum", 0, "not before December; A is not B; REST: too_old, 48 hours", "dump")


def test_a_reason_does_not_count_when_another_file_had_the_day():
    found = asked(("too_old", None))
    found.refusals[DAY] = Refusal("not_published", "not there yet")
    found.learn(MONTH, (1, 14), "ab12")
    assert end(found).outcome == "left"


def test_what_was_learned_from_files_outlives_another_answer_of_rest():
    found = asked(("left", None))
    found.search.take(Page([11], 0, -1))
    found.learn(DAY, (1, 14), "ab12")
    found.search.take(Page([15, 16], 15, 16))
    found.turn("left", None)
    assert (found.search.left, found.search.found) == ([(17, 18)], [(11, 11), (15, 16)])


def test_a_try_is_worth_it_when_the_first_file_can_be_there():
    found = asked(("too_old", None))
    now = int(datetime(2024, 11, 7, 23, tzinfo=UTC).timestamp()) * 10**9
    assert found.due_in(now) == 0
    found.refusals = dict.fromkeys((DAY, MONTH), Refusal("not_published", "not yet"))
    assert found.due_in(now) == 3600
    assert found.due_in(now + 7200 * 10**9) == 0


def test_an_event_has_the_key_that_the_lake_wrote():
    assert made().told(End("repaired", 8, None, "rest")) == {
        "before_id": 10,
        "after_id": 21,
        "first_missing_id": 11,
        "last_missing_id": 18,
        "before_ts": "2024-11-07T12:00:00.123456Z",
        "after_ts": "2024-11-07T13:00:00.123456Z",
        "rows": 8,
        "outcome": "repaired",
        "detail": None,
    }

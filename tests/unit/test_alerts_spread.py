"""A spread against its thresholds: what is raised, what is over, and that an edge does not flap."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.alerts.alert import Key, Raised, Recovered, Severity
from ingest.alerts.spread import NOTHING_EXCEEDED, judge_spread, key, spread_pct

THRESHOLDS = (Decimal("1.0"), Decimal("0.5"), Decimal("0.1"))
ONE, HALF, TENTH = THRESHOLDS
WHERE, AT = "binance spot BTC-USDT", 7


def judged(exceeded, bid, ask, thresholds=THRESHOLDS):
    return judge_spread(exceeded, Decimal(bid), Decimal(ask), thresholds, WHERE, AT)


def test_the_spread_is_in_percent_of_the_ask():
    assert spread_pct(Decimal(99), Decimal(100)) == 1
    assert spread_pct(Decimal("99.95"), Decimal(100)) == Decimal("0.05")
    assert spread_pct(Decimal(100), Decimal(125)) == 20


def test_every_threshold_that_is_passed_is_raised_the_greatest_as_critical():
    text = "1.2000 % of the ask (bid 98.8, ask 100)"
    assert judged(NOTHING_EXCEEDED, "98.8", "100") == (
        {ONE, HALF, TENTH},
        [
            Raised(Key("spread above 1.0 %", WHERE), Severity.CRITICAL, text, AT),
            Raised(Key("spread above 0.5 %", WHERE), Severity.WARNING, text, AT),
            Raised(Key("spread above 0.1 %", WHERE), Severity.INFO, text, AT),
        ],
    )


@pytest.mark.parametrize(
    ("before", "bid", "now"),
    [
        (NOTHING_EXCEEDED, "99.90", NOTHING_EXCEEDED),  # 0.1 % is not above 0.1 %
        (NOTHING_EXCEEDED, "99.8999", {TENTH}),
        ({TENTH}, "99.90", {TENTH}),
        ({TENTH}, "99.9199", {TENTH}),
        ({TENTH}, "99.92", NOTHING_EXCEEDED),  # down to 0.08 %
        ({TENTH}, "99.45", {TENTH, HALF}),
        ({TENTH, HALF}, "99.55", {TENTH, HALF}),
        ({TENTH, HALF}, "99.60", {TENTH}),
        ({TENTH, HALF, ONE}, "99.21", {TENTH, HALF}),
        ({TENTH, HALF, ONE}, "100", NOTHING_EXCEEDED),
    ],
)
def test_a_threshold_stays_exceeded_down_to_four_fifths_of_it(before, bid, now):
    found, changes = judged(frozenset(before), bid, "100")
    assert found == now
    assert {change.key for change in changes if isinstance(change, Raised)} == {key(limit, WHERE) for limit in now - before}
    assert {change.key for change in changes if isinstance(change, Recovered)} == {key(limit, WHERE) for limit in before - now}


@pytest.mark.parametrize(
    ("bid", "ask"), [("0", "100"), ("-1", "100"), ("100", "0"), ("101", "100"), ("NaN", "100"), ("100", "NaN"), ("1", "Infinity")]
)
@pytest.mark.parametrize("before", [NOTHING_EXCEEDED, frozenset({TENTH, HALF})])
def test_a_book_without_both_sides_or_a_crossed_one_changes_nothing(bid, ask, before):
    assert judged(before, bid, ask) == (before, ())


def test_what_changes_nothing_tells_nothing():
    assert judged(frozenset({TENTH}), "99.85", "100") == ({TENTH}, ())
    assert judged(NOTHING_EXCEEDED, "99", "100", ()) == (NOTHING_EXCEEDED, ())


@pytest.mark.parametrize(("thresholds", "severities"), [((ONE,), ["warning"]), ((ONE, HALF), ["critical", "info"])])
def test_the_severities_of_fewer_thresholds(thresholds, severities):
    _, changes = judged(NOTHING_EXCEEDED, "90", "100", thresholds)
    assert [str(change.severity) for change in changes] == severities


prices = st.decimals(min_value="0.0000000001", max_value="9999999999", places=10)


@given(st.lists(st.tuples(prices, prices), max_size=20))
def test_what_is_raised_and_over_adds_up_to_what_is_exceeded(books):
    exceeded, known = NOTHING_EXCEEDED, set()
    for bid, ask in books:
        exceeded, changes = judge_spread(exceeded, bid, ask, THRESHOLDS, WHERE, AT)
        for change in changes:
            assert (change.key in known) == isinstance(change, Recovered)
            known ^= {change.key}
        assert known == {key(limit, WHERE) for limit in exceeded}
        if bid <= ask:
            assert all(limit in exceeded for limit in THRESHOLDS if spread_pct(bid, ask) > limit)
            assert not any(limit in exceeded for limit in THRESHOLDS if spread_pct(bid, ask) < limit * Decimal("0.79"))

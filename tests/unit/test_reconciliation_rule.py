"""The verdicts, held to the truth: on markets of which every trade is known, also those that we lost and those counted elsewhere.

The rows are those of the plain computation that Spark's are held to elsewhere.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support import reconciliation as plainly
from tests.support.reconciliation import Fill, Truth, candles, market, minutes, reconciled

FEEDS = [("spot", "trade"), ("spot", "agg_trade"), ("usdm", "trade"), ("usdm", "agg_trade")]


def taken(g: Random, fills: Sequence[Fill], feed: str) -> list[Fill]:
    """Those that reached us: whole trades or aggregates, some of them lost, and none after a certain one."""
    losses = g.choice([0, 0, 0.02, 0.1])
    known = sorted({_id(fill, feed) for fill in fills})
    kept = {id_ for id_ in known[: g.choice([-1, -3, len(known)])] if g.random() >= losses} or set(known[:1])
    return [fill for fill in fills if _id(fill, feed) in kept]


def _id(fill: Fill, feed: str) -> int:
    return fill.id if feed == "trade" else fill.aggregate


@settings(max_examples=400)
@given(st.integers(0, 10**9), st.sampled_from(FEEDS), st.sampled_from([0.1, 0.5, 0.9]), st.booleans())
def test_the_verdict_is_never_at_odds_with_the_truth(seed: int, feed: tuple[str, str], straddles: float, has_ids: bool):  # noqa: FBT001 - drawn
    g = Random(seed)  # noqa: S311 - a market, not a secret
    place, kind = feed
    fills = market(g, g.choice([3, 12, 30]), straddles=straddles, interleaved=place == "usdm")
    if not fills:
        return
    reached = taken(g, fills, kind)
    there = [row for row in candles(fills, has_ids=has_ids, market=place) if g.random() < 0.97]
    rows = reconciled(minutes(reached, kind, market=place), there)
    truth = Truth(kind == "trade", [row["open_time"] for row in there])
    truth.take(fills, reached)
    allowed = truth.allowed()
    equal = "equal" if plainly.is_counted({"feed": kind, "market": place}) else "equal_uncounted"
    assert {row["verdict"] for row in rows if row["verdict"].startswith("equal")} <= {equal}
    found = {row["minute"]: row["verdict"].removesuffix("_uncounted") for row in rows}
    assert found.keys() == {minute for minute, words in allowed.items() if words}
    wrong = {minute: (word, allowed[minute]) for minute, word in found.items() if word not in allowed[minute]}
    assert not wrong
    for word in set(found.values()):
        event(word)


@pytest.mark.parametrize("feed", FEEDS, ids=" ".join)
def test_a_fault_of_ours_is_explained_by_nothing(feed: tuple[str, str]):
    """Each minute but the newest one in turn says less or more than it should, and that it is complete."""
    place, kind = feed
    fills = market(Random(7), 12, straddles=0.5, interleaved=place == "usdm")  # noqa: S311 - see above
    right, there = minutes(fills, kind, market=place), candles(fills, market=place)
    for row in right[1:-1]:
        for change in (-1, 1):
            changed: list[dict[str, Any]] = [one | {"volume": one["volume"] + change * (one is row)} for one in right]
            (verdict,) = (one["verdict"] for one in reconciled(changed, there) if one["minute"] == row["minute"])
            if kind == "trade":
                assert verdict == "differs"
            else:
                assert verdict in {"differs", "unclear"}

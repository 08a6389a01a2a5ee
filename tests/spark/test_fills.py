"""Books walked, held to a plain computation: whole rows, one Spark job."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.tables.fills import FILLS
from jobs.tables.order_books import ORDER_BOOKS
from jobs.transforms.fills import fills, texts
from tests.support import fills as oracle
from tests.support.fills import Row, book
from tests.support.stories import interpret
from tests.support.tables import assert_rows, rows_of
from tests.support.written import frame_of

# the third pays for one whole, less the least there is, of "a price of many digits"
NOTIONALS = ("100", "1000.5", "54321.987654321899999999", "0.000000000000000001", "99999999999999999999.999999999999999999")
LADDER = ["100 0.5", "101 0.25", "103 40"]
BIDS = ["99 1", "98 0.5", "97 40"]
HUGE = "99999999999999.99999999"  # of quantity


def deep(g: Random, levels: int) -> Row:
    """With as many decimals as the columns have, where quotients are rounded most."""
    price = g.randrange(10**4, 10**14)
    sides: dict[str, list[str]] = {"bids": [], "asks": []}
    for name, step in (("bids", -1), ("asks", 1)):
        for number in range(levels):
            at = max(1, price + step * (number * g.randrange(1, price // (2 * levels) + 2) + 1))
            sides[name].append(f"{Decimal(at) / 10**10:f} {Decimal(g.randrange(10**11)) / 10**8:f}")
    sides["asks"].sort(key=lambda text: Decimal(text.split()[0]))
    sides["bids"].sort(key=lambda text: -Decimal(text.split()[0]))
    return book("10:00:00", **sides)


# what they are about -> a book
STORIES: Mapping[str, Row] = {
    "a part of the third level": book("10:00:00", BIDS, LADDER),
    "to the last of a level": book("10:00:00", ["40 2.5", "39"], ["50 2", "60 1", "61 1"]),
    "to the last of all levels": book("10:00:00", ["40 2.5"], ["50 2"]),
    "a quotient without an end": book("10:00:00", ["3 1000"], ["7 1000"]),
    "nothing is left for the next level": book("10:00:00", ["99 1"], ["99.9999999999 1", "101 5"]),
    "levels without a quantity": book("10:00:00", ["99 0", "98 0.5", "97 0"], ["100 0", "100.5 0.5", "101 0"]),
    "not enough, all asked for": book("10:00:00", ["99 0.5"], ["100 0.5"]),
    "not enough, and cut": book("10:00:00", ["99 0.5", "98 0.1"], ["100 0.5", "101 0.1"], levels=2),
    "not enough, and one side cut": book("10:00:00", ["99 0.5"], ["100 0.5", "101 0.1"], levels=2),
    "not enough, and fewer came": book("10:00:00", ["99 0.5"], ["100 0.5"], levels=2),
    "enough, and cut": book("10:00:00", ["99 50"], ["100 50"], levels=1),
    "more came than were asked for": book("10:00:00", ["99 0.5", "98 0.1"], ["100 0.5", "101 0.1"], levels=1),
    "empty": book("10:00:00", [], []),
    "empty, of some levels": book("10:00:00", [], [], levels=5),
    "asks alone": book("10:00:00", [], LADDER),
    "bids alone": book("10:00:00", BIDS, [], levels=3),
    "crossed": book("10:00:00", ["101 50"], ["100 50"]),
    "locked, and cut": book("10:00:00", ["100 0.1"], ["100 0.1"], levels=1),
    "no mid that fits": book("10:00:00", BIDS, LADDER, mid=None),
    "worse than a percentage can say": book("10:00:00", ["0.0000000001"], ["0.0000000002 0.00000001", "9999999998 90"]),
    "levels worth more than an amount": book("10:00:00", [f"9999999999 {HUGE}"] * 2, [f"9999999999.9999999999 {HUGE}"] * 2),
    "quantities without measure": book("10:00:00", [f"0.0000000001 {HUGE}"] * 5, [f"0.0000000002 {HUGE}"] * 5),
    "the best price alone": book("10:00:00", ["99 50"], ["100 0.5"], level=1),
    "the best price alone, without asks": book("10:00:00", ["99 0.5"], [], level=1),
    "orders, so many of them": book("10:00:00", ["99 0.5"], [], level=3, levels=20),
    "all orders": book("10:00:00", ["99 0.5"], ["100 0.5"], level=3),
    "a price of many digits": book("10:00:00", ["12345.1234567891 90"], ["54321.9876543219 90"]),
    "without the venue's time": book("10:00:00", BIDS, LADDER, ts=None, level=3),
    **{f"drawn {seed}": deep(Random(seed), seed) for seed in range(1, 21)},  # noqa: S311 - a book, not a secret
}
OTHERS = [
    book("10:00:00", BIDS, LADDER, venue="coinbase"),
    book("10:00:00", BIDS, ["101 2"], market="usdm"),
    book("23:59:59.999999", BIDS, ["102 2"], day="2025-12-31"),
]
BOOKS = [told | {"pair": f"P{number}-USDT"} for number, told in enumerate([*STORIES.values(), *OTHERS])]


def walked(spark: SparkSession, books: Sequence[Row], notionals: Sequence[str]) -> list[dict[str, Any]]:
    return rows_of(fills(frame_of(spark, ORDER_BOOKS, books), [Decimal(text) for text in notionals]))


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> list[dict[str, Any]]:
    interpret(spark)
    return walked(spark, BOOKS, NOTIONALS)


def test_fills_are_what_walking_the_levels_comes_to(made: list[dict[str, Any]]):
    assert_rows(made, oracle.fills(BOOKS, NOTIONALS), FILLS.key)
    assert list(made[0]) == FILLS.names


def test_never_more_is_spent_and_full_is_all_of_it(made: list[dict[str, Any]]):
    """Less than 0.00000001 of the base at the next price is left; of a walk that stopped within a level, that level's."""
    filled = [row for row in made if row["filled"]]
    assert all(0 < row["cost"] <= row["notional"] for row in filled)
    within = {(row["pair"], row["side"]): row for row in filled if row["is_full"] and row["notional"] == 100}
    assert len(within) > 30
    for told in BOOKS:
        for side, levels in (("buy", "asks"), ("sell", "bids")):
            if row := within.get((told["pair"], side)):
                most = max(level["price"] for level in told[levels])
                assert row["notional"] - row["cost"] < most * oracle.LEAST
    assert all(not row["is_full"] for row in made if not row["filled"])


def test_some_fills_by_hand(made: list[dict[str, Any]]):
    """So that the computation beside it is held to something, too."""
    stories = {told["pair"]: name for name, told in zip(STORIES, BOOKS, strict=False)}
    of_hundred = [row for row in made if row["notional"] == 100 and row["pair"] in stories]
    by_story = {(stories[row["pair"]], row["side"]): row for row in of_hundred}
    names = ("filled", "cost", "levels", "worst_price", "is_full", "is_cut")
    told = {key: tuple(row[name] for name in names) for key, row in by_story.items()}
    assert told["to the last of a level", "buy"] == (2, 100, 1, 50, True, False)
    assert told["a quotient without an end", "buy"] == (Decimal("14.28571428"), Decimal("99.99999996"), 1, 7, True, False)
    assert told["a quotient without an end", "sell"] == (Decimal("33.33333333"), Decimal("99.99999999"), 1, 3, True, False)
    assert told["nothing is left for the next level", "buy"] == (
        1,
        Decimal("99.9999999999"),
        1,
        Decimal("99.9999999999"),
        True,
        False,
    )
    assert told["not enough, and cut", "sell"] == (Decimal("0.6"), Decimal("59.3"), 2, 98, False, True)
    assert told["not enough, and fewer came", "sell"][-2:] == (False, False)
    assert told["empty, of some levels", "buy"] == (0, 0, 0, None, False, False)
    assert told["crossed", "buy"] == (None, None, None, None, False, False)
    # 0.5 at 100, 0.25 at 101, the remaining 24.75 at 103: 0.24029126 of it; 0.990291260 in all
    part = by_story["a part of the third level", "buy"]
    assert told["a part of the third level", "buy"] == (Decimal("0.99029126"), Decimal("99.99999978"), 3, 103, True, False)
    assert part["average_price"] == Decimal("100.9803921525")
    assert (part["mid"], part["slippage_pct"]) == (Decimal("99.5"), Decimal("1.487831"))
    assert by_story["a part of the third level", "sell"]["slippage_pct"] == Decimal("0.512664")  # 99 and a little of 98 for 99.5
    (almost,) = (
        row
        for row in made
        if (row["notional"], row["side"]) == (Decimal(NOTIONALS[2]), "buy")
        and stories.get(row["pair"]) == "a price of many digits"
    )
    assert (almost["filled"], almost["is_full"]) == (Decimal("0.99999999"), True)
    assert by_story["worse than a percentage can say", "buy"]["slippage_pct"] is None


def test_amounts_are_the_same_however_they_are_written():
    assert texts([Decimal("1e5"), Decimal("50000.0"), Decimal("0.10")]) == ["0.1", "50000", "100000"]


@pytest.mark.long
def test_books_of_thousands_of_levels(spark: SparkSession):
    g = Random(5)  # noqa: S311 - a book, not a secret
    books = [deep(g, 2000) | {"pair": f"P{number}-USDT"} for number in range(3)]
    notionals = ["50000", "10000000", "99999999999"]
    assert_rows(walked(spark, books, notionals), oracle.fills(books, notionals), FILLS.key)

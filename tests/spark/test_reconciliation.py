"""Minutes beside candles, held to a plain computation: whole rows, one Spark job."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs.runtime.frames import frame
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.reconciliation import VERDICTS
from jobs.tables.table import Table
from jobs.transforms.reconciliation import COVERED, KEY, REACH, VALUES, reconciled
from tests.support import reconciliation as plainly
from tests.support.bars import minute
from tests.support.reconciliation import BEGIN, MINUTE, SERIES, Fill, Row, candles, market, minutes, same
from tests.support.stories import interpret
from tests.support.tables import assert_rows, rows_of

Story = tuple[list[Row], list[Row]]  # ours, the exchange's
AGGREGATES = {"feed": "agg_trade", "market": "usdm"}


def schema(table: Table) -> str:
    return ", ".join(f"`{column.name}` {column.type}" for column in table.columns)


def lists(table: Table, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in table.names) for row in rows]


def parts(*deltas: int, incomplete: Sequence[int] = (), absent: Sequence[int] = (), **said: Any) -> Story:  # noqa: ANN401 - columns
    """Minutes of aggregates, each of which has so many units more than the exchange counts; the newest one lies beyond them."""
    ours = [minute(f"10:{at:02}", 10 * at, 10 * at + 9, **{**AGGREGATES, **said}) for at in range(len(deltas) + 1)]
    theirs = [same(row) for row in ours]
    for number, (own, delta) in enumerate(zip(ours, deltas, strict=False)):
        own["is_complete"] = number not in incomplete
        for column in ("volume", "buy_volume"):
            own[column] += Decimal(delta)
        for column in ("quote_volume", "buy_quote_volume"):
            own[column] += 100 * Decimal(delta)
    return ours, [row for number, row in enumerate(theirs) if number not in absent]


def drawn(seed: int, feed: str, place: str, *, has_ids: bool) -> Story:
    """A market with losses, and a few candles less."""
    g = Random(seed)  # noqa: S311 - a market, not a secret
    fills = market(g, 24, straddles=0.5, interleaved=place == "usdm")
    lost = {fill.id if feed == "trade" else fill.aggregate for fill in fills if g.random() < 0.05}
    kept = [fill for fill in fills if (fill.id if feed == "trade" else fill.aggregate) not in lost]
    there = [row for row in candles(fills, has_ids=has_ids, market=place) if g.random() < 0.95]
    return minutes(kept, feed, market=place), there


def edges() -> Story:
    """An aggregate over an edge, beyond which nothing else is traded; its minute's candle holds a minute less of it."""
    one = [
        Fill(7, BEGIN + timedelta(seconds=at), Decimal(5), Decimal(quantity), "sell", at // 30)
        for at, quantity in ((1, 2), (59, 3))
    ]
    two = [Fill(8, BEGIN + timedelta(seconds=61), Decimal(5), Decimal(4), "sell", 1)]
    later = [Fill(9, BEGIN + timedelta(seconds=190), Decimal(6), Decimal(1), "buy", 3)]
    fills = [*one, *two, *later]
    return minutes(fills, "agg_trade", market="usdm"), candles(fills, market="usdm")


def plus(story: Story, place: int, **changes: Any) -> Story:  # noqa: ANN401 - columns
    """One of our minutes says something else."""
    ours, theirs = story
    return [row | (changes if number == place else {}) for number, row in enumerate(ours)], theirs


def without(story: Story, place: int) -> Story:
    """A minute that neither side has."""
    ours, theirs = story
    return [*ours[:place], *ours[place + 1 :]], [*theirs[:place], *theirs[place + 1 :]]


SUMMED = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
NOTHING: Row = {"trades": 0, "first_id": None, "last_id": None, **dict.fromkeys(SUMMED, Decimal(0))}
UNTOLD: Row = {**AGGREGATES, "trades": 3, "first_trade_id": 1, "last_trade_id": 2}
MINUTES = [minute(f"10:0{at}", 10 * at, 10 * at + 9, "100", "102", "99") for at in range(3)]
ALL = [same(row) for row in MINUTES]
# pair -> the rows of both sides; the pair says what they are about
STORIES: Mapping[str, Story] = {
    **{f"DRAWN-{feed.replace('_', '')}{place}{seed}".upper(): drawn(seed, feed, place, has_ids=seed % 2 == 0)
       for seed in range(3) for feed in ("trade", "agg_trade") for place in ("spot", "usdm")},
    "ALL-EQUAL": (MINUTES, ALL),
    "NO-CANDLES": (MINUTES, []),
    "OTHER-WIDTH": (MINUTES, [row | {"width": "3m"} for row in ALL]),
    "OTHER-VENUES": ([row | {"venue": venue} for row in MINUTES for venue in ("coinbase", "bitso")], []),
    "OTHER-MARKET": (MINUTES, [row | {"market": "usdm"} for row in ALL]),
    "TWO-FEEDS": ([*MINUTES, *(row | {"feed": "agg_trade"} for row in MINUTES[1:2])], ALL),
    "AN-EPOCH": ([row | {"feed": "agg_trade.2"} for row in MINUTES], ALL),
    "OUTSIDE": (MINUTES[1:2], ALL),
    "ONE-ROWLESS": ([MINUTES[0], MINUTES[2]], ALL),
    "NOTHING-TRADED": ([MINUTES[0], MINUTES[2]], [ALL[0], ALL[1] | NOTHING, ALL[2]]),
    "THE-NEWEST": (plus((MINUTES, ALL), 2, revision=0, volume=Decimal(3))),
    "NEWEST-EQUAL": (plus((MINUTES, ALL), 2, revision=0)),
    "NEWEST-ALONE": (plus((MINUTES, ALL[:2]), 2, revision=0)[0], ALL[:2]),
    "NOT-FIT": plus((MINUTES, ALL), 1, volume=None),
    "IDS-NOTTOLD": (MINUTES, [row | {"first_id": None, "last_id": None} for row in ALL]),
    "ONLY-FIRSTID": plus((MINUTES, ALL), 1, first_trade_id=11),
    "ONLY-LASTID": plus((MINUTES, ALL), 1, last_trade_id=18),
    "ONLY-COUNT": plus((MINUTES, ALL), 1, trades=9),
    **{f"ONLY-{name.replace('_', '')}".upper(): plus((MINUTES, ALL), 1, **{name: Decimal(101)})
       for name in ("open", "high", "low", "close", "volume", "quote_volume", "buy_volume", "buy_quote_volume")},
    "LOST-ANDKNOWN": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), sell_volume=Decimal(0)),
    "LOST-UNKNOWN": plus((MINUTES, ALL), 1, volume=Decimal(9)),
    "LOST-ANDMORE": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(11)),
    "LOST-HIGHER": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), high=Decimal(103)),
    "LOST-LOWER": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), low=Decimal(98)),
    "LOST-MORESOLD": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), buy_volume=Decimal(7)),
    "LOST-EARLIER": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), first_trade_id=9),
    "LOST-LATER": plus((MINUTES, ALL), 1, is_complete=False, volume=Decimal(9), last_trade_id=20),
    "NOT-COUNTED": ([row | UNTOLD for row in MINUTES], [row | {"market": "usdm"} for row in ALL]),
    "A-PAIR": parts(0, 2, -2, 0),
    "BACK-WARDS": parts(0, -2, 2, 0),
    "TRADES-PAIR": parts(0, 2, -2, 0, feed="trade"),
    "SPOT-PAIR": parts(0, 2, -2, 0, market="spot"),
    "A-THREE": parts(0, 2, 1, -3, 0),
    "TWO-PAIRS": parts(2, -2, 5, -5, 0),
    "AFTER-LOSS": parts(0, -9, 2, -2, 0, incomplete=[1]),
    "IN-ANOTHER": parts(3, 1, -1, -3, 0),
    "NOT-NEIGHBOURS": parts(0, 2, 0, -2, 0),
    "GAP-BETWEEN": without(parts(0, 2, 0, -2, 0), 2),
    "ABSENT-BESIDE": without(parts(0, 2, 0, 0), 2),
    "NOT-OPPOSITE": parts(0, 2, -1, 0),
    "PAIR-OPENS": plus(parts(0, 2, -2, 0), 2, open=Decimal(99)),
    "PAIR-CLOSES": plus(parts(0, 2, -2, 0), 1, close=Decimal(99)),
    "PAIR-HIGHER": plus(parts(0, 2, -2, 0), 1, high=Decimal(101)),
    "PAIR-LOWER": plus(parts(0, 2, -2, 0), 2, low=Decimal(99)),
    "PAIR-BEGINS": plus(parts(0, 2, -2, 0), 1, open=Decimal(101)),
    "PAIR-ENDS": plus(parts(0, 2, -2, 0), 2, close=Decimal(101)),
    "PAIR-NOTFIT": plus(parts(0, 0, 0, 0), 1, volume=None),
    "INTO-NOROW": edges(),
    "CANDLE-MISSING": parts(0, 2, -2, 0, absent=[2]),
    "MORE-THANCAN": parts(0, -2, 2, 0, absent=[2]),
    "FROM-UNSEEN": parts(0, 2, -2, 0, absent=[1]),
    "NOT-FROMUNSEEN": parts(0, 2, 2, 0, absent=[1]),
    "BOTH-UNSEEN": parts(0, 0, 7, 0, 0, absent=[1, 3]),
    "INTO-NEWEST": plus(parts(0, 2), 2, revision=0, volume=Decimal(1)),
    "LESS-BEFORENEWEST": plus(parts(0, -2), 2, revision=0, volume=Decimal(1)),
    "UNSEEN-HIGHER": plus(parts(0, 2, -2, 0, absent=[2]), 1, high=Decimal(101)),
    "BESIDE-HURT": parts(0, 2, -9, 0, incomplete=[2]),
    "HURT-MORE": parts(0, 9, 0, incomplete=[1]),
}  # fmt: skip


def far() -> Story:
    """A run as long as one is followed, and one a minute longer: both add up to nought."""
    found: Story = ([], [])
    for number, long in enumerate((REACH, REACH + 1)):
        deltas = [1, *[1 if place % 2 else -1 for place in range(long - 2)]]
        deltas.append(-sum(deltas))
        start = BEGIN + timedelta(days=number)
        for place, delta in enumerate([0, *(delta or 5 for delta in deltas), 0]):
            row = minute("00:00", place, place, **AGGREGATES) | {"minute": start + place * MINUTE, "pair": "SO-FAR"}
            row |= {"year": row["minute"].year, "month": row["minute"].month}
            found[1].append(same(row))
            found[0].append(row | {"volume": row["volume"] + delta})
    return found


ROWS = tuple([row | {"pair": pair} for pair, story in STORIES.items() for row in story[side]] + far()[side] for side in (0, 1))


def covers(ours: Sequence[Row]) -> list[tuple[Any, ...]]:
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in ours:
        found.setdefault(tuple(row[name] for name in SERIES), []).append(row["minute"])
    return [(*series, min(times), max(times)) for series, times in found.items()]


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> list[dict[str, Any]]:
    interpret(spark)
    own, theirs = (
        spark.createDataFrame(lists(table, rows), schema(table))
        for table, rows in zip((MINUTE_AGGREGATES, KLINES), ROWS, strict=True)
    )
    return rows_of(reconciled(own, theirs, frame(spark, covers(ROWS[0]), COVERED), EXCHANGES))


@pytest.mark.parametrize("pair", [*STORIES, "SO-FAR"])
def test_rows_are_what_both_sides_say(made: list[dict[str, Any]], pair: str):
    expected = plainly.reconciled(*([row for row in rows if row["pair"] == pair] for rows in ROWS))
    assert_rows([row for row in made if row["pair"] == pair], expected, KEY)


def test_the_columns_are_those_of_the_table(made: list[dict[str, Any]]):
    assert list(made[0]) == [*KEY, *VALUES, "year", "month"]


SAID = {
    "ALL-EQUAL": ["equal"] * 3,
    "NO-CANDLES": ["no_candle"] * 3,
    "OTHER-WIDTH": ["no_candle"] * 3,
    "OTHER-VENUES": [],
    "OTHER-MARKET": ["no_candle"] * 3,
    "TWO-FEEDS": ["equal"] * 4,
    "AN-EPOCH": ["equal"] * 3,
    "OUTSIDE": ["equal"],
    "ONE-ROWLESS": ["equal", "no_minute", "equal"],
    "NOTHING-TRADED": ["equal"] * 3,
    "THE-NEWEST": ["equal", "equal", "open"],
    "NEWEST-EQUAL": ["equal"] * 3,
    "NEWEST-ALONE": ["equal", "equal", "open"],
    "NOT-FIT": ["equal", "differs", "equal"],
    "IDS-NOTTOLD": ["equal"] * 3,
    **{f"ONLY-{name}": ["equal", "differs", "equal"] for name in ("FIRSTID", "LASTID", "COUNT", "OPEN", "HIGH", "LOW", "CLOSE")},
    **{f"ONLY-{name}": ["equal", "differs", "equal"] for name in ("VOLUME", "QUOTEVOLUME", "BUYVOLUME", "BUYQUOTEVOLUME")},
    "LOST-ANDKNOWN": ["equal", "missing_trades", "equal"],
    **{
        f"LOST-{how}": ["equal", "differs", "equal"]
        for how in ("UNKNOWN", "ANDMORE", "HIGHER", "LOWER", "MORESOLD", "EARLIER", "LATER")
    },
    "NOT-COUNTED": ["equal_uncounted"] * 3,
    "A-PAIR": ["", "straddle 1 2", "straddle 1 2", "", ""],
    "BACK-WARDS": ["", "straddle 1 2", "straddle 1 2", "", ""],
    "TRADES-PAIR": ["equal", "differs", "differs", "equal", "equal"],
    "SPOT-PAIR": ["equal", "straddle 1 2", "straddle 1 2", "equal", "equal"],
    "A-THREE": ["", *["straddle 1 3"] * 3, "", ""],
    "TWO-PAIRS": ["straddle 0 1", "straddle 0 1", "straddle 2 3", "straddle 2 3", "", ""],
    "AFTER-LOSS": ["", "missing_trades", "straddle 2 3", "straddle 2 3", "", ""],
    "IN-ANOTHER": [*["straddle 0 3"] * 4, "", ""],
    "NOT-NEIGHBOURS": ["", "differs", "", "differs", "", ""],
    "GAP-BETWEEN": ["", "unclear", "unclear", "", ""],
    "ABSENT-BESIDE": ["", "unclear", "", ""],
    "NOT-OPPOSITE": ["", "differs", "differs", "", ""],
    "PAIR-OPENS": ["", "straddle 1 2", "straddle 1 2", "", ""],
    "PAIR-CLOSES": ["", "straddle 1 2", "straddle 1 2", "", ""],
    "PAIR-HIGHER": ["", "differs", "straddle 1 2", "", ""],
    "PAIR-LOWER": ["", "straddle 1 2", "differs", "", ""],
    "PAIR-BEGINS": ["", "differs", "straddle 1 2", "", ""],
    "PAIR-ENDS": ["", "straddle 1 2", "differs", "", ""],
    "PAIR-NOTFIT": ["", "differs", "", "", ""],
    "INTO-NOROW": ["straddle 0 1", "straddle 0 1", "", ""],
    "CANDLE-MISSING": ["", "unclear", "no_candle", "", ""],
    "MORE-THANCAN": ["", "differs", "no_candle", "", ""],
    "FROM-UNSEEN": ["", "no_candle", "unclear", "", ""],
    "NOT-FROMUNSEEN": ["", "no_candle", "differs", "", ""],
    "BOTH-UNSEEN": ["", "no_candle", "unclear", "no_candle", "", ""],
    "INTO-NEWEST": ["", "unclear", "open"],
    "LESS-BEFORENEWEST": ["", "unclear", "open"],
    "UNSEEN-HIGHER": ["", "differs", "no_candle", "", ""],
    "BESIDE-HURT": ["", "unclear", "missing_trades", "", ""],
    "HURT-MORE": ["", "unclear", "", ""],
}


@pytest.mark.parametrize("pair", SAID)
def test_some_verdicts_by_hand(made: list[dict[str, Any]], pair: str):
    """So that the computation beside it is held to something, too."""
    rows = sorted((row for row in made if row["pair"] == pair), key=lambda row: (row["feed"], row["minute"]))
    places = {row["minute"]: place for place, row in enumerate(rows)}
    found = [
        " ".join([row["verdict"], *(str(places[row[end]]) for end in ("straddle_from", "straddle_to") if row[end])])
        for row in rows
    ]
    assert found == [word or "equal_uncounted" for word in SAID[pair]]


def test_every_verdict_came_up(made: list[dict[str, Any]]):
    assert {row["verdict"] for row in made} == set(VERDICTS)


def test_a_run_is_followed_so_far(made: list[dict[str, Any]]):
    found = [row for row in made if row["pair"] == "SO-FAR" and row["verdict"] not in ("equal", "equal_uncounted")]
    assert [[row["verdict"] for row in found].count(word) for word in ("straddle", "differs")] == [REACH, REACH + 1]

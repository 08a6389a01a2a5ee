"""Batches on real Delta tables, held to a plain computation over the same landing objects: whole rows, all columns."""

from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from ingest.simulator.landed import objects
from ingest.simulator.listings import Listing
from ingest.simulator.market import market
from jobs.transforms.fresh import FEED
from tests.support.lines import Collector, micros
from tests.support.lines import landed as objects_of
from tests.support.oracle import Oracle
from tests.support.stream import driver
from tests.support.tables import assert_tables
from tests.support.taking import accounted, feed, land

SMALL = (
    Listing("binance", "spot", "BTC-USDT", 6_180_000, 2, 800, 5, 720),
    Listing("binance", "spot", "PEPE-USDT", 1_234, 8, 900_000, 0, 480),
    Listing("binance", "usdm", "BTC-USDT", 618_300, 1, 20, 3, 720),
    Listing("coinbase", "spot", "BTC-USD", 6_182_000, 2, 900_000, 8, 480),
    Listing("bitso", "spot", "BTC-MXN", 116_500_000, 2, 400_000, 8, 480),
)


def small_market(collector: str = "first") -> dict[str, bytes]:
    """A few minutes of several venues, across the end of a month."""
    start = micros("23:58:00")
    return dict(objects(market(7, start, start + 4 * 60_000_000, listings=SMALL), collector))


def test_one_batch_of_all_venues(spark: SparkSession, lake: Path):
    landed = small_market()
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        (record,) = feed(query, oracle, landed, [list(landed)])
        assert_tables(query, oracle, open_too=False)
        query.close()
        assert_tables(query, oracle, open_too=True)
    assert record["items"] == len(oracle.trades)
    assert {(row["venue"], row["market"]) for row in oracle.trades} == set(EXCHANGES)
    assert {row["month"] for row in oracle.trades} == {4, 5}


@pytest.mark.long
def test_many_batches_in_another_order_with_copies(spark: SparkSession, lake: Path):
    """The objects of a day shuffled, some of them twice, and all that a second collector received of the same minutes."""
    landed = small_market()
    again = small_market(collector="second")
    order = [*landed, *list(landed)[::3], *list(again)[::2]]
    Random(5).shuffle(order)  # noqa: S311 - an order, not a secret
    landed |= again
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        records = feed(query, oracle, landed, [order[at::3] for at in range(3)])
        query.close()
        assert_tables(query, oracle, open_too=True)
        assert sum(accounted(record)["trades"] for record in records) == query.tables.trades.read().count()
        assert query.tables.quarantine.read().isEmpty()
    assert sum(record["items"] for record in records) > len(oracle.trades)
    assert sum(accounted(record)["duplicates"] for record in records) > 100


@pytest.mark.long
def test_two_feeds_of_a_pair_and_two_venues_do_not_mix(spark: SparkSession, lake: Path):
    """The same ids, pairs and minutes everywhere."""
    one = Collector()
    lines = [
        *(one.aggregate(id_, f"10:0{id_}:00", "100") for id_ in (1, 2, 4)),
        *(one.fill(id_, f"10:0{id_}:00", "200") for id_ in (1, 3, 4)),
        *(one.aggregate(id_, f"10:0{id_}:00", "300", pair="ETH-USDT") for id_ in (2, 3)),
        *(one.aggregate(id_, f"10:0{id_}:00", "400", market="usdm") for id_ in (1, 2, 3)),
    ]
    landed = dict([objects_of(lines[::2]), objects_of(lines[1::2])])
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        feed(query, oracle, landed, [[key] for key in landed])
        query.close()
        assert_tables(query, oracle, open_too=True)
    assert len({row["price"] for row in oracle.trades}) == len({tuple(row[name] for name in FEED) for row in oracle.trades}) == 4


def rest(id_: int) -> dict[str, object]:
    """An aggregate in a body of a response."""
    ms = micros("10:01:30") // 1000
    return {"a": id_, "p": "100", "q": "1", "f": 2 * id_, "l": 2 * id_ + 1, "T": ms, "m": True, "M": True}


def test_each_item_ends_where_it_should(spark: SparkSession, lake: Path):
    one, two = Collector("one"), Collector("two")
    batches = [
        [one.aggregate(id_, "10:00:00") for id_ in (10, 11)]
        + [
            one.aggregate(12, "10:00:10", "0", "0", fills=(-1, -1)),  # void: its id is no hole
            one.aggregate(13, "10:01:00"),
            one.aggregate(
                20, "10:00:00", day="2100-01-01", late=(micros("10:00:00") - micros("10:00:00", "2100-01-01")) / 1e6
            ),  # future
            one.line({"event": "start"}, received=micros("10:00:00"), kind="control"),
            one.bitso([5, 9], "10:00:00"),
            one.bitso([], "10:00:00"),
            one.line([], received=micros("10:00:00"), source="rest"),
            one.line([rest(16), rest(17)], received=micros("11:00:00"), source="rest"),
            b'{"v":1,"venue":\n',
        ],
        [
            two.aggregate(10, "10:00:00"),  # a duplicate from another connection
            two.aggregate(11, "10:00:00", "101.00"),  # a conflict in the price
            two.aggregate(13, "10:02:00"),  # and in the time
            two.aggregate(12, "10:00:10"),  # a trade with a void's id
            two.aggregate(14, "10:02:00", "9999999999", "99999999999999"),  # overflow
            two.aggregate(15, "10:03:00"),
            two.aggregate(15, "10:03:00", "102.00"),  # a conflict within the batch
            two.aggregate(15, "10:03:00"),  # and a duplicate
            two.bitso([5, 7], "10:00:00"),  # 7 is late, 5 there already
            two.bitso([9], "10:00:01"),  # another time: a conflict
            two.fill(1, market="usdm", order_type="ADL"),
        ],
    ]
    landed = dict(objects_of(lines) for lines in batches)
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        records = feed(query, oracle, landed, [[key] for key in landed])
        query.close()
        assert_tables(query, oracle, open_too=True)
    assert [accounted(record) for record in records] == [
        {"items": 13, "control": 3, "trades": 7, "duplicates": 0, "conflicts": 0, "quarantined": 3},
        {"items": 12, "control": 0, "trades": 2, "duplicates": 3, "conflicts": 5, "quarantined": 2},
    ]
    assert [record.get("reasons") for record in records] == [
        {"void": 1, "future": 1, "not_envelope": 1},
        {"overflow": 1, "not_market": 1},
    ]
    flags = {
        f"{row['minute']:%H:%M}": (row["missing_trades"], row["is_complete"])
        for row in oracle.minutes()
        if row["venue"] == "binance"
    }
    assert flags == {"10:00": (0, False), "10:01": (0, False), "10:03": (0, True)}  # nobody knows what was before 10 or after 17


def test_a_line_that_stands_twice_in_an_object_is_a_duplicate(spark: SparkSession, lake: Path):
    line = Collector().aggregate(1)
    landed = dict([objects_of([line, line])])
    land(lake, landed)
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        feed(query, oracle, landed, [list(landed)])
        query.close()
        assert_tables(query, oracle, open_too=True)

"""Tables made again from what landed are those that were there, whatever had become of them meanwhile."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import rebuild
from jobs.tables import INSTRUMENTS
from jobs.tables.trades import TRADES
from tests.support import channels
from tests.support.lines import DAY, Collector, micros, put
from tests.support.stories import BEFORE, Story, first, interpret, second
from tests.support.stream import take
from tests.support.tables import PLACE, assert_rows, rows_of

RUN = ("source", "recv_ts", "event_ts", "object", "conn", "seq", "item")


@pytest.fixture(scope="module")
def done(begun: Path, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Both batches were taken in."""
    interpret(spark)
    story = Story(spark, tmp_path_factory.mktemp("done") / "lake")
    shutil.copytree(begun, story.lake)
    story.tell(*first(story))
    objects = second(story)
    story.tell(*objects)
    with story.driver() as query:
        query.start()
        take(query, objects)
        query.close()
    return story


@pytest.fixture
def told(done: Story, spark: SparkSession, lake: Path) -> Story:
    interpret(spark)
    shutil.copytree(done.lake, lake, dirs_exist_ok=True)
    return Story(spark, lake, done.oracle)


def again(lake: Path, *options: str) -> dict[str, Any]:
    """The job, by the command line; what its record says beside when it was."""
    conf = lake.parent / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: test}}\n")
    code = rebuild.main(["--conf", str(conf), "--run", "again", *options])
    told: dict[str, Any] = json.loads((lake / "control/runs/rebuild/again.json").read_text())
    assert (told.pop("code"), told.pop("job"), told.pop("run")) == (code, "rebuild", "again")
    assert told.pop("started")
    return told


ALL_TRADES = ("--table", "trades")


def spoil(story: Story, *statements: str) -> None:
    """What a driver of ours once did wrong."""
    with story.driver() as query:
        query.start()
        for statement in statements:
            live = query.tables.quarantine if "quarantine" in statement else query.tables.trades
            live.sql(statement.format(f"delta.`{live.path}`"))


def same(row: Mapping[str, Any]) -> dict[str, Any]:
    """What does not tell of the run that made it."""
    return {name: value for name, value in row.items() if name not in RUN}


def check(story: Story) -> None:
    """All three tables are those of the landing zone; of the key of which there are two stories, either one may be told."""
    disputed = [row for row in story.oracle.quarantine if row["reason"] == "conflict"]
    keys = {(row["pair"], row["trade_id"]) for row in disputed}
    minutes = {(row["pair"], row["ts"].replace(second=0, microsecond=0)) for row in disputed}
    with story.driver() as query:
        query.start()
        query.close()
        tables = query.tables
        found, quarantined = rows_of(tables.trades.read()), rows_of(tables.quarantine.read().drop("detail"))
        minutes_ = tables.minutes.read().collect()
    expected = [same(row) for row in story.oracle.trades]
    assert_rows(
        [same(row) for row in found if (row["pair"], row["trade_id"]) not in keys],
        [row for row in expected if (row["pair"], row["trade_id"]) not in keys],
        TRADES.key,
    )
    assert len(found) == len(expected)
    sure = [row for row in story.oracle.quarantine if row["reason"] != "conflict"]
    assert_rows([row for row in quarantined if row["reason"] != "conflict"], sure, PLACE)
    assert len(quarantined) == len(sure) + len(disputed)
    told = {(row["pair"], row["minute"].replace(tzinfo=UTC)): row for row in minutes_}
    for row in story.oracle.minutes(open_too=True):
        place = row["pair"], row["minute"]
        made = told.pop(place).asDict()
        if place not in minutes:
            assert {name: made[name] for name in ("open", "close", "volume", "ticks", "missing_trades", "is_complete")} == {
                name: row[name] for name in ("open", "close", "volume", "ticks", "missing_trades", "is_complete")
            }
    assert not told


@pytest.mark.parametrize("what", [("--quarantine",), ("--table", "minute_aggregates"), ("--table", "instruments")], ids=" ".join)
def test_where_there_are_no_parts_none_is_asked_for(lake: Path, what: tuple[str, ...]):
    """Refused before Spark is asked."""
    assert again(lake, *what, "--pair", "BTC-USDT") == {
        "error": f"{' '.join(what)} takes all that there is: leave out --pair, --from and --to"
    }


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "one of the arguments --table --quarantine is required"),
        (("--table", "trades", "--quarantine"), "not allowed with argument"),
        (("--table", "bars"), "invalid choice: 'bars'"),
        (("--table", "trades", "--from", "yesterday"), "'yesterday' is no day; one such as 2026-11-01 would be right"),
    ],
)
def test_what_cannot_be_asked_for_is_a_wrong_command(
    lake: Path, options: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="2"):
        again(lake, *options)
    assert why in capsys.readouterr().err


@pytest.mark.long
def test_a_part_and_then_all_trades_are_those_of_the_landing_zone_again(told: Story):
    spoil(told, "UPDATE {} SET price = 1 WHERE pair <> 'ETH-USDT'", "DELETE FROM {} /* quarantine */")
    mine = [row for row in told.oracle.trades if row["pair"] == "BTC-USDT" and row["ts"].day == 30]
    days = ("--from", DAY, "--to", f"{date.fromisoformat(DAY) + timedelta(days=1)}")
    objects = len(list((told.lake / "landing").rglob("*.gz")))
    assert again(told.lake, *ALL_TRADES, "--pair", "BTC-USDT", *days) == {"objects": objects, "rows": len(mine)}
    with told.driver() as query:
        spoilt = {(row["pair"], f"{row['ts']:%Y-%m-%d}") for row in query.tables.trades.read().where("price = 1").collect()}
    assert spoilt == {("BTC-USDT", BEFORE), ("BTC-MXN", DAY)}
    assert again(told.lake, *ALL_TRADES) == {"objects": objects, "rows": len(told.oracle.trades)}
    check(told)
    assert not list((told.lake / "rebuild").rglob("*.*"))


@pytest.mark.long
def test_what_could_not_be_made_again_is_left_alone(told: Story):
    """Landing objects are gone: to replace their rows would lose them."""
    gone = next((told.lake / "landing").rglob("*.gz"))
    key = str(gone.relative_to(told.lake))
    rows = [row for row in told.oracle.trades if row["object"] == key]
    gone.unlink()
    assert again(told.lake, *ALL_TRADES) == {
        "error": f"{len(rows)} rows of trades come from 1 landing objects that are not there, such as {key}: put them back, "
        "or leave these rows out by --from and --to"
    }
    check(told)


@pytest.mark.long
@pytest.mark.parametrize("point", ["before", "after"])
def test_a_rebuild_that_dies_leaves_tables_that_agree(told: Story, point: str, monkeypatch: pytest.MonkeyPatch):
    """Before or after the trades were put in their place."""
    spoil(told, "DELETE FROM {} WHERE trade_id IN (2, 3)")
    put = rebuild.Rebuild._put

    def die(*arguments: Any) -> int:  # noqa: ANN401 - of `_put`
        if point == "after":
            put(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rebuild.Rebuild, "_put", die)
        assert again(told.lake, *ALL_TRADES) == {"error": "interrupted"}
    with told.driver() as query:
        query.start()
        query.close()
        there = {row["trade_id"] for row in query.tables.trades.read().where("pair = 'BTC-USDT'").collect()}
        ticks = query.tables.minutes.read().where("pair = 'BTC-USDT'").selectExpr("sum(ticks)").collect()[0][0]
        assert (
            ticks
            == len(there)
            == len({row["trade_id"] for row in told.oracle.trades if row["pair"] == "BTC-USDT"}) - (0 if point == "after" else 2)
        )
    again(told.lake, *ALL_TRADES)
    check(told)


def test_lost_minutes_are_made_of_the_trades(told: Story):
    with told.driver() as query:
        query.start()
        query.tables.minutes.overwrite(query.tables.minutes.read().where("FALSE"))
    assert again(told.lake, "--table", "minute_aggregates")["rows"] == len(told.oracle.minutes(open_too=False))
    check(told)


@pytest.mark.long
def test_what_a_parser_can_read_now_leaves_quarantine(told: Story):
    """The stream was older than what landed: it knew no Coinbase."""
    one = Collector("new-1-1")
    match = {"type": "match", "trade_id": 7, "maker_order_id": "a", "taker_order_id": "b", "side": "sell", "size": "0.5"}
    match |= {"price": "60000.25", "product_id": "BTC-USD", "sequence": 1, "time": f"{DAY}T10:00:00.000001Z"}
    known = {"venue": "coinbase", "kind": "trade", "pair": "BTC-USD"}
    lines = [one.line(match, received=micros("10:00:01"), **known), one.line({"type": "?"}, received=micros("10:00:02"), **known)]
    key = put(told.lake, lines, venue="coinbase")
    told.tell(key)
    with told.driver() as query:
        query.start()
        assert take(query, [key])["quarantined"] == 2
    assert again(told.lake, "--quarantine") == {"objects": 1, "quarantined": 2, "read": 1}
    with told.driver() as query:
        query.start()
        (row,) = rows_of(query.tables.trades.read().where("venue = 'coinbase'"))
        left = rows_of(query.tables.quarantine.read().where("venue = 'coinbase'"))
        assert query.tables.minutes.read().where("venue = 'coinbase'").count() == 0  # it is open still
    assert (row["trade_id"], row["price"], row["taker_side"], row["object"]) == (7, Decimal("60000.25"), "buy", key)
    assert [(found["seq"], found["reason"]) for found in left] == [(2, "unreadable")]  # as it was found
    assert again(told.lake, "--quarantine") == {"objects": 1, "quarantined": 1, "read": 0}


@pytest.mark.long
def test_instruments_are_made_of_all_lists_that_landed(spark: SparkSession, lake: Path):
    interpret(spark)
    one = Collector()
    keys = [
        put(lake, [one.listing(*symbols, at=f"0{at}:00:07")], channel="events")
        for at, symbols in enumerate((["BTC"], ["BTC", "ETH"]))
    ]
    with channels.driver(spark, lake, "events") as query:
        query.start()
        for number, key in enumerate(keys):
            channels.take(query, lake, [key], number)
        beside = query.beside
        assert beside is not None
        expected = rows_of(beside.live.read())
        beside.live.overwrite(beside.live.read().where("symbol = 'ETHUSDT'"))
    assert again(lake, "--table", "instruments") == {"objects": 2, "rows": 2}
    found = rows_of(spark.read.format("delta").load(f"{lake}/tables/instruments"))
    assert_rows(found, expected, INSTRUMENTS.key)
    assert {row["symbol"] for row in found} == {"BTCUSDT", "ETHUSDT"}

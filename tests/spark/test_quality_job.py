"""The job: each planted fault is found by the expectation meant for it and by no other; what is right passes; nothing counts twice."""

import json
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs import quality
from jobs.expectations import suites
from jobs.runtime.changes import Taken
from jobs.runtime.lease import Lease, LeaseHeld
from jobs.runtime.live import TableError
from jobs.tables import TABLES
from tests.support.lines import moment
from tests.support.quality import SUITES, Checked, Row, book, levels, minute, trade, verdict
from tests.support.tables import assert_rows

CLEAN, PLANTED, OPEN = "2026-04-28", "2026-04-29", "2026-05-01"
NOW = moment("12:00:00", OPEN)
HOUR = timedelta(hours=1)


def traded(**said: Any) -> list[Row]:  # noqa: ANN401 - columns
    return [trade(1, day=PLANTED, **said)]


def counted(**said: Any) -> list[Row]:  # noqa: ANN401 - columns
    return [minute("10:00", 1, 3, day=PLANTED, **said)]


def booked(**said: Any) -> list[Row]:  # noqa: ANN401 - columns
    return [book("10:00:00", day=PLANTED, **said)]


def null(name: str) -> dict[str, None]:
    return {name: None}


# table -> expectation -> rows of a pair of their own, in which one thing is wrong
FAULTS: dict[str, dict[str, list[Row]]] = {
    "trades": {
        **{
            f"{name}_is_there": traded(**null(name))
            for name in ("venue", "market", "feed", "pair", "trade_id", "price", "quantity", "quote_quantity", "taker_side")
        },
        **{f"{name}_is_there": traded(**null(name)) for name in ("recv_ts", "source")},
        "price_is_above_zero": traded(price=Decimal(0), quote_quantity=Decimal(0)),
        "quantity_is_above_zero": traded(quantity=Decimal(0), quote_quantity=Decimal(0)),
        "trade_id_is_0_or_more": [trade(-1, day=PLANTED)],
        "quote_quantity_is_exact": traded(quote_quantity=Decimal("100.000000000000000001")),
        "ids_are_in_order": traded(feed="agg_trade", first_id=2, last_id=1),
        "it_happened_before_it_came": traded(recv_ts=moment("08:59:59", PLANTED)),
        "it_is_in_its_partition": traded(month=3),
        "taker_side_is_known": traded(taker_side="BUY"),
        "source_is_known": traded(source="guess"),
        "few_ids_are_absent": [trade(id_, day=PLANTED) for id_ in (1, 2, 4)],
        "one_row_a_key": traded() + traded(seq=2),
        "no_market_is_silent": [trade(1, "10:59:59", day=OPEN, venue="coinbase")],
    },
    "minute_aggregates": {
        **{
            f"{name}_is_there": counted(**null(name))
            for name in ("venue", "market", "feed", "pair", "open", "high", "low", "close", "trades", "ticks", "first_id")
        },
        **{f"{name}_is_there": counted(**null(name)) for name in ("last_id", "first_ts", "last_ts", "revision", "updated_at")},
        "low_is_above_zero": counted(low=Decimal(0)),
        "volume_is_above_zero": counted(volume=Decimal(0), buy_volume=Decimal(0), sell_volume=Decimal(0)),
        "ticks_is_1_or_more": counted(ticks=0),
        "missing_trades_is_0_or_more": counted(missing_trades=-1, is_complete=False),
        "open_is_within": counted(open=Decimal("98.9999999999")),
        "close_is_within": counted(close=Decimal("102.0000000001")),
        "vwap_is_within": counted(vwap=Decimal("102.0000000001")),
        "volume_is_bought_and_sold": counted(volume=Decimal("3.00000001")),
        "quote_volume_is_bought_and_sold": counted(quote_volume=Decimal("299.999999999999999999")),
        "trades_are_bought_and_sold": counted(trades=4),
        "ids_are_in_order": counted(first_id=4),
        "ticks_are_trades": counted(ticks=4),
        "times_are_within": counted(last_ts=moment("10:01:00", PLANTED)),
        "it_is_a_whole_minute": counted(minute=moment("10:00:01", PLANTED)),
        "the_complete_miss_nothing": [*counted(missing_trades=1), minute("10:01", 5, 200, day=PLANTED)],
        "it_is_in_its_partition": counted(month=3),
        "few_trades_are_missing": counted(missing_trades=1, is_complete=False),
        "one_row_a_key": counted() + counted(revision=2),
        "no_market_is_silent": [minute("10:58", 1, 3, day=OPEN, venue="coinbase")],
    },
    "order_books": {
        **{f"{name}_is_there": booked(**null(name)) for name in ("venue", "market", "pair", "bids", "asks", "state", "source")},
        "state_is_known": booked(state="fine"),
        "source_is_known": booked(source="guess"),
        "spread_is_above_zero": booked(spread=Decimal(-2)),
        "spread_pct_is_ten_or_less": booked(spread_pct=Decimal("10.000001")),
        "state_is_what_the_prices_say": booked(state="one_sided"),
        "spread_is_the_distance": booked(spread=Decimal("2.0000000001")),
        "mid_is_between": booked(mid=Decimal("101.0000000001")),
        "best_prices_come_first": booked(bids=levels("98", "97")),
        "levels_are_in_order": booked(asks=levels("101", "103", "102")),
        "levels_are_real": booked(bids=levels("99", "0")),
        "depths_grow": booked(ask_depth_50bp=Decimal(100)),
        "it_happened_before_it_came": booked(ts=moment("11:00:01", PLANTED)),
        "it_is_in_its_partition": booked(year=2025),
        "one_row_a_key": booked() + booked(seq=2),
        "no_market_is_silent": [book("08:59:59", day=OPEN, venue="coinbase")],
    },
    "reconciliation": {
        "it_is_the_exchanges_or_explained": [verdict("10:00", "differs", day=PLANTED)],
    },
}
ELSEWHERE = {"types_are_right", "there_are_rows"}  # those of which the whole table is wrong


def clean(day: str) -> dict[str, list[Row]]:
    """Of each table rows in which nothing is wrong, such as each expectation has something to look at."""
    bitso = {"venue": "bitso", "pair": "BTC-MXN"}
    return {
        "trades": [
            *(trade(id_, day=day) for id_ in (1, 2, 3)),
            trade(1, day=day, feed="agg_trade", first_id=1, last_id=3),
            *(trade(id_, day=day, **bitso) for id_ in (1, 100)),
        ],
        "minute_aggregates": [
            *(minute(f"10:0{place}", 3 * place, 3 * place + 2, day=day) for place in (1, 2)),
            minute("10:01", 1, 3, day=day, **bitso, is_complete=None, missing_trades=None),
        ],
        "order_books": [
            book("10:00:00", day=day),
            book("10:00:01", day=day, bids=[], best_bid=None, mid=None, spread=None, spread_pct=None, state="one_sided"),
        ],
        "reconciliation": [verdict("10:01", "equal", day=day), verdict("10:02", "no_candle", day=day)],
    }


def fresh() -> dict[str, list[Row]]:
    return {
        "trades": [trade(9, "11:00:00", day=OPEN)],
        "minute_aggregates": [minute("11:00", 9, 9, day=OPEN)],
        "order_books": [book("09:00:00", day=OPEN)],
        "reconciliation": [verdict("11:00", "open", day=OPEN)],
    }


@pytest.fixture(scope="module")
def there(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A lake with a clean day and one in which each pair has a fault of its own, checked once."""
    made = Checked(spark, tmp_path_factory.mktemp("checked"))
    for table, faults in FAULTS.items():
        rows = [row if row["pair"] is None else row | {"pair": name} for name, found in faults.items() for row in found]
        made.put(table, [*clean(CLEAN)[table], *clean(PLANTED)[table], *fresh()[table], *rows])
    made.batch("trades", "one", 0, items=10, quarantined=3, conflicts=1, reasons={"price": 2, "void": 1}, unfit=0)
    made.batch("trades", "one", 1, items=90, fresh=90, unfit=1)
    made.batch("books", "two", 0, items=4, quarantined=1, conflicts=0)
    made.told = made.run("first", NOW)
    return made


def places(row: Row) -> set[str | None]:
    """The pairs of the rows that are told as examples; of a market its venue."""
    return {told["pair"] if "pair" in told else told["venue"] for told in json.loads(row["examples"])}


def failed(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row["table"], row["expectation"]) for row in rows if row["success"] is False}


def test_each_planted_fault_is_found_by_the_expectation_meant_for_it_and_by_no_other(there: Checked):
    found = {(row["table"], row["expectation"]): places(row) for row in there.results("first") if row["success"] is False}
    special = {"pair_is_there": {None}, "no_market_is_silent": {"coinbase"}}
    assert found == {(table, name): special.get(name, {name}) for table, faults in FAULTS.items() for name in faults}


def test_every_expectation_that_is_shipped_has_a_planted_fault():
    shipped = {(suite.table.name, one.name) for suite in suites.read(SUITES) for one in suite.expectations}
    planted = {(table, name) for table, faults in FAULTS.items() for name in faults}
    assert {one for one in shipped if one[1] not in ELSEWHERE} == planted


def test_clean_rows_pass_everything(there: Checked):
    found = {(row["table"], row["expectation"]): row["success"] for row in there.results("first") if str(row["day"]) == CLEAN}
    daily = {(s.table.name, one.name) for s in suites.read(SUITES) if s.rows != "newest" for one in s.expectations}
    assert found == dict.fromkeys(daily, True)


def test_a_table_without_new_rows_is_stale_and_no_pass(there: Checked):
    """A month later nothing came: no market is there to be silent, and no minute to be the exchange's."""
    there.run("later", moment("12:00:00", "2026-06-01"), since=date(2026, 6, 1))
    found = {(row["table"], row["expectation"]): (row["success"], row["observed"]) for row in there.results("later")}
    tables = ("trades", "minute_aggregates", "order_books")
    empty = {(table, "there_are_rows"): (False, "observed: 0") for table in tables}
    empty |= {(table, "no_market_is_silent"): (None, "nothing to look at") for table in tables}
    assert found == empty | {("reconciliation", "it_is_the_exchanges_or_explained"): (None, "nothing to look at")}


def test_a_column_of_another_type_is_found_by_its_expectation(spark: SparkSession, lake: Path, tmp_path: Path):
    there, types = Checked(spark, lake, tmp_path), {"trades": {"seq": "INT"}, "minute_aggregates": {"revision": "INT"}}
    types["order_books"] = {"spread_pct": "DECIMAL(13,6)"}
    for table, wrong in types.items():
        there.put(table, clean(CLEAN)[table], **wrong)
        shutil.copy(SUITES / f"{table}.json", tmp_path)
    there.run("types", NOW, until=date.fromisoformat(OPEN))
    assert failed(there.results("types")) == {(table, "types_are_right") for table in types}


@pytest.mark.parametrize("table", ["trades", "minute_aggregates", "order_books"])
def test_the_types_expected_are_those_of_the_table(table: str):
    (told,) = (s.columns["types_are_right"] for s in suites.read(SUITES) if s.name == table)
    kinds = {column.name: column.type.lower().replace(": ", ":").replace(", ", ",") for column in TABLES[table].columns}
    assert told.split(" AND ") == [f"typeof(`{name}`) = '{kind}'" for name, kind in kinds.items()]


def test_the_rows_say_what_was_looked_at_and_what_was_found(there: Checked):
    price = {"column": "price", "min_value": 0, "strict_min": True}
    assert price in [one.told["kwargs"] for suite in suites.read(SUITES) for one in suite.expectations]
    found = {(row["table"], row["expectation"], str(row["day"])): row for row in there.results("first")}
    told = {"run": "first", "checked_at": NOW}
    between, query = "expect_column_values_to_be_between", "unexpected_rows_expectation"
    wrong = traded(pair="price_is_above_zero")[0]
    key = {name: str(wrong[name]) if name == "price" else wrong[name] for name in (*TABLES["trades"].key, "price")}
    trades = len(clean(CLEAN)["trades"])
    assert found["trades", "price_is_above_zero", PLANTED] == told | {
        "table": "trades",
        "expectation": "price_is_above_zero",
        "day": date.fromisoformat(PLANTED),
        "suite": "trades",
        "kind": between,
        "column_name": "price",
        "success": False,
        "observed": "1 of 30",
        "checked": 30,
        "unexpected_count": 1,
        "unexpected_pct": Decimal("3.333333"),
        "examples": json.dumps([key | {"price": "0E-10"}]),
        "table_version": 1,
    }
    assert found["trades", "price_is_above_zero", CLEAN] == found["trades", "price_is_above_zero", PLANTED] | {
        "day": date.fromisoformat(CLEAN),
        "success": True,
        "observed": f"0 of {trades}",
        "checked": trades,
        "unexpected_count": 0,
        "unexpected_pct": Decimal(0),
        "examples": "[]",
    }
    assert found["trades", "few_ids_are_absent", PLANTED] == told | {
        "table": "trades",
        "expectation": "few_ids_are_absent",
        "day": date.fromisoformat(PLANTED),
        "suite": "trades",
        "kind": query,
        "column_name": None,
        "success": False,
        "observed": "1 rows answer it",
        "checked": 28,
        "unexpected_count": 1,
        "unexpected_pct": Decimal("3.571429"),
        "examples": json.dumps(
            [{"venue": "binance", "market": "spot", "feed": "trade", "pair": "few_ids_are_absent", "absent": 1}]
        ),
        "table_version": 1,
    }
    stream = [row for row in found.values() if row["suite"] == "stream"]
    nothing = {"success": None, "kind": None, "column_name": None, "examples": "[]", "table_version": None}
    nothing |= {"suite": "stream", "day": date.fromisoformat(OPEN)}
    assert_rows(
        stream,
        [
            told
            | nothing
            | dict(zip(("table", "expectation", "observed", "checked", "unexpected_count", "unexpected_pct"), said, strict=True))
            for said in [
                ("trades", "stream_quarantined", "3 in 2 batches of 100 items", 100, 3, Decimal(3)),
                ("trades", "stream_conflicts", "1 in 2 batches of 100 items", 100, 1, Decimal(1)),
                ("trades", "stream_price", "2 in 2 batches of 100 items", 100, 2, Decimal(2)),
                ("trades", "stream_void", "1 in 2 batches of 100 items", 100, 1, Decimal(1)),
                ("minute_aggregates", "stream_unfit", "1 in 2 batches", None, 1, None),
                ("order_books", "stream_quarantined", "1 in 1 batches of 4 items", 4, 1, Decimal(25)),
                ("order_books", "stream_conflicts", "0 in 1 batches of 4 items", 4, 0, Decimal(0)),
            ]
        ],
        TABLES["quality_results"].key,
    )


# --- what is looked at, and when: a small suite


@pytest.fixture
def small(spark: SparkSession, lake: Path, tmp_path: Path) -> Checked:
    """Trades alone, and few expectations."""
    (tmp_path / "suites").mkdir()
    made = Checked(spark, lake, tmp_path / "suites")
    made.expect("trades", "trades", "closed_day", above("price"), above("first_id"))
    return made


def above(column: str) -> Row:
    kwargs = {"column": column, "min_value": 0, "strict_min": True}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "meta": {"name": f"{column}_above"}}


def is_true(column: str) -> Row:
    kwargs = {"column": column, "value_set": [True]}
    return {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs, "meta": {"name": column}}


def looked_at(there: Checked, run: str) -> dict[str, tuple[bool | None, str]]:
    return {
        str(row["day"]): (row["success"], row["observed"]) for row in there.results(run) if row["expectation"] == "price_above"
    }


def test_a_day_is_checked_once_it_is_over_and_again_when_it_changed(small: Checked):
    small.put("trades", [trade(1, day=CLEAN), trade(2, day=PLANTED), trade(3, day=OPEN)])
    assert small.run("1", NOW)["days"] == 2
    assert looked_at(small, "1") == {CLEAN: (True, "0 of 1"), PLANTED: (True, "0 of 1")}
    assert small.run("2", NOW)["days"] == 0
    assert looked_at(small, "2") == {}
    small.put("trades", [trade(4, day=CLEAN, price=Decimal(0))])
    small.run("3", NOW + HOUR)
    assert looked_at(small, "3") == {CLEAN: (False, "1 of 2")}
    small.run("4", NOW + 13 * HOUR)  # the open day is over by now
    assert looked_at(small, "4") == {OPEN: (True, "0 of 1")}
    small.run("5", NOW + 13 * HOUR, since=date.fromisoformat(CLEAN), until=date.fromisoformat(OPEN))  # asked for
    assert looked_at(small, "5") == {CLEAN: (False, "1 of 2"), PLANTED: (True, "0 of 1")}


@pytest.mark.long
def test_days_that_were_not_asked_for_are_still_owed(small: Checked):
    small.put("trades", [trade(1, day=CLEAN), trade(2, day=PLANTED)])
    small.run("1", NOW, until=date.fromisoformat(PLANTED))
    small.run("2", NOW)
    assert (list(looked_at(small, "1")), list(looked_at(small, "2"))) == ([CLEAN], [PLANTED])


def test_what_has_nothing_to_look_at_says_so_and_is_no_pass(small: Checked):
    small.put("trades", [trade(1, day=CLEAN)])
    told = small.run("1", NOW)
    found = {row["expectation"]: (row["success"], row["observed"], row["checked"]) for row in small.results("1")}
    assert found == {"price_above": (True, "0 of 1", 1), "first_id_above": (None, "nothing to look at", 0)}
    assert (told["as_expected"], told["failed"], told["with_nothing_to_look_at"]) == (1, 0, 1)


def test_an_error_is_a_failure_of_the_expectation_that_ended_in_it_alone(small: Checked):
    """A text in the place of a price, a column that is not there, a division by nought: those that share their query are asked alone."""
    rules = {"gone": "price = nobody + 1", "nought": "1 / (trade_id - 1) > 0", "fine": "trade_id = 1"}
    small.expect("trades", "trades", "closed_day", above("price"), *map(is_true, rules), **rules)
    small.put("trades", [trade(1, day=CLEAN) | {"price": "dear"}], price="STRING")
    told = small.run("1", NOW)
    found = {row["expectation"]: (row["success"], row["observed"], row["unexpected_count"]) for row in small.results("1")}
    assert found["fine"] == (True, "0 of 1", 0)
    errors = {
        "price_above": "ColumnValuesBetween metrics cannot be computed on column of type StringType()",
        "gone": 'The column "gone" in BatchData does not exist',
        "nought": "[DIVIDE_BY_ZERO] Division by zero",
    }
    for name, says in errors.items():
        success, observed, count = found[name]
        assert (success, count) == (False, None)
        assert observed.startswith("error: ")
        assert says in observed
    assert told["failed"] == 3


def kept_out(there: Checked, run: str) -> list[tuple[str, int, str]]:
    return [
        (row["expectation"], row["unexpected_count"], row["observed"])
        for row in there.results(run)
        if row["suite"] == "stream" and row["expectation"] == "stream_quarantined"
    ]


def test_each_batch_is_counted_in_one_run_also_when_a_run_dies(small: Checked, monkeypatch: pytest.MonkeyPatch):
    small.put("trades", [trade(1, day=CLEAN)])
    small.batch("trades", "one", 9, items=10, quarantined=3)
    small.run("1", NOW)
    small.batch("trades", "one", 9, items=10, quarantined=0)  # a replay writes over its record
    small.batch("trades", "one", 10, items=10, quarantined=4)
    small.batch("trades", "two", 0, items=10, quarantined=5)

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("after the rows")

    with monkeypatch.context() as patch:
        patch.setattr(Taken, "save", die)
        with pytest.raises(RuntimeError, match="after the rows"):
            small.run("2", NOW)
    (small.lake / "control/progress/quality.json").unlink()
    small.run("3", NOW)
    small.batch("trades", "two", 1, items=10, quarantined=6)
    small.run("4", NOW)
    assert [kept_out(small, run) for run in "1234"] == [
        [("stream_quarantined", 3, "3 in 1 batches of 10 items")],
        [("stream_quarantined", 9, "9 in 2 batches of 20 items")],
        [],
        [("stream_quarantined", 6, "6 in 1 batches of 10 items")],
    ]


@pytest.mark.long
def test_a_run_that_is_tried_again_under_its_name_leaves_each_key_once(small: Checked):
    small.put("trades", [trade(1, day=CLEAN)])
    for _ in range(2):
        small.run("again", NOW, since=date.fromisoformat(CLEAN))
    assert [row["expectation"] for row in small.results("again")].count("price_above") == 1


def test_two_runs_do_not_meet(small: Checked):
    small.put("trades", [trade(1, day=CLEAN)])
    lease = Lease(Files(small.lake), "quality", "another", ttl=3600)
    lease.take()
    with pytest.raises(LeaseHeld, match=r"control/lease/quality\.json: another writes these tables; stop it first"):
        small.run("1", NOW)
    lease.release()


def test_without_tables_it_says_what_makes_them(small: Checked):
    with pytest.raises(TableError, match=r"none of trades is there yet: the stream makes them"):
        small.run("1", NOW)


def command(there: Checked, *options: str) -> int:
    conf = there.lake.parent / "conf.yaml"
    conf.write_text(f"lake: {there.lake}\ningest: {{collector: test}}\n")
    return quality.main(["--conf", str(conf), "--run", "now", "--expectations", str(there.suites), *options])


def test_what_is_not_as_expected_is_the_third_exit_code_and_one_line_names_it(small: Checked, capsys: pytest.CaptureFixture[str]):
    small.put("trades", [trade(1, day=CLEAN), trade(2, day=PLANTED), trade(3, day=PLANTED, price=Decimal(0))])
    assert command(small, "--to", PLANTED) == 0
    line = (
        "quality: 1 days, 1 as expected, 0 failed, 1 with nothing to look at, 0 rows kept out by the stream, 0 tables not there\n"
    )
    assert capsys.readouterr().out == line
    assert command(small) == 3
    said = capsys.readouterr()
    assert said.out.startswith("quality: 1 days, 0 as expected, 1 failed, 1 with nothing to look at, ")
    assert said.err.endswith(f"quality: trades {PLANTED} price_above: 1 of 2\n")
    record = json.loads((small.lake / "control/runs/quality/now.json").read_text())
    assert (record["code"], record["failures"]) == (3, [f"trades {PLANTED} price_above: 1 of 2"])


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("{", "trades.json: not JSON"),
        ({"type": "expect_nothing", "kwargs": {}, "meta": {"name": "x"}}, "trades.json: x: expect_nothing not found"),
        ({"type": above("x")["type"], "kwargs": {"min_value": 0}, "meta": {"name": "x"}}, "trades.json: x: 1 validation error"),
        ({"type": "unexpected_rows_expectation", "kwargs": {}, "meta": {}}, "trades.json: expectations[0]: meta.name is missing"),
    ],
)
def test_a_broken_file_is_refused_at_the_start_by_its_name(
    small: Checked, capsys: pytest.CaptureFixture[str], told: str | Row, says: str
):
    if isinstance(told, str):
        (small.suites / "trades.json").write_text(told)
    else:
        small.expect("trades", "trades", "closed_day", told)
    assert command(small) == 2
    assert f"quality: {says}" in capsys.readouterr().err
    assert not (small.lake / "tables/quality_results").exists()

"""The files of expectations as values, the days of a table, the stream's records: all that needs neither Spark nor Great Expectations."""

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingest.landing import Files
from ingest.settings import settings
from jobs import quality
from jobs.expectations import days, suites
from jobs.expectations.records import Count, folded
from jobs.expectations.suites import SuiteError
from jobs.runtime import lake as lakes
from jobs.runtime.session import SessionError
from jobs.transforms.spans import minute_of
from tests.support.lines import moment
from tests.support.quality import SUITES

BETWEEN = "expect_column_values_to_be_between"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
UNIQUE = "expect_compound_columns_to_be_unique"


def text(*expectations: Any, name: str = "trades", **meta: Any) -> str:  # noqa: ANN401 - JSON values
    told = {"table": "trades", "rows": "closed_day", **meta}
    return json.dumps({"name": name, "meta": told, "expectations": list(expectations) or [one()]})


def one(kind: str = BETWEEN, *, name: str = "x", of: str | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    meta = {"name": name} | ({} if of is None else {"of": of})
    return {"type": kind, "kwargs": kwargs or {"column": "price"}, "meta": meta}


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("[", "trades.json: not JSON: "),
        ("[]", "trades.json: expectations is missing; it is a list of one or more"),
        ('{"expectations": []}', "trades.json: expectations is missing; it is a list of one or more"),
        (text(name="other"), "trades.json: name is 'other'; it must be that of the file, 'trades'"),
        (
            text(table="trade"),
            "trades.json: meta.table is 'trade'; it must be one of trades, minute_aggregates, order_books, klines, ",
        ),
        (text(table="gaps"), "trades.json: meta.table is 'gaps'; it must be one of "),
        (text(rows="all"), "trades.json: meta.rows is 'all'; it must be one of closed_day, day, newest"),
        (text(columns={"price": "1"}), "trades.json: meta.columns.price: trades has a column of that name"),
        (text(columns={"as_of": "1"}), "trades.json: meta.columns.as_of: trades has a column of that name"),
        (text({"type": BETWEEN}), "trades.json: expectations[0]: it has a type and kwargs"),
        (
            text(one(), {"type": BETWEEN, "kwargs": {}}),
            "trades.json: expectations[1]: meta.name is missing; it is what people call",
        ),
        (text(one(column="a", row_condition="a > 1")), "trades.json: expectations[0] (x): row_condition is SQL here, as {'type'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_its_name_and_place(told: str, says: str):
    with pytest.raises(SuiteError) as found:
        suites.suite("trades.json", told)
    assert str(found.value).startswith(says)


@pytest.mark.parametrize(
    ("told", "looks_at"),
    [
        (one(column="a"), "`a` IS NOT NULL"),
        (one("expect_column_values_to_not_be_null", column="a"), "TRUE"),
        (one(column="a", row_condition={"pass_through_filter": "b = 1 OR c"}), "(b = 1 OR c) AND `a` IS NOT NULL"),
        (one(PAIR, column_A="a", column_B="b"), "(`a` IS NOT NULL OR `b` IS NOT NULL)"),
        (one(PAIR, column_A="a", column_B="b", ignore_row_if="either_value_is_missing"), "(`a` IS NOT NULL AND `b` IS NOT NULL)"),
        (one(PAIR, column_A="a", column_B="b", ignore_row_if="neither"), "TRUE"),
        (one(UNIQUE, column_list=["a", "b"]), "(`a` IS NOT NULL OR `b` IS NOT NULL)"),
        (one(UNIQUE, column_list=["a", "b"], ignore_row_if="any_value_is_missing"), "(`a` IS NOT NULL AND `b` IS NOT NULL)"),
        (one("unexpected_rows_expectation", unexpected_rows_query="SELECT 1"), "TRUE"),
        (one("unexpected_rows_expectation", of="a OR b", unexpected_rows_query="SELECT 1"), "(a OR b)"),
        (one("expect_table_row_count_to_be_between", min_value=1), None),
    ],
)
def test_of_which_rows_an_expectation_says_something(told: dict[str, Any], looks_at: str | None):
    (found,) = suites.suite("trades.json", text(told)).expectations
    assert found.looks_at == looks_at


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (text(one(), one(name="y"), one()), None, "a.json: x: a.json has an expectation of trades of that name"),
        (text(one()), text(one()), "b.json: x: a.json has an expectation of trades of that name"),
        (
            text(one(), columns={"c": "1"}),
            text(one(name="y"), columns={"c": "2"}),
            "b.json: meta.columns.c is computed otherwise by another suite of trades",
        ),
    ],
)
def test_names_and_computed_columns_are_one_of_a_table(tmp_path: Path, first: str, second: str | None, says: str):
    for name, told in (("a", first), ("b", second)):
        if told is not None:
            (tmp_path / f"{name}.json").write_text(json.dumps(json.loads(told) | {"name": name}))
    with pytest.raises(SuiteError) as found:
        suites.read(tmp_path)
    assert str(found.value) == says


def test_a_folder_that_holds_no_suite_is_no_clean_bill(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"holds no suite of expectations, no \*\.json"):
        suites.read(tmp_path)
    with pytest.raises(SuiteError, match="nowhere is not there; it holds the expectations: --expectations names another folder"):
        suites.read(tmp_path / "nowhere")


def test_the_suites_that_are_shipped_are_read():
    parts = {"": "closed_day", "_freshness": "newest", "_keys": "closed_day"}
    found = [(suite.name, suite.table.name, suite.rows) for suite in suites.read(SUITES)]
    tables = ("minute_aggregates", "order_books", "trades")
    each = [(f"{table}{part}", table, rows) for table in tables for part, rows in parts.items()]
    assert found == sorted([*each, ("reconciliation", "reconciliation", "day")])


def test_the_days_that_spans_of_minutes_lie_in():
    late, early = minute_of(moment("23:59:00", "2026-04-28")), minute_of(moment("00:00:00", "2026-04-30"))
    noon = minute_of(moment("12:00:00", "2026-05-02"))
    found = days.days_in({"A-B": [(late, early)], "C-D": [(noon, noon)]})
    assert sorted(map(str, found)) == ["2026-04-28", "2026-04-29", "2026-04-30", "2026-05-02"]


def test_a_condition_holds_from_the_first_moment_of_a_day_to_the_last_of_another():
    said = days.within("ts", date(2026, 4, 30), date(2026, 4, 30))
    assert said == "(ts >= TIMESTAMP '2026-04-30 00:00:00+00:00' AND ts < TIMESTAMP '2026-05-01 00:00:00+00:00')"


def test_days_are_kept_as_json():
    kept = {"b": {date(2026, 5, 1), date(2026, 4, 30)}, "a": set[date]()}
    assert json.loads(json.dumps(days.plain(kept))) == {"a": [], "b": ["2026-04-30", "2026-05-01"]}
    assert days.days(days.plain(kept)) == kept


def test_records_are_counted_after_the_marks_and_other_files_are_none(tmp_path: Path):
    def record(place: str, **told: Any) -> None:  # noqa: ANN401 - JSON values
        file = tmp_path / "control/runs" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told))

    record("trades/a-b-9.json", items=1, quarantined=1, reasons={"ts": 1})
    record("trades/a-b-10.json", items=5, quarantined=2, conflicts=1, unfit=3, reasons={"ts": 1, "price": 1})
    record("trades/a-b-11.json", items=5)
    record("trades/notes.json", items=100)
    record("klines/c-0.json", items=2, quarantined=1, conflicts=0)
    record("gaps/x-1.json", items=100)
    marks = {"trades/a-b": 9, "books/z": 4}
    assert folded(Files(tmp_path), marks) == (
        [
            Count("trades", "stream_conflicts", 1, 10, 2),
            Count("trades", "stream_price", 1, 10, 2),
            Count("trades", "stream_quarantined", 2, 10, 2),
            Count("trades", "stream_ts", 1, 10, 2),
            Count("minute_aggregates", "stream_unfit", 3, None, 2),
            Count("klines", "stream_conflicts", 0, 2, 1),
            Count("klines", "stream_quarantined", 1, 2, 1),
        ],
        {"trades/a-b": 11, "books/z": 4, "klines/c": 0},
    )
    assert folded(Files(tmp_path), {"trades/a-b": 11, "klines/c": 0}) == ([], {"trades/a-b": 11, "klines/c": 0})


def test_where_great_expectations_is_missing_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "jobs.expectations.checks", raising=False)
    monkeypatch.delattr("jobs.expectations.checks", raising=False)
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    told = settings({"lake": str(tmp_path), "ingest": {"collector": "test"}})
    chosen = argparse.Namespace(run="1", since=None, until=None, table=None, expectations=SUITES)
    with pytest.raises(
        SessionError, match="great_expectations is not here: `make setup` installs it, a cluster gets it by an archive"
    ):
        quality.run(told, lakes.place(told.lake), chosen)


def test_a_table_that_no_suite_is_of_is_refused(tmp_path: Path):
    told = settings({"lake": str(tmp_path), "ingest": {"collector": "test"}})
    chosen = argparse.Namespace(run="1", since=None, until=None, table="bars", expectations=SUITES)
    with pytest.raises(
        SuiteError, match="--table bars: no suite is of it; there are: minute_aggregates, order_books, reconciliation, trades"
    ):
        quality.run(told, lakes.place(told.lake), chosen)

"""The files of conf/expectations as values: which table, which rows, what of them. What is wrong with one is told by its name."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ingest.settings import SettingsError
from jobs.tables import TABLES
from jobs.tables.table import Table

CLOSED_DAY, DAY, NEWEST = "closed_day", "day", "newest"
ROWS = {
    CLOSED_DAY: "a day at a time, once it is over",
    DAY: "a day at a time, also the open one",
    NEWEST: "the open day and the one before it",
}
QUERY, OF_THE_TABLE = "unexpected_rows_expectation", "expect_table_"
EVERY_ROW = "TRUE"
OURS = ("day", "as_of")  # columns that each frame has beside the table's
ABOUT_NULLS = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")
JOINED = {  # which rows with missing values it looks at all the same, by Great Expectations' word for those that it ignores
    "both_values_are_missing": " OR ",
    "all_values_are_missing": " OR ",
    "either_value_is_missing": " AND ",
    "any_value_is_missing": " AND ",
}


class SuiteError(SettingsError):
    """A file of conf/expectations is not right."""


class Expectation(NamedTuple):
    """One of them."""

    name: str
    kind: str
    column: str | None
    looks_at: str | None  # a condition: the rows that it looks at; None: the table as a whole
    told: Mapping[str, Any]  # as it stands in the file


@dataclass(frozen=True)
class Suite:
    """A file."""

    name: str
    table: Table
    rows: str
    columns: Mapping[str, str]  # computed ones, as SQL
    expectations: Sequence[Expectation]


def time_of(table: Table) -> str | None:
    """The column of times by which a table's days are told; None where it has none."""
    times = [name for name in table.skipping if table.type_of(name) == "TIMESTAMP"]
    return times[0] if times and "pair" in table.partitioned_by else None


def read(folder: Path) -> Sequence[Suite]:
    """All suites of a folder."""
    if not folder.is_dir():
        raise SuiteError(f"{folder} is not there; it holds the expectations: --expectations names another folder")
    found = [suite(file.name, file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    if not found:
        raise SuiteError(f"{folder} holds no suite of expectations, no *.json")
    _refuse_twice(found)
    return found


def suite(file: str, text: str) -> Suite:
    """One file. What of it Great Expectations has to say is asked there."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise SuiteError(f"{file}: not JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("expectations"), list) or not told["expectations"]:
        raise SuiteError(f"{file}: expectations is missing; it is a list of one or more")
    if told.get("name") != (name := file.removesuffix(".json")):
        raise SuiteError(f"{file}: name is {told.get('name')!r}; it must be that of the file, {name!r}")
    meta = told.get("meta") or {}
    days = [known for known, table in TABLES.items() if time_of(table)]
    _one_of(f"{file}: meta.table", meta.get("table"), days)
    _one_of(f"{file}: meta.rows", meta.get("rows"), ROWS)
    table, columns = TABLES[meta["table"]], meta.get("columns", {})
    for column in columns:
        if column in (*table.names, *OURS):
            raise SuiteError(f"{file}: meta.columns.{column}: {table.name} has a column of that name")
    expectations = [_expectation(f"{file}: expectations[{place}]", one) for place, one in enumerate(told["expectations"])]
    return Suite(name, table, meta["rows"], columns, expectations)


def _expectation(where: str, told: Any) -> Expectation:  # noqa: ANN401 - a JSON value
    if not isinstance(told, dict) or not isinstance(told.get("type"), str) or not isinstance(told.get("kwargs"), dict):
        raise SuiteError(f"{where}: it has a type and kwargs")
    kwargs, meta = told["kwargs"], told.get("meta") or {}
    name = meta.get("name")
    if not isinstance(name, str) or not name:
        raise SuiteError(f"{where}: meta.name is missing; it is what people call the expectation")
    return Expectation(name, told["type"], kwargs.get("column"), _looks_at(f"{where} ({name})", told["type"], kwargs, meta), told)


def _looks_at(where: str, kind: str, kwargs: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    """Of which rows it says something: those without a value it leaves out, and those beside its condition."""
    if kind.startswith(OF_THE_TABLE):
        return None
    parts = [f"({meta['of']})"] if "of" in meta else []
    if (condition := kwargs.get("row_condition")) is not None:
        if not isinstance(condition, Mapping) or "pass_through_filter" not in condition:
            raise SuiteError(f"{where}: row_condition is SQL here, as {{'type': 'pass_through', 'pass_through_filter': '…'}}")
        parts.append(f"({condition['pass_through_filter']})")
    if "column" in kwargs and kind not in ABOUT_NULLS:
        parts.append(f"`{kwargs['column']}` IS NOT NULL")
    several = kwargs.get("column_list") or [kwargs[name] for name in ("column_A", "column_B") if name in kwargs]
    default = "all_values_are_missing" if "column_list" in kwargs else "both_values_are_missing"
    if several and (joined := JOINED.get(kwargs.get("ignore_row_if", default))):
        parts.append(f"({joined.join(f'`{name}` IS NOT NULL' for name in several)})")
    return " AND ".join(parts) or EVERY_ROW


def _one_of(where: str, value: object, right: Collection[str]) -> None:
    if value not in right:
        raise SuiteError(f"{where} is {value!r}; it must be one of {', '.join(right)}")


def _refuse_twice(found: Iterable[Suite]) -> None:
    """A result is told by table and name; and suites of a table that look at the same rows share what they compute."""
    names: dict[tuple[str, str], str] = {}
    columns: dict[tuple[str, str], tuple[str, str]] = {}
    for one in found:
        for expectation in one.expectations:
            other = names.setdefault((one.table.name, expectation.name), one.name)
            if other != one.name or sum(each.name == expectation.name for each in one.expectations) > 1:
                raise SuiteError(
                    f"{one.name}.json: {expectation.name}: {other}.json has an expectation of {one.table.name} of that name"
                )
        for column, text in one.columns.items():
            if columns.setdefault((one.table.name, column), (one.name, text))[1] != text:
                raise SuiteError(
                    f"{one.name}.json: meta.columns.{column} is computed otherwise by another suite of {one.table.name}"
                )

"""The statements for Athena and Redshift: read back by a parser that is not ours, and the copies in conf/."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from jobs.readers import ddl
from jobs.readers.names import HISTORY, delta_name, history_name, joined
from jobs.readers.views import View
from jobs.tables import TABLES
from jobs.tables.table import Table
from jobs.transforms.published import Month
from setup import docs

LAKE = "s3://bucket/lake"
MONTHS = [Month("binance", "spot", "trade", "BTC-USDT", 2024, month) for month in (1, 11)]
VIEW = View("few", "SELECT 1 AS one")
ATHENA = ddl.athena("ticks", LAKE, TABLES.values(), [VIEW], {"trades": MONTHS})
REDSHIFT = ddl.redshift("ticks", TABLES.values(), {"trades": MONTHS})


@pytest.mark.parametrize("copy", docs.statements(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_copies_are_what_the_tables_say(copy: Path):
    assert copy.read_text() == docs.statements()[copy], "`make docs` writes it again"
    assert set(copy.parent.iterdir()) <= docs.statements().keys()


def parsed(statement: str, dialect: str) -> exp.Expr:
    (found,) = sqlglot.parse(statement, dialect=dialect)
    assert found is not None
    assert not found.find(exp.Command), statement  # what it does not understand
    return found


def test_athena_understands_every_statement():
    kinds = [type(parsed(statement, "athena")) for statement in ATHENA]
    assert kinds.count(exp.Create) == 1 + len(TABLES) + len(HISTORY) + 1
    assert kinds.count(exp.Alter) == len(MONTHS)
    assert len(kinds) == kinds.count(exp.Create) + kinds.count(exp.Alter)


@functools.cache
def created(dialect: str) -> Mapping[str, exp.Expr]:
    """The CREATE TABLEs, by name."""
    statements = ATHENA if dialect == "athena" else REDSHIFT
    found = [parsed(statement, dialect) for statement in statements if re.match("CREATE (EXTERNAL )?TABLE", statement)]
    return {one.this.find(exp.Table).name: one for one in found}


def place(statement: exp.Expr) -> str:
    found = statement.find(exp.LocationProperty)
    assert found is not None
    return str(found.this.this)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_delta_table_is_told_by_its_place_alone(table: Table):
    found = created("athena")[delta_name(table)]
    assert place(found) == f"{LAKE}/tables/{table.name}/"
    assert not list(found.find_all(exp.ColumnDef))
    assert {one.this.name: one.args["value"].name for one in found.find_all(exp.Property) if type(one) is exp.Property} == {
        "table_type": "DELTA"
    }


@pytest.mark.parametrize("dataset", HISTORY)
def test_history_has_its_columns_and_its_partitions(dataset: str):
    table = HISTORY[dataset].table
    found = created("athena")[history_name(dataset)]
    columns = {one.name: one for one in found.find_all(exp.ColumnDef)}
    keys = found.find(exp.PartitionedByProperty)
    assert keys is not None
    assert [one.name for one in keys.find_all(exp.ColumnDef)] == list(table.partitioned_by)
    assert list(columns) == [*(name for name in table.names if name not in table.partitioned_by), *table.partitioned_by]
    for column in table.columns:
        assert str(columns[column.name].kind.sql("spark")).replace(", ", ",") == column.type, column
        comment = columns[column.name].find(exp.CommentColumnConstraint)
        assert comment is not None
        assert comment.this.this == column.comment
    assert place(found) == f"{LAKE}/history/{dataset}/"


def test_a_published_month_is_a_partition_in_its_folder():
    told = [statement for statement in ATHENA if statement.startswith("ALTER")]
    assert told == [
        f"ALTER TABLE `ticks`.`trades_history` ADD IF NOT EXISTS PARTITION (`pair` = 'BTC-USDT', `year` = '2024', `month` = '{month}')\n"
        f"LOCATION '{LAKE}/history/trades/pair=BTC-USDT/year=2024/month={month}/'"
        for month in (1, 11)
    ]


def test_redshift_understands_every_table_and_every_view():
    names = {"STRING": {"VARCHAR(256)", "VARCHAR(65535)"}, "INT": {"INTEGER"}}
    for table in TABLES.values():
        found = created("redshift")[delta_name(table)]
        columns = {one.name: str(one.kind.sql("redshift")).replace(", ", ",") for one in found.find_all(exp.ColumnDef)}
        assert list(columns) == table.names
        for column in table.columns:
            wanted = {"SUPER"} if column.type.startswith("ARRAY") else names.get(column.type, {column.type})
            assert columns[column.name] in wanted, column
        told = [one for one in REDSHIFT if one.startswith(f'COMMENT ON COLUMN ticklake."{delta_name(table)}".')]
        assert [parsed(one, "redshift").expression.this for one in told] == [column.comment for column in table.columns]
    views = [
        parsed(one.removesuffix("\nWITH NO SCHEMA BINDING"), "redshift") for one in REDSHIFT if "CREATE OR REPLACE VIEW" in one
    ]
    assert {tuple(sorted(read.sql() for read in view.expression.find_all(exp.Table))) for view in views} == {
        (f'ticklake."{delta_name(past.table)}"', f'ticklake_lake."{history_name(name)}"') for name, past in joined().items()
    }

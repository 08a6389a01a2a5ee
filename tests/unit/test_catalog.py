"""Glue's records against moto, Athena by its API, and the views that join history and live, in DuckDB."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest

from ingest.settings import Catalog, Lake
from jobs.readers import records
from jobs.readers.athena import Athena, AthenaError
from jobs.readers.glue import Glue, GlueError, client, glue, spoken
from jobs.readers.names import HISTORY, delta_name, history_name, joined
from jobs.readers.told import follow
from jobs.readers.views import in_order, read, union, unions
from jobs.tables import TABLES
from jobs.tables.table import Column, Table
from jobs.transforms.published import Month
from tests.support.aws import ENVIRONMENT, asked_of_athena, aws
from tests.support.lines import moment
from tests.support.project import HOME
from tests.support.questions import TABLES as ROWS
from tests.support.receivers import Answer, no_proxy, receiver  # noqa: F401 - one is a fixture
from tests.support.tables import assert_rows
from tests.support.views import VIEWS, of_duckdb
from tests.support.warehouse import halves, month_of
from tests.support.written import Row

LAKE = "s3://bucket/lake"
FEW = Table(
    "few",
    "A table.",
    ("pair",),
    (
        Column("pair", "STRING", "The pair."),
        Column("amount", "DECIMAL(38,18)", "It's much."),
        Column("levels", "ARRAY<STRUCT<price: DECIMAL(20,10), at: TIMESTAMP>>", "Levels."),
        Column("year", "INT", "The year."),
    ),
    ("pair", "year"),
)
JANUARY = Month("binance", "spot", "trade", "BTC-USDT", 2024, 1)
MONTHS = [
    JANUARY._replace(year=2000 + n // 12, month=n % 12 + 1) for n in range(230)
]  # three requests of what Glue takes at once


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    with aws() as found:
        yield found


@pytest.fixture
def there(cloud: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Glue:
    """An empty database."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = glue(Lake(LAKE, region="us-east-1"), Catalog(f"d{abs(hash(request.node.name))}", endpoint=cloud))
    assert found.open()
    assert not found.open()
    return found


def table(there: Glue, name: str) -> Mapping[str, Any]:
    return there.client.get_table(DatabaseName=there.database, Name=name)["Table"]


def test_the_record_of_a_delta_table():
    columns = [
        {"Name": "pair", "Type": "string", "Comment": "The pair."},
        {"Name": "amount", "Type": "decimal(38,18)", "Comment": "It's much."},
        {"Name": "levels", "Type": "array<struct<price:decimal(20,10),at:timestamp>>", "Comment": "Levels."},
        {"Name": "year", "Type": "int", "Comment": "The year."},
    ]
    told = {"EXTERNAL": "TRUE", "table_type": "DELTA", "spark.sql.sources.provider": "delta", "classification": "delta"}
    place = f"{LAKE}/tables/few"
    assert records.delta(FEW, LAKE) == {
        "Name": "few",
        "Description": "A table.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": told,
        "StorageDescriptor": {"Location": place, "Columns": columns, "SerdeInfo": {"Parameters": {"path": place}}},
        "PartitionKeys": [],
    }


def test_the_record_of_history_and_of_a_month_of_it():
    found = records.history("klines", LAKE)
    stored = found["StorageDescriptor"]
    assert (found["Name"], found["TableType"], stored["Location"]) == (
        "klines_history",
        "EXTERNAL_TABLE",
        f"{LAKE}/history/klines/",
    )
    assert [(key["Name"], key["Type"]) for key in found["PartitionKeys"]] == [
        ("pair", "string"),
        ("year", "int"),
        ("month", "int"),
    ]
    names = [name for name in TABLES["klines"].names if name not in ("pair", "year", "month")]
    assert [column["Name"] for column in stored["Columns"]] == names
    month = records.partition("klines", LAKE, ("BTC-USDT", "2024", "1"))
    assert month["Values"] == ["BTC-USDT", "2024", "1"]
    assert month["StorageDescriptor"] == {**stored, "Location": f"{LAKE}/history/klines/pair=BTC-USDT/year=2024/month=1/"}


def test_every_column_of_every_record_has_a_comment_that_glue_takes():
    for record in records.tables(TABLES.values(), LAKE):
        for column in (*record["StorageDescriptor"]["Columns"], *record["PartitionKeys"]):
            assert 0 < len(column["Comment"]) <= 255, (record["Name"], column)
    long = next(column.comment for column in TABLES["reconciliation"].columns if column.name == "verdict")
    short = records.comment(long)
    assert 200 < len(short) <= 255
    assert long.startswith(short.removesuffix("…"))
    assert short.endswith(" …")
    assert records.comment("x" * 255) == "x" * 255


def test_what_is_right_already_is_not_written_again(there: Glue):
    wanted = records.tables(TABLES.values(), LAKE)
    assert [there.put(record) for record in wanted] == [True] * len(wanted)
    assert not any(there.put(record) for record in wanted)
    assert {one["Name"] for one in there.client.get_tables(DatabaseName=there.database)["TableList"]} == {
        *map(delta_name, TABLES.values()),
        *map(history_name, HISTORY),
    }
    for record in wanted:
        assert records.holds(table(there, record["Name"]), record)
        # a reader, or Glue itself, has put something beside it
        there.client.update_table(
            DatabaseName=there.database, TableInput={**record, "Parameters": {**record["Parameters"], "theirs": "1"}}
        )
    assert not any(there.put(record) for record in wanted)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["StorageDescriptor"]["Columns"][0].update(Comment="old"),
        lambda record: record["StorageDescriptor"]["Columns"].pop(),
        lambda record: record["StorageDescriptor"].update(Location="s3://old"),
        lambda record: record["Parameters"].pop("table_type"),
        lambda record: record.update(Description="old"),
    ],
)
def test_what_is_not_right_is_put_right(there: Glue, change: Any):  # noqa: ANN401 - a change
    old = json.loads(json.dumps(records.delta(FEW, LAKE)))
    change(old)
    assert there.put(old)
    assert there.put(records.delta(FEW, LAKE))
    assert records.holds(table(there, "few"), records.delta(FEW, LAKE))


def test_partitions_are_those_of_the_months_that_are_published(there: Glue):
    there.put(records.history("trades", LAKE))
    assert there.add_partitions("trades", MONTHS) == 230
    assert there.add_partitions("trades", [*MONTHS, MONTHS[0]._replace(feed="agg_trade")]) == 0
    one, *rest = MONTHS[50:]  # fifty months are withdrawn: two requests
    wrong = {**records.partition("trades", LAKE, (one.pair, str(one.year), str(one.month)))}
    wrong["StorageDescriptor"] = {**wrong["StorageDescriptor"], "Location": "s3://old/"}
    there.client.update_partition(
        DatabaseName=there.database, TableName="trades_history", PartitionValueList=list(wrong["Values"]), PartitionInput=wrong
    )
    assert there.drop_partitions("trades", [one, *rest]) == 50
    assert there.add_partitions("trades", [one, *rest]) == 1
    assert there.drop_partitions("trades", [one, *rest]) == 0
    found = there.partitions("trades")
    assert {values: part["StorageDescriptor"]["Location"] for values, part in found.items()} == {
        (
            month.pair,
            str(month.year),
            str(month.month),
        ): f"{LAKE}/history/trades/pair=BTC-USDT/year={month.year}/month={month.month}/"
        for month in [one, *rest]
    }


def test_whoever_publishes_months_tells_of_them_where_there_is_a_catalog(there: Glue, cloud: str):
    """Partitions, and the three views whose literals they are; nothing before `catalog` has run, or where it is not configured."""
    lake = Lake(LAKE, region="us-east-1")
    settings = Catalog(there.database, athena_output="s3://bucket/athena", endpoint=cloud)
    months = {"trades": [JANUARY]}

    def told() -> list[str]:
        return [re.search(r'VIEW "\w+"\."(\w+)"', statement)[1] for statement in asked_of_athena(cloud, there.database)]

    follow(lake, settings, months, ["trades"], lambda: None)
    assert told() == []
    for dataset in HISTORY:
        there.put(records.history(dataset, LAKE))
    for other in (Lake("./lake"), replace(settings, athena_output=None)):
        chosen = (other, settings) if isinstance(other, Lake) else (lake, other)
        follow(*chosen, months, ["trades"], lambda: None)
    assert (told(), there.partitions("trades")) == ([], {})
    asked = []
    follow(lake, settings, months, ["trades"], lambda: asked.append(1))
    assert list(there.partitions("trades")) == [("BTC-USDT", "2024", "1")]
    assert told() == ["trades", "minute_aggregates", "klines"]
    assert len(asked) == 3
    follow(lake, settings, {}, ["trades"], lambda: None)
    assert there.partitions("trades") == {}


SORRY = r"partition \['BTC-USDT'\]: InternalServiceException: sorry"


def test_what_glue_refuses_is_one_sentence_and_what_is_done_already_none(there: Glue):
    with pytest.raises(GlueError, match=r"^EntityNotFoundException: .*trades_history"), spoken():
        there.partitions("trades")
    for code, right in (
        ("InternalServiceException", pytest.raises(GlueError, match=SORRY)),
        ("AlreadyExistsException", nullcontext()),
    ):
        errors = [{"PartitionValues": ["BTC-USDT"], "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "sorry"}}]
        answers = [Answer(text=json.dumps({"Partitions": []})), Answer(text=json.dumps({"Errors": errors}))]
        with receiver(*answers) as server, right:
            glue(Lake(LAKE, region="us-east-1"), Catalog(endpoint=server.address)).add_partitions("trades", [JANUARY])


def athena(address: str, waited: list[float], output: str | None = "s3://bucket/athena") -> Athena:
    made = client("athena", Lake(LAKE, region="us-east-1"), Catalog(endpoint=address))
    return Athena(made, "ticklake", output, waited.append)


@pytest.mark.usefixtures("there")
def test_a_statement_is_run_by_athenas_api(cloud: str):
    athena(cloud, []).run("few", "CREATE OR REPLACE VIEW few AS SELECT 1")
    api = boto3.client("athena", region_name="us-east-1", endpoint_url=cloud)
    asked = (
        api.get_query_execution(QueryExecutionId=id_)["QueryExecution"]
        for id_ in api.list_query_executions()["QueryExecutionIds"]
    )
    (told,) = (one for one in asked if "VIEW few" in one["Query"])  # one moto serves all tests of a process
    assert (told["Query"], told["QueryExecutionContext"]) == ("CREATE OR REPLACE VIEW few AS SELECT 1", {"Database": "ticklake"})
    assert told["ResultConfiguration"]["OutputLocation"].startswith("s3://bucket/athena")


def state(name: str, **more: str) -> Answer:
    return Answer(text=json.dumps({"QueryExecution": {"Status": {"State": name, **more}}}))


@pytest.mark.usefixtures("there")
def test_a_statement_is_waited_for_and_its_failure_is_told():
    begun, waited = Answer(text='{"QueryExecutionId": "one"}'), list[float]()
    with receiver(begun, state("QUEUED"), state("RUNNING"), state("SUCCEEDED")) as server:
        athena(server.address, waited, None).run("few", "SELECT 1")
        assert "ResultConfiguration" not in json.loads(json.dumps(server.received[0].content))
    assert waited == [0.1, 0.2]
    why = {"StateChangeReason": "line 1:8: Column 'x' cannot be resolved"}
    with (
        receiver(begun, state("FAILED", **why)) as server,
        pytest.raises(AthenaError, match=r"^Athena, few: FAILED: line 1:8: Column 'x'"),
    ):
        athena(server.address, []).run("few", "SELECT x")
    with (
        receiver(begun, state("RUNNING")) as server,
        pytest.raises(AthenaError, match=r"RUNNING after 3\d\d seconds \(query one\)"),
    ):
        athena(server.address, []).run("few", "SELECT 1")


PUBLISHED_MONTHS: Mapping[str, Sequence[Month]] = {
    "trades": [Month("binance", "spot", "agg_trade", "BTC-USDT", 2026, 5), Month("bitso", "spot", "trade", "BTC-MXN", 2026, 4)],
    "minute_aggregates": [
        Month("binance", "spot", feed, "BTC-USDT", 2026, month) for feed, month in (("agg_trade", 4), ("trade", 5))
    ],
    "klines": [Month("binance", "spot", "1m", "BTC-USDT", 2024, 1)],
}
CANDLE = dict.fromkeys(TABLES["klines"].names) | {"venue": "binance", "market": "spot", "pair": "BTC-USDT", "close": 1}
CANDLE |= {"open_time": moment("00:00:00", "2024-01-31"), "year": 2024, "month": 1}
CANDLES: Sequence[Row] = [CANDLE | {"width": width} for width in ("1m", "1h")]


@pytest.mark.parametrize("dataset", joined())
def test_a_month_is_read_from_history_where_it_is_published_and_else_from_the_live_table(dataset: str):
    rows, published, table = {**ROWS, "klines": CANDLES}[dataset], PUBLISHED_MONTHS[dataset], HISTORY[dataset].table
    live, past = halves(dataset, rows, published)
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        fill(made, delta_name(table), table, live, "TIMESTAMPTZ")
        fill(made, history_name(dataset), table, past, "TIMESTAMP")
        views = {view.name: view.sql for view in unions(PUBLISHED_MONTHS, TABLES)}
        made.execute(f"CREATE VIEW {dataset} AS {views[dataset]}")
        assert_rows(of_duckdb(made, dataset), rows, table.key)
        told = made.execute(f"DESCRIBE {dataset}").fetchall()
        assert {kind for _, kind, *_ in told if "TIME" in kind} == {"TIMESTAMP"}
        # nothing came live yet
        made.execute(f"CREATE VIEW old AS {union(dataset, published, is_live_there=False).sql}")
        assert_rows(of_duckdb(made, "old"), [row for row in rows if month_of(dataset, row) in published], table.key)


def fill(made: duckdb.DuckDBPyConnection, name: str, table: Table, rows: Sequence[Row], time: str) -> None:
    assert rows
    kinds = {column.name: time if column.type == "TIMESTAMP" else column.type for column in table.columns}
    columns = ", ".join(f'"{key}" {kind}' for key, kind in kinds.items())
    made.execute(f"CREATE TABLE {name} ({columns})")
    places = ", ".join("?" * len(kinds))
    made.executemany(f"INSERT INTO {name} VALUES ({places})", [[row[key] for key in kinds] for row in rows])  # noqa: S608 - ours


def test_the_views_come_in_the_order_in_which_they_read_each_other(tmp_path: Path):
    for name, sql in (
        ("a", "-- reads FROM z\nSELECT * FROM b JOIN trades t ON TRUE"),
        ("b", "WITH c AS (SELECT 1) SELECT * FROM c"),
        ("d", "SELECT * FROM e"),
    ):
        (tmp_path / f"{name}.sql").write_text(sql)
    made, left = in_order(read(tmp_path), ["trades"])
    assert ([view.name for view in made], [view.name for view in left]) == (["b", "a"], ["d"])


def test_every_view_that_is_shipped_can_be_made_of_all_tables():
    names = [*map(delta_name, TABLES.values()), *map(history_name, HISTORY)]
    made, left = in_order([*unions({}, TABLES), *read(HOME / "conf/views")], names)
    assert not left
    assert {view.name for view in made} == {*joined(), *VIEWS}
    assert next(view for view in made if view.name == "candles").reads == {"minute_aggregates"}


def test_nothing_published_is_nothing_of_history():
    live, old = union("trades", []).sql.split("UNION ALL")
    assert live.strip().endswith("WHERE TRUE")
    assert old.strip().endswith("WHERE FALSE")

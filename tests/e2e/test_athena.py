"""What the job has told Glue is what Trino, whose engine is Athena's, reads of the lake: tables, history, views, and no folder too many."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
import yaml
from pyspark.sql import SparkSession

from jobs import catalog
from jobs.readers import ddl
from jobs.readers.names import HISTORY, joined
from jobs.readers.views import union
from jobs.tables import IMPORTED, TABLES
from jobs.transforms.published import Month
from tests.support import warehouse
from tests.support.asking import QUESTIONS, alike, delta_rs_reads, duckdb_reads, spark_reads
from tests.support.aws import asked_of_athena, aws
from tests.support.lines import moment
from tests.support.project import HOME
from tests.support.questions import TABLES as ASKED
from tests.support.seaweedfs import REGION, known_to, seaweedfs
from tests.support.trino import Trino, trino
from tests.support.views import VIEWS, in_duckdb, of_duckdb
from tests.support.views import in_order as sorted_rows
from tests.support.written import Row

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
DATABASE = "ticks"
ORDERED = ("where_to_buy_now", "where_to_sell_now", "recent_transactions")
SPOT = ("binance", "spot")
PUBLISHED: Mapping[str, Sequence[Month]] = {
    "trades": [Month(*SPOT, "agg_trade", "BTC-USDT", 2026, 5), Month("bitso", "spot", "trade", "BTC-MXN", 2026, 4)],
    "minute_aggregates": [
        Month(*SPOT, "agg_trade", "BTC-USDT", 2026, 4),
        Month(*SPOT, "trade", "BTC-USDT", 2026, 5),
        Month("coinbase", "spot", "trade", "SOL-USD", 2026, 3),
    ],
    "klines": [Month(*SPOT, "1m", "BTC-USDT", 2026, 4)],
    **{name: sorted({warehouse.month_of(name, row) for row in ASKED[name]}) for name in IMPORTED},
}
CANDLE: Row = dict.fromkeys(TABLES["klines"].names) | {
    "venue": "binance",
    "market": "spot",
    "pair": "BTC-USDT",
    "year": 2026,
    "month": 4,
}
ROWS: Mapping[str, Sequence[Row]] = {
    **ASKED,
    "klines": [
        CANDLE | {"width": width, "open_time": moment(at), "close": 5, "trades": 7}
        for width in ("1m", "1h")
        for at in ("10:00:00", "11:00:00")
    ],
}
BIG = [
    Month(*SPOT, "agg_trade", f"COIN{number:03}-USDT", 2020 + month // 12, month % 12 + 1)
    for number, chance in ((number, Random(number)) for number in range(200))  # noqa: S311 - no secret
    for month in sorted(set(range(chance.randrange(60), 60)) - set(chance.sample(range(59), 3)))
]


@pytest.fixture(scope="module")
def folder(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the lake in it."""
    found = tmp_path_factory.mktemp("athena")
    warehouse.make(spark, found / "lake", ROWS, PUBLISHED)
    return found


@pytest.fixture(scope="module")
def engine(spark: SparkSession, folder: Path) -> Iterator[Trino]:
    """The lake on S3, cataloged by the job, the views made of the very statements that Athena is asked for."""
    for name in ("weed", "trino"):
        (folder / name).mkdir()
    with seaweedfs(folder / "weed") as s3, aws() as glue, known_to(spark, s3, s3.endpoint):
        s3.client().create_bucket(Bucket="lake")
        warehouse.upload(folder / "lake", s3, "lake", "data")
        place = {"path": "s3://lake/data", "endpoint": s3.endpoint, "region": REGION, "path_style": True}
        jobs = {"catalog": {"database": DATABASE, "endpoint": glue, "athena_output": "s3://lake/athena"}}
        conf = folder / "conf.yaml"
        conf.write_text(yaml.safe_dump({"lake": place, "ingest": {"collector": "test"}, "jobs": jobs}))
        assert catalog.main(["--conf", str(conf), "--views", str(HOME / "conf/views")]) == 0
        with trino(folder / "trino", s3, glue, DATABASE) as found:
            for statement in asked_of_athena(glue, DATABASE):
                found.rows(statement)
            yield found


@pytest.fixture(scope="module")
def oracle() -> Iterator[duckdb.DuckDBPyConnection]:
    """The same rows as plain tables of DuckDB, which knows nothing of halves, with the same views. Times as Trino and Athena have them."""
    rows = {name: [dict(zip(row, map(rounded, row.values()), strict=True)) for row in all_] for name, all_ in ROWS.items()}
    with in_duckdb(rows) as made:
        yield made


def rounded(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    """To milliseconds."""
    if not isinstance(value, datetime):
        return value
    later = value + timedelta(microseconds=500)
    return later.replace(microsecond=later.microsecond // 1000 * 1000)


def plain(rows: Sequence[Row]) -> list[Row]:
    """As Trino's client gives them: a time that has no zone is UTC's."""
    return [
        {name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows
    ]


@pytest.mark.parametrize("name", [*HISTORY, *VIEWS])
def test_trino_shows_what_duckdb_shows(engine: Trino, oracle: duckdb.DuckDBPyConnection, name: str):
    found, right = engine.rows(f"SELECT * FROM {name}"), plain(of_duckdb(oracle, name))  # noqa: S608 - ours
    assert right
    if name in IMPORTED:  # of plain parquet the folders come last
        found = [{column: row[column] for column in right[0]} for row in found]
    assert [list(row) for row in found[:1]] == [list(row) for row in right[:1]]
    if name not in ORDERED:
        found, right = sorted_rows(found), sorted_rows(right)
    assert found == right


@pytest.mark.parametrize("name", [name for name in TABLES if name not in joined()])
def test_every_delta_table_is_read_by_its_record(engine: Trino, name: str):
    rows = ROWS.get(name, ())
    found = engine.rows(f"SELECT * FROM {name}")  # noqa: S608 - ours
    if name == "published":
        assert {(row["dataset"], row["pair"], row["month"]) for row in found} == {
            (dataset, month.pair, month.month) for dataset, months in PUBLISHED.items() for month in months
        }
    else:
        assert len(found) == len(rows)
    types = engine.types(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608 - ours
    assert list(types) == TABLES[name].names
    told = {row["Column"]: row["Comment"] for row in engine.rows(f"DESCRIBE {name}")}
    assert all(told.values())


def test_both_halves_give_the_same_types_and_no_zone(engine: Trino):
    for name in joined():
        types = engine.types(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608 - ours
        kinds = {"STRING": "varchar", "INT": "integer", "TIMESTAMP": "timestamp(3)"}
        wanted = {column.name: kinds.get(column.type, column.type.lower().replace(",", ", ")) for column in TABLES[name].columns}
        assert types == wanted
    for name in VIEWS:
        types = engine.types(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608 - ours
        assert not [column for column, kind in types.items() if "zone" in kind], name


@pytest.mark.parametrize(("dataset", "month"), [("trades", 5), ("minute_aggregates", 4), ("klines", 4)])
def test_both_halves_read_only_the_folders_that_are_named(engine: Trino, dataset: str, month: int):
    question = f"SELECT * FROM {dataset} WHERE pair = 'BTC-USDT' AND year = 2026 AND month"  # noqa: S608 - ours
    plan = engine.explain(f"{question} = {month}")
    for half in (f"delta:{DATABASE}.{dataset}_live", f"hive:{DATABASE}:{dataset}_history"):
        (scan,) = (part for part in plan.split("Fragment") if f"table = {half}" in part)
        for column, value in (("pair", "BTC-USDT"), ("year", "2026"), ("month", str(month))):
            assert re.search(rf"{column}\w* := {column}:\w+:PARTITION_KEY\s+:: \[\[{value}\]\]", scan), scan
    # of a month without history nothing of that half
    assert "_history" not in engine.explain(f"{question} = 7")


def test_a_time_prunes_the_history(engine: Trino):
    plan = engine.explain("SELECT * FROM minute_aggregates WHERE minute >= TIMESTAMP '2026-05-01 00:00:00'")
    assert re.search(r"hive:ticks:minute_aggregates_history constraint on \[[^\]]*minute[^\]]*\]", plan)


def test_the_view_of_two_hundred_pairs_of_sixty_months_runs(engine: Trino):
    view = union("trades", [*BIG, *PUBLISHED["trades"]])._replace(name="big")
    statement = ddl.create_view(view, DATABASE)
    assert len(statement) < 100_000
    engine.rows(statement)
    assert sorted_rows(engine.rows("SELECT * FROM big")) == sorted_rows(engine.rows("SELECT * FROM trades"))


def test_the_examples_of_the_page_of_views_run(engine: Trino):
    for sql in re.findall(
        r"```sql\n(.*?)```", (HOME / "docs/views.md").read_text() + (HOME / "docs/readers.md").read_text(), re.DOTALL
    ):
        engine.rows(sql)


def test_a_month_that_is_withdrawn_is_read_live_again(engine: Trino):
    kept: Any = [month for month in PUBLISHED["trades"] if month.pair != "BTC-MXN"]
    engine.rows(ddl.create_view(union("trades", kept)._replace(name="fewer"), DATABASE))
    prices = {row["price"] for row in engine.rows("SELECT price FROM fewer WHERE pair = 'BTC-MXN'")}
    assert prices == {warehouse.WRONG}  # what lies in the live half of that month


def test_four_readers_answer_twelve_questions_alike(engine: Trino, spark: SparkSession, folder: Path):
    lake = folder / "lake"
    readers = {
        "Spark": spark_reads(spark, lake),
        "DuckDB": duckdb_reads(lake, PUBLISHED),
        "delta-rs": delta_rs_reads(lake, PUBLISHED),
    }
    for question, sql in QUESTIONS.items():
        right = alike(engine.rows(sql))
        assert right, question
        for name, ask in readers.items():
            assert alike(ask(sql)) == right, f"{name}: {question}"

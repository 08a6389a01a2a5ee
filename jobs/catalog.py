"""The catalog: every Delta table and the history in Glue, and the views on both by Athena."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

from ingest.settings import Catalog, Settings, SettingsError
from jobs.readers import ddl, records
from jobs.readers.athena import Athena
from jobs.readers.glue import client, glue, spoken
from jobs.readers.names import HISTORY, delta_name, history_name
from jobs.readers.told import Published, brought
from jobs.readers.views import FOLDER, View, in_order, read, unions
from jobs.runtime import cli
from jobs.runtime.frames import keys
from jobs.runtime.lake import Place
from jobs.runtime.lease import Lease, held
from jobs.runtime.live import snapshot
from jobs.runtime.session import session
from jobs.tables import TABLES
from jobs.tables.published import PUBLISHED
from jobs.tables.table import Table
from jobs.transforms.published import Month

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableInputTypeDef

JOB = "catalog"
DRY_RUN = "print the records and views as JSON, and change nothing"


def main(arguments: list[str] | None = None) -> int:
    """Catalog from the command line."""
    made = cli.parser(
        JOB,
        "Tell Glue of the tables, the history and its months, and Athena of the views: what is right there already stays as it is.",
        "./spark-submit.sh catalog --conf conf/local.yaml --dry-run",
    )
    how = made.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    how.add_argument(
        "--ddl", choices=("athena", "redshift"), help="print statements that a person may run instead, and change nothing"
    )
    made.add_argument("--views", type=Path, metavar="FOLDER", help=f"the views (default: {FOLDER}, beside --conf)")
    return cli.main(JOB, made, run, arguments)


def run(settings: Settings, where: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """What there is, told to whoever asks: a person, or Glue and Athena."""
    questions = read(chosen.views or chosen.conf.parent / FOLDER)
    is_shown = bool(chosen.dry_run or chosen.ddl)
    lake = settings.lake.path.rstrip("/")
    if not lake.startswith("s3://"):
        if not is_shown:
            right = "s3://bucket/prefix would be right; --dry-run and --ddl show it all the same"
            raise SettingsError(f"lake is {settings.lake.path}: Glue's tables lie in S3; {right}")
        lake = Path(where.root).as_uri()
    found = _found(session(settings.lake, JOB), where, lake, questions)
    if is_shown:
        return {
            "tables": len(found.tables),
            "views": len(found.views),
            "printed": _shown(found, settings.jobs.catalog, chosen.ddl),
        }
    with held(where.store, JOB, settings.jobs.lease.ttl) as lease:
        return _told(found, settings, lease)


@dataclass(frozen=True)
class Found:
    """What there is."""

    lake: str
    live: Sequence[Table]  # the Delta tables
    published: Published
    views: Sequence[View]
    left: Sequence[View]  # they read a table that is not there yet

    @property
    def tables(self) -> "list[TableInputTypeDef]":
        return records.tables(self.live, self.lake)


def _found(spark: SparkSession, where: Place, lake: str, questions: Sequence[View]) -> Found:
    live = [table for name, table in TABLES.items() if snapshot(spark, where.table(name)).version() >= 0]
    published = _published(spark, where) if PUBLISHED in live else {}
    names = {*map(delta_name, live), *map(history_name, HISTORY)}
    views, left = in_order([*unions(published, [table.name for table in live]), *questions], names)
    return Found(lake, live, published, views, left)


def _published(spark: SparkSession, where: Place) -> Published:
    """The months that are to be believed, a dataset."""
    rows = spark.read.format("delta").load(where.table(PUBLISHED.name)).select("dataset", *Month._fields)
    found: dict[str, list[Month]] = {}
    for dataset, *month in sorted(keys(rows)):
        found.setdefault(dataset, []).append(Month(*month))
    return found


def _shown(found: Found, settings: Catalog, dialect: str | None) -> str:
    if dialect == "athena":
        return ddl.text(ddl.athena(settings.database, found.lake, found.live, found.views, found.published))
    if dialect == "redshift":
        return ddl.text(ddl.redshift(settings.database, found.live, found.published))
    partitions = [
        {"table": history_name(dataset), **records.partition(dataset, found.lake, values)}
        for dataset in HISTORY
        for values in sorted(records.values(found.published.get(dataset, ())))
    ]
    views = [{"name": view.name, "statement": ddl.create_view(view, settings.database)} for view in found.views]
    told = {"database": settings.database, "tables": found.tables, "partitions": partitions, "views": views}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _told(found: Found, settings: Settings, lease: Lease) -> Mapping[str, Any]:
    """Glue, then Athena."""
    catalog = settings.jobs.catalog
    with spoken():
        there = glue(settings.lake, catalog)
        there.open()
        changed = sum(there.put(table) for table in found.tables)
        athena = Athena(client("athena", settings.lake, catalog), catalog.database, catalog.athena_output)
        added, dropped = brought(there, athena, found.published, found.views, lease.check)
    return {
        "tables": len(found.tables),
        "changed": changed,
        "partitions_added": added,
        "partitions_dropped": dropped,
        "views": len(found.views),
        "views_left_out": [view.name for view in found.left],
    }


if __name__ == "__main__":
    sys.exit(main())

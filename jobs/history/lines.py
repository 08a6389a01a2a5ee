"""Files of lines into history: pages that a venue gave over REST, ticks that were adopted. They are read as the stream reads lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ingest import landing
from ingest.exchanges import EXCHANGES
from ingest.settings import Epoch, Lake, Settings
from jobs.history import live
from jobs.history.files import OF_MONTH, File, Files, Month
from jobs.runtime import landed
from jobs.runtime.changes import At
from jobs.runtime.frames import frame, keys, told_by_workers
from jobs.runtime.lake import Place
from jobs.tables.quarantine import SEEN
from jobs.tables.trades import SAME, TRADES
from jobs.transforms import feeds
from jobs.transforms.fresh import ARRIVAL
from jobs.transforms.lines import Projection, items
from jobs.transforms.ranges import Mark, Range, Ranges

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.history.load import Loaded


MONTHS = "venue STRING, market STRING, feed STRING, pair STRING, year INT, month INT"
PUT = "venue STRING, market STRING, feed STRING, pair STRING, year BIGINT, month BIGINT, sha256 STRING, bytes BIGINT"
LONGEST = 10_000  # characters of a line that `rejects` keeps
DAYS = r"/(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)_"  # in the name of a file


@contextmanager
def loaded(
    spark: SparkSession, where: Place, settings: Settings, months: Sequence[Files], at: Mapping[str, At]
) -> "Iterator[tuple[list[Loaded], DataFrame | None]]":
    """Make the object of each month of its lines; or say why not, and leave what is there.

    What became of each, and the rows of `rejects`, but for the sha256 of the file and the time: to be read within the block.
    """
    from jobs.history.load import Loaded, verified  # noqa: PLC0415 - not every driver has Arrow

    files = {file.key: file for one in months for file in one.taken}
    seen = {one.file.key: one for one in told_by_workers(spark, partial(verified, settings.lake), list(files.values()))}
    done, good = list[Loaded](), list[Files]()
    for one in months:
        mine = [replace(seen[file.key], file=file) for file in one.taken]
        wrong = [f"{told.file.name}: {told.detail}" for told in mine if told.verdict != "loaded"]
        if wrong:
            done.append(Loaded(one.month, "refused", "; ".join(wrong), mine))
        else:
            good.append(one)
    if not good:
        yield done, None
        return
    read = _read(spark, where, sorted({file.key for one in good for file in one.taken}), settings.ingest.epochs)
    judged = _judged(read, [one.month for one in good]).persist()
    try:
        rows = judged.where("reason IS NULL")
        lost, found = live.lacking(spark, where, at, rows, [one.month for one in good]), _found(judged, good)
        published = [one.month for one in good if one.month not in lost]
        put = {month: object_ for month, *object_ in _put(rows, settings.lake, published)} if published else {}
        for one in good:
            told = found[one.month]
            mine = [replace(seen[file.key], file=file, told=told.files[file.key]) for file in one.taken]
            if one.month in lost:
                done.append(Loaded(one.month, "refused_worse_than_live", lost[one.month], mine, told))
            else:
                done.append(Loaded(one.month, "published", "", mine, told, *put.get(one.month, ("", 0))))
        yield done, _rejects(judged)
    finally:
        judged.unpersist()


def _read(spark: SparkSession, where: Place, objects: Sequence[str], epochs: Sequence[Epoch]) -> DataFrame:
    """All items, each with the month that it is of."""
    lines = landed.lines(spark.read, where.root, landed.paths(where.root, objects))
    told = items(lines, Projection(EXCHANGES, epochs)).where(~F.col("control"))
    return told.withColumns({"year": F.year("ts"), "month": F.month("ts")})


def _judged(told: DataFrame, months: Sequence[Month]) -> DataFrame:
    """The items of these months, with the reason why one is none of history.

    A file may have days of a month that is not made now: that one's items are left out. One of no day of its file is told. Of copies the
    first one counts, another one is a duplicate or a conflict.
    """
    wanted = frame(told.sparkSession, [(*month.values, True) for month in months], f"{MONTHS}, is_wanted BOOLEAN")
    day, (first_day, last_day) = F.to_date("ts"), (F.to_date(F.regexp_extract("object", DAYS, place)) for place in (1, 2))
    is_elsewhere = F.coalesce(~day.between(first_day, last_day), F.lit(False))
    known = told.join(F.broadcast(wanted), on=list(OF_MONTH), how="left").withColumn(
        "reason", F.coalesce("reason", F.when(is_elsewhere, "ts"))
    )
    base = known.where("is_wanted OR reason IS NOT NULL")
    of_trade = Window.partitionBy(*OF_MONTH, "trade_id").orderBy(F.col("reason").isNotNull(), *ARRIVAL)
    first = base.withColumns({"place": F.row_number().over(of_trade), **{f"{n}_1": F.first(n).over(of_trade) for n in SAME}})
    is_same: Column = F.lit(True)
    for name in SAME:
        is_same = is_same & F.col(name).eqNullSafe(F.col(f"{name}_1"))
    again = F.when(F.col("place") > 1, F.when(is_same, "duplicate").otherwise("conflict"))
    return first.withColumn("reason", F.coalesce("reason", again)).drop("place", *(f"{name}_1" for name in SAME))


def _found(judged: DataFrame, months: Sequence[Files]) -> Mapping[Month, Any]:
    """What the rows of each month were."""
    from jobs.history.month import Found, Told  # noqa: PLC0415 - not every driver has Arrow

    dense = feeds.dense(EXCHANGES)
    found = {}
    for one in months:
        kind = one.month.feed.partition(".")[0]
        is_dense = dense[one.month.venue, one.month.market, kind]
        found[one.month] = Found(is_dense=is_dense, files={file.key: Told() for file in one.taken})
    told = judged.groupBy(*OF_MONTH, "object").agg(
        F.count_if(F.col("reason").isNull()).alias("rows"),
        F.count_if(F.col("reason") == "duplicate").alias("duplicates"),
        F.count_if(F.col("reason").isNotNull() & (F.col("reason") != "duplicate")).alias("rejects"),
        F.min(F.when(F.col("reason").isNull(), F.col("trade_id"))).alias("low"),
        F.max(F.when(F.col("reason").isNull(), F.col("trade_id"))).alias("high"),
    )
    for row in keys(told):
        month = _month(row)
        if month in found and row["object"] in found[month].files:
            mine = found[month]
            mine.files[row["object"]] = Told(row["rows"], row["low"], row["high"], row["rejects"])
            mine.rows, mine.duplicates = mine.rows + row["rows"], mine.duplicates + row["duplicates"]
    for month, runs in _runs(judged).items():
        if month in found:
            marks = [mark for run in runs.all for mark in (run.first, run.last) if mark]
            found[month].first_id, found[month].last_id = (min(marks).id, max(marks).id) if marks else (None, None)
            found[month].runs = runs if found[month].is_dense else Ranges()
    return found


def _runs(judged: DataFrame) -> Mapping[Month, Ranges]:
    """The ids without a break, of trades and of what the venue gave to nothing."""
    is_trade = F.col("reason").isNull()
    seen = judged.where(is_trade | F.col("reason").isin(*SEEN)).where("trade_id IS NOT NULL AND year IS NOT NULL")
    ids = seen.groupBy(*OF_MONTH, "trade_id").agg(F.min(F.when(is_trade, F.unix_micros("ts"))).alias("at"))
    place = F.row_number().over(Window.partitionBy(*OF_MONTH).orderBy("trade_id"))
    of_trade = F.when(F.col("at").isNotNull(), F.struct(F.col("trade_id").alias("id"), "at"))
    runs = ids.select(*OF_MONTH, "trade_id", of_trade.alias("mark"), (F.col("trade_id") - place).alias("run"))
    found: dict[Month, Ranges] = {}
    ends = (
        F.min("trade_id").alias("low"),
        F.max("trade_id").alias("high"),
        F.min("mark").alias("first"),
        F.max("mark").alias("last"),
    )
    for row in keys(runs.groupBy(*OF_MONTH, "run").agg(*ends).orderBy("low")):
        marks = (Mark(one["id"], one["at"]) if one else None for one in (row["first"], row["last"]))
        found.setdefault(_month(row), Ranges()).add(Range(row["low"], row["high"], *marks))
    return found


def _rejects(judged: DataFrame) -> DataFrame:
    """The rows of `rejects`, but for the sha256 of the file and the time."""
    bad = judged.where("reason IS NOT NULL AND reason <> 'duplicate'")
    id_ = F.when(F.col("reason").isin(*SEEN), F.col("trade_id")).alias("trade_id")
    line = F.coalesce("seq", F.lit(0)).alias("line")
    kept = F.substring("raw", 1, LONGEST).alias("raw")
    return bad.select("object", line, "item", *OF_MONTH[:4], id_, "reason", kept).dropDuplicates(["object", "line", "item"])


def _put(rows: DataFrame, lake: Lake, months: Sequence[Month]) -> Iterator[tuple[Month, str, int]]:
    """Each month as one object, by a worker, sorted by time and id."""
    mine = frame(rows.sparkSession, [month.values for month in months], MONTHS)
    columns = [column.name for column in TRADES.columns]
    chosen = rows.join(F.broadcast(mine), on=list(OF_MONTH), how="left_semi").select(*columns)
    ordered = chosen.repartition(*OF_MONTH).sortWithinPartitions(*OF_MONTH, "ts", "trade_id")
    for row in keys(ordered.mapInArrow(_putter(lake), PUT)):
        yield _month(row), row["sha256"], row["bytes"]


def _putter(lake: Lake) -> Callable[[Iterable["pa.RecordBatch"]], Iterable["pa.RecordBatch"]]:
    def work(batches: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa  # noqa: PLC0415 - not every driver has it

        from jobs.history.columns import TRADE_SCHEMA  # noqa: PLC0415 - see above
        from jobs.history.load import sha256_of  # noqa: PLC0415 - see above
        from jobs.history.month import Writer, cut  # noqa: PLC0415 - see above

        store = landing.store(lake)
        with TemporaryDirectory(dir=gettempdir()) as folder:
            into = Path(folder) / "month.parquet"
            for key, tables in cut(batches, OF_MONTH):
                with Writer(into) as writer:
                    for table in tables:
                        writer.write(table.select(TRADE_SCHEMA.names).cast(TRADE_SCHEMA))
                store.put(Month(TRADES.name, *key).key, into)
                told = {"sha256": sha256_of(into), "bytes": into.stat().st_size}
                yield from pa.Table.from_pylist([{**dict(zip(OF_MONTH, key, strict=True)), **told}]).to_batches()

    return work


def _month(row: Any) -> Month:  # noqa: ANN401 - a row of a query
    return Month(TRADES.name, *(row[name] for name in OF_MONTH))


def is_lines(file: File) -> bool:
    """Does it hold lines as the landing zone has them?"""
    return file.period == "lines"

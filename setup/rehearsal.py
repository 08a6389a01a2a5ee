"""A small run of all that our jobs ask of Spark, so that the class-data archive holds the classes they load."""

import gzip
import sys
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F

MINUTE = "pair STRING, year INT, minute TIMESTAMP, volume DECIMAL(30,8), trades BIGINT"
LINE = "pair STRING, recv_ns BIGINT, raw STRUCT<t: BIGINT, p: STRING, q: STRING, m: BOOLEAN>, raw_text STRING"
ROW = '{"pair":"BTC-USDT","recv_ns":1731000000000000000,"raw":{"t":%d,"p":"1.5","q":"2","m":true}}\n'


def main(folder: Path) -> None:
    """Stream two objects into two Delta tables: append, then merge."""
    spark = SparkSession.builder.appName("rehearsal").getOrCreate()
    trades, minutes = f"{folder}/trades", f"{folder}/minutes"
    spark.sql(f"CREATE TABLE delta.`{minutes}` ({MINUTE}) USING delta PARTITIONED BY (pair, year)")
    for part in range(2):
        source = folder / "landing" / f"dt=2026-11-2{part}"
        source.mkdir(parents=True)
        (source / "a.jsonl.gz").write_bytes(gzip.compress("".join(ROW % (part * 5 + n) for n in range(9)).encode()))

    def batch(frame: DataFrame, _: int) -> None:
        of_text = frame.sparkSession.read.text(f"{folder}/landing/*").select(
            F.from_json("value", LINE).alias("line"), "_metadata.file_path"
        )
        typed(of_text.select("line.*", "file_path")).where("quantity > price").persist().count()
        rows = typed(frame).persist()
        seen = Observation()
        rows.observe(seen, F.count("trade_id").alias("rows"), F.collect_set("object").alias("objects")).write.format(
            "delta"
        ).mode("append").partitionBy("pair", "year").save(trades)
        per_minute(rows).createOrReplaceGlobalTempView("minutes")
        frame.sparkSession.sql(
            f"MERGE INTO delta.`{minutes}` old USING global_temp.minutes new "
            "ON old.pair = new.pair AND old.minute = new.minute AND old.pair IN ('BTC-USDT') "
            "WHEN MATCHED AND old.trades <> new.trades THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        rows.unpersist()

    lines = spark.readStream.option("maxFilesPerTrigger", 1).schema(LINE).json(f"{folder}/landing/*")
    stream = lines.select("*", "_metadata.file_path")
    query = stream.writeStream.foreachBatch(batch).option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True)
    query.start().awaitTermination()
    spark.sql(f"DESCRIBE HISTORY delta.`{minutes}`").collect()
    spark.read.format("delta").load(trades).where("pair = 'BTC-USDT'").orderBy("trade_id").collect()
    spark.stop()


def typed(lines: DataFrame) -> DataFrame:
    """Lines as typed rows."""
    return lines.select("pair", "recv_ns", "raw.*", F.col("file_path").alias("object")).select(
        "pair",
        F.year(F.timestamp_micros((F.col("recv_ns") / 1000).cast("bigint"))).alias("year"),
        F.timestamp_micros((F.col("recv_ns") / 1000).cast("bigint")).alias("ts"),
        F.col("t").alias("trade_id"),
        F.expr("try_cast(p AS DECIMAL(20,10))").alias("price"),
        F.expr("try_cast(q AS DECIMAL(22,8))").alias("quantity"),
        F.when(F.col("m"), "sell").otherwise("buy").alias("taker_side"),
        F.lag("t").over(_by_id()).alias("before"),
        "object",
    )


def _by_id() -> WindowSpec:
    return Window.partitionBy("pair").orderBy("t")


def per_minute(rows: DataFrame) -> DataFrame:
    """Rows as minutes."""
    return (
        rows.groupBy("pair", "year", F.date_trunc("minute", "ts").alias("minute"))
        .agg(F.sum("quantity").alias("volume"), F.count("*").alias("trades"), F.max_by("price", "trade_id").alias("close"))
        .select("pair", "year", "minute", "volume", "trades")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

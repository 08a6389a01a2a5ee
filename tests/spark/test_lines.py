"""Landing lines to items: what each venue's frames mean, and where each broken one ends. Whole rows; one Spark job for all."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from ingest.exchanges.exchange import Exchange
from jobs.tables.quarantine import REASONS, SEEN
from jobs.transforms import fresh
from jobs.transforms.lines import TRADE, Projection, items, quick_items, with_numbers
from tests.support import wire
from tests.support.cases import CASES, EMPTY, GOOD, ODD, Columns, frame, line
from tests.support.readings import Row
from tests.support.tables import rows_of

# reasons that no line of trades has by itself
ELSEWHERE = {"conflict", "id_reset", "object_corrupt", "levels", "event", "kline", "instruments"}


def key(name: str) -> str:
    return f"landing/channel=trades/{name}"


def of_frames(exchange: Exchange) -> dict[str, tuple[str, list[tuple[str, Row]]]]:
    """The trade frames of an exchange as landing lines, each with its pair and its rows; then responses and rows of dumps."""
    pairs = {feed.stream(pair): pair for feed in {**exchange.feeds, **exchange.recorded}.values() for pair in ALL_PAIRS}
    found = {}
    origin = {"venue": exchange.venue, "market": exchange.market}
    for number, text in wire.frames(exchange).items():
        seen = exchange.recognise(json.loads(text))
        if seen.kind in ("trade", "agg_trade"):
            raw = line(text, kind=seen.kind, pair=pairs[seen.stream or ""], **origin)
            found[f"{exchange.name} frame {number}"] = raw, wire.trades(exchange).get(number, [])
    for number, (text, rows) in enumerate(wire.others(exchange)):
        raw = line(text.raw, kind=text.kind, source=text.source, pair="BTC-USDT", **origin)
        found[f"{exchange.name} other {number}"] = raw, [("BTC-USDT", row) for row in rows]
    return found


ALL_PAIRS = {pair for exchange in EXCHANGES.values() for rows in wire.trades(exchange).values() for pair, _ in rows} | {"ETH-MXN"}
FRAMES = {name: told for exchange in EXCHANGES.values() for name, told in of_frames(exchange).items()}


def as_frames(spark: SparkSession, lines: Mapping[str, str], folder: Path) -> DataFrame:
    """A file each, as the reader of JSON sees it; `object` is the line's name."""
    for number, text in enumerate(lines.values()):
        (folder / f"{number}.jsonl").write_text(f"{text}\n", encoding="utf-8")
    read = spark.read.schema(Projection(EXCHANGES).schema).option("lineSep", "\n").json(str(folder))
    name = F.element_at(F.array(*map(F.lit, lines)), F.regexp_extract("_metadata.file_name", r"(\d+)", 1).cast("INT") + 1)
    return read.select("*", name.alias("object"))


def as_frame(spark: SparkSession, lines: Mapping[str, str]) -> DataFrame:
    return spark.createDataFrame([(text, key(name)) for name, text in lines.items()], "value STRING, object STRING")


@pytest.fixture(scope="module")
def read(spark: SparkSession) -> Mapping[str, list[Columns]]:
    """The items of all lines, by name."""
    lines = {name: told[0] for name, told in (*CASES.items(), *FRAMES.items())}
    found: dict[str, list[Columns]] = {name: [] for name in lines}
    for row in rows_of(items(as_frame(spark, lines), Projection(EXCHANGES))):
        name = row.pop("object").removeprefix(key(""))
        assert row.pop("raw") == lines[name]
        assert row.pop("counted") or row["item"] > 0
        found[name].append(row)
    return {name: sorted(rows, key=lambda row: row["item"]) for name, rows in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_line_is_an_item_or_has_a_reason(read: Mapping[str, list[Columns]], name: str):
    assert read[name] == [GOOD | CASES[name][1]]


def test_every_reason_that_a_line_can_have_is_shown():
    assert {differs.get("reason") for _, differs in CASES.values()} - {None} == REASONS.keys() - ELSEWHERE


@pytest.mark.parametrize("name", FRAMES)
def test_what_the_venues_send_means_its_rows(read: Mapping[str, list[Columns]], name: str):
    _, rows = FRAMES[name]
    found = read[name]
    if not rows:  # a frame without a trade in it
        assert [row["control"] for row in found] == [True]
    for row, (pair, expected) in zip(found if rows else [], rows, strict=True):
        told = asdict(expected) | {"pair": pair}
        compared = (
            told if expected.reason is None else {column: told[column] for column in ("trade_id", "reason", "pair", "feed")}
        )
        assert {column: row[column] for column in compared} == compared


def test_the_quick_reading_takes_nothing_but_what_the_whole_one_takes(
    spark: SparkSession, read: Mapping[str, list[Columns]], tmp_path: Path
):
    """It may leave things to the whole one, but no frame in the documented shape."""
    texts = {name: told[0] for name, told in (*CASES.items(), *FRAMES.items())}
    of_trades = (*(name for name in TRADE if name != "channel"), "dense")
    found: dict[str, list[Columns]] = {name: [] for name in texts}
    for row in rows_of(with_numbers(quick_items(as_frames(spark, texts, tmp_path), Projection(EXCHANGES)))):
        name = row["object"]
        if row["sound"] and not row["control"]:
            found[name].append({column: row[column] for column in of_trades})
        if row["void"] or row["control"]:
            assert [(whole["reason"] in SEEN, whole["control"]) for whole in read[name]] == [(row["void"], row["control"])], name
    for name, rows in read.items():
        trades = [row | {"object": name} for row in rows if row["reason"] is None and not row["control"]]
        taken = [{column: row[column] for column in of_trades} for row in trades]
        is_frame = name in FRAMES and {row["source"] for row in rows} == {"ws"}
        assert found[name] == taken or (found[name] == [] and not is_frame), name
    assert [len(found[name]) for name in ("the greatest price", "the greatest amount")] == [1, 1], "wide numbers travel, too"


def test_both_readings_tell_the_same_lines_apart(spark: SparkSession, read: Mapping[str, list[Columns]], tmp_path: Path):
    """Else an item would be lost between them, in silence."""
    odd = {text: text for text in (*EMPTY, *ODD)}
    texts = {name: told[0] for name, told in (*CASES.items(), *FRAMES.items())} | odd
    quick = rows_of(quick_items(as_frames(spark, texts, tmp_path), Projection(EXCHANGES)))
    found = Counter(row["object"] for row in quick if row["item"] == 0)
    whole = rows_of(items(as_frame(spark, odd), Projection(EXCHANGES)))
    counted = Counter(row["object"].removeprefix(key("")) for row in whole if row["item"] == 0)
    assert found == dict.fromkeys(read, 1) | counted
    assert not counted.keys() & set(EMPTY)
    sound = Counter(row["object"] for row in quick if row["sound"] and row["object"] in odd)
    fine = Counter(row["object"].removeprefix(key("")) for row in whole if row["reason"] is None)
    assert sound == fine


def test_bytes_that_are_no_utf8_are_no_envelope_for_either_reading(spark: SparkSession, tmp_path: Path):
    of_two_trades = next(text for text, rows in FRAMES.values() if len(rows) > 1 and '"source":"ws"' in text)
    (tmp_path / "0.jsonl").write_bytes(of_two_trades.encode().replace(b'"conn":"', b'"conn":"\xff') + b"\n")
    frames = spark.read.schema(Projection(EXCHANGES).schema).json(str(tmp_path)).select("*", F.lit("a").alias("object"))
    lines = spark.read.text(str(tmp_path)).select("value", F.lit("a").alias("object"))
    quick = rows_of(quick_items(frames, Projection(EXCHANGES)))
    whole = rows_of(items(lines, Projection(EXCHANGES)))
    assert [(row["sound"], row["item"]) for row in quick] == [(False, 0)]
    assert [(row["reason"], row["item"]) for row in whole] == [("not_envelope", 0)]


def test_a_batch_reads_its_frames_in_one_place(spark: SparkSession, tmp_path: Path):
    """Rules look at parsed columns, and Spark is tempted to push them below the parsing, and to parse again for them."""
    classed = fresh.quickly_classified(quick_items(as_frames(spark, {"a": frame()}, tmp_path), Projection(EXCHANGES)), None)
    copies = fresh.first_copies(classed).observe(Observation(), *fresh.batch_counts())
    plan = fresh.trade_rows(with_numbers(copies.where(fresh.is_fresh())))._jdf.queryExecution().executedPlan().toString()
    assert (plan.count("FileScan json"), plan.count("from_json")) == (1, 0)

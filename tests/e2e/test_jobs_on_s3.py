"""Every job over a lake on a real S3: the same tables as over the same objects in a folder."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from ingest import landing
from ingest.settings import Lake
from jobs import bars, compact, export, fills, gaps, quality, rebuild, reconcile, stream, upkeep
from jobs.exports.layouts import LAYOUTS
from jobs.tables import TABLES
from tests.support.lines import Collector, landed
from tests.support.quality import SUITES
from tests.support.seaweedfs import REGION, S3, known_to, seaweedfs
from tests.support.stories import interpret
from tests.support.tables import rows_of

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("signals"), pytest.mark.timeout(1800)]
WHEN = ("updated_at", "detected_at", "closed_at", "checked_at")  # of what is written, it tells of the run
# job, options, exit code: a gap is open, a candle is not what we have, and nothing came for long
STEPS: Sequence[tuple[Callable[..., int], Sequence[str], int]] = (
    (stream.main, ["--once"], 0),
    (gaps.main, [], 3),
    (reconcile.main, [], 3),
    (bars.main, [], 0),
    (fills.main, [], 0),
    (stream.main, ["--once"], 0),
    (upkeep.main, [], 0),
    (gaps.main, [], 0),
    (reconcile.main, [], 0),
    (bars.main, [], 0),
    (quality.main, ["--expectations", str(SUITES)], 3),
    *((export.main, ["--layout", name], 0) for name in LAYOUTS),
    (rebuild.main, ["--table", "trades"], 0),
    (rebuild.main, ["--quarantine"], 0),
    (compact.main, [], 3),
)
LATER = 5  # the step before which the second part lands: what was missing
# of history: when it was made, and what follows of when its files came
OF_FILES = ("loaded_at", "published_at", "bytes", "made_with")


def files() -> Mapping[str, bytes]:
    """Of the inbox: a month's in order but for a row, and of the next month one that is not its checksum."""
    found = {}
    at, below = 1772323200000, "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades"
    for day, text in (
        ("2026-03-01", f"1,111.5,2,1,2,{at},True,True\n2,0,0,3,3,{at},True,True\n3,7,1,4,4,{at + 1},False,True\n"),
        ("2026-04-01", "what?\n"),
    ):
        name = f"{below}-{day}.csv"
        sha256 = hashlib.sha256(text.encode()).hexdigest() if text[0] == "1" else "0" * 64
        found[name] = text.encode()
        found[f"{name}.CHECKSUM"] = f"{sha256}  {name.rpartition('/')[2]}\n".encode()
    return found


def objects() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """Of all channels; and what closes the hole."""
    one, late = Collector("one"), Collector("late")
    times = {id_: f"10:{id_ // 4:02}:{id_ % 4 * 15:02}" for id_ in range(1, 24)}
    trades = [one.aggregate(id_, at, f"{100 + id_}.5") for id_, at in times.items() if id_ != 9]
    first = dict(
        [
            landed([*trades, b"half a line\n"]),
            landed([one.bitso([5, 9], "10:00:00")], venue="bitso"),
            landed([one.book("100"), one.book("101", "10:00:10")], channel="books"),
            landed([one.event("start"), one.listing("BTC", "ETH")], channel="events"),
            landed([one.candle("10:01:00")], channel="klines"),
            landed([one.book("1", channel="diffs")], channel="diffs"),
        ]
    )
    return first, dict([landed([late.aggregate(9, times[9], "109.5")])])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[S3]:
    """Whose keys this process and its JVM know."""
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found, known_to(spark, found, found.endpoint):
        found.client().create_bucket(Bucket="lake")
        yield found


def run(folder: Path, lake: Lake) -> list[int]:
    """All steps; their exit codes."""
    folder.mkdir()
    told = {"path": lake.path, "endpoint": lake.endpoint, "region": lake.region, "path_style": lake.path_style}
    conf = folder / "conf.yaml"
    conf.write_text(
        yaml.safe_dump({"lake": {key: value for key, value in told.items() if value}, "ingest": {"collector": "test"}})
    )
    store, (first, second) = landing.store(lake), objects()
    codes = []
    for number, (job, options, _) in enumerate(STEPS):
        for key, data in {0: first, LATER: second, len(STEPS) - 1: files()}.get(number, {}).items():
            assert store.create(key, data)
        codes.append(job(["--conf", str(conf), "--run", f"{number}", *options]))
    return codes


def tables(spark: SparkSession, root: str) -> Mapping[str, list[str]]:
    """Whole rows, but for when they were written."""
    found = {}
    for name in TABLES:
        rows = rows_of(spark.read.format("delta").load(f"{root}/tables/{name}"))
        left = (*WHEN, *OF_FILES, *(("sha256", "sources") if name == "published" else ()))
        found[name] = sorted(repr({key: value for key, value in row.items() if key not in left}) for row in rows)
    return found


def test_every_job_makes_the_same_tables_on_s3(spark: SparkSession, s3: S3, tmp_path: Path):
    interpret(spark)
    on_s3 = Lake("s3://lake/ticks", endpoint=s3.endpoint, region=REGION, path_style=True)
    on_files = Lake(str(tmp_path / "lake"))
    expected = [code for *_, code in STEPS]
    assert run(tmp_path / "one", on_files) == expected
    assert run(tmp_path / "two", on_s3) == expected
    there, here = tables(spark, on_s3.path), tables(spark, on_files.path)
    assert there == here
    assert {name for name, rows in here.items() if not rows} == set(), "each table has something to compare"
    exported = [_exported(landing.store(lake)) for lake in (on_s3, on_files)]
    assert exported[0] == exported[1]
    assert {name.split("/")[1] for name in exported[0]} == set(LAYOUTS)
    archived = [sorted(landing.store(lake).keys("archive/")) for lake in (on_s3, on_files)]
    assert archived[0] == archived[1] != []


def _exported(store: landing.Store) -> Mapping[str, bytes | None]:
    """The names, less what their content makes of them: it tells when rows were written. Of text all of it."""
    found = {}
    for name in store.keys("exports/"):
        there = store.get(name)
        found[re.sub(r"\.[0-9a-f]{12}\.", ".*.", name)] = there[0] if there and name.endswith(".csv") else None
    return found

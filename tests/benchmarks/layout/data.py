"""The same months of trades twice: as `compact` writes them, and as a job leaves them that takes no care."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingest import landing
from jobs.history import files
from jobs.history.load import Task, load
from jobs.transforms.published import Month
from tests.benchmarks.history.data import Inbox

OURS, NAIVE = "ours", "naive"
LAYOUTS = (OURS, NAIVE)
FORMAT = 1  # of what is kept: another one when the same rows give other files
FILES = 8  # that as many tasks leave of a month
SEED = 20250101
TRADES = "history/trades"


@dataclass(frozen=True)
class Size:
    """What a layout comes to."""

    files: int
    groups: int  # of rows
    bytes: int


@dataclass(frozen=True)
class Lakes:
    """Both layouts: in each lake the same folders below history/trades."""

    folders: Mapping[str, Path]  # of the lakes, by layout
    months: Sequence[Month]

    def sizes(self) -> dict[str, Size]:
        return {layout: size(lake / TRADES) for layout, lake in self.folders.items()}


def lakes(inbox: Inbox, folder: Path) -> Lakes:
    """Ours is made anew, by the code as it is now; the other one is kept beside the files that the rows come from."""
    lake = inbox.lake(folder)
    months = history(lake)
    return Lakes({OURS: lake, NAIVE: naive(inbox, lake)}, months)


def history(lake: Path) -> list[Month]:
    """What the job makes of the inbox, by what its workers do, without Spark."""
    store = landing.Files(lake)
    found = files.inbox(store.keys(files.ROOT))
    for month, asked in found.months.items():
        loaded = load(Task(asked), store, lake)
        if (loaded.verdict, loaded.rejected) != ("published", 0):
            raise AssertionError(f"{month.key}: {loaded.verdict} {loaded.detail}, {loaded.rejected} rows rejected")
    return [Month(*month.values) for month in found.months]


def naive(inbox: Inbox, ours: Path) -> Path:
    """Rows in no order, in several files a month, written as pyarrow does where it is told nothing, times as Spark has them."""
    lake = inbox.root / f"naive-{FORMAT}"
    if not lake.exists():
        part = Path(tempfile.mkdtemp(dir=inbox.root, prefix="part-"))
        try:
            for path in sorted((ours / TRADES).rglob("*.parquet")):
                place = part / path.relative_to(ours).parent
                place.mkdir(parents=True)
                scatter(pq.ParquetFile(path).read(), place)
            part.rename(lake)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return lake


def scatter(rows: pa.Table, folder: Path) -> None:
    """The rows of a month, each in a place that chance gives it: so they lie where many tasks append what they happen to have."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    for number, places in enumerate(np.array_split(order, FILES)):
        pq.write_table(rows.take(pa.array(places)), folder / f"part-{number:05}.parquet", use_deprecated_int96_timestamps=True)


def size(folder: Path) -> Size:
    """Of all files below."""
    paths = sorted(folder.rglob("*.parquet"))
    groups = sum(pq.ParquetFile(path).metadata.num_row_groups for path in paths)
    return Size(len(paths), groups, sum(path.stat().st_size for path in paths))

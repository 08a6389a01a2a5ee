"""Published months of a made-up market: CSVs of aggregates with their checksums, as an inbox has them; made once, kept in .cache."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import duckdb

HOME = Path(__file__).resolve().parents[3]
CACHE = HOME / ".cache" / "benchmarks"
FORMAT = 1  # of what is kept: another one when the same parameters give other files
# (base, quote, price in hundredths, share of the rows): a market's pairs are never equally busy
PAIRS = (
    ("BTC", "USDT", 9_412_300, 0.4),
    ("ETH", "USDT", 331_250, 0.3),
    ("SOL", "USDT", 19_840, 0.2),
    ("XRP", "USDT", 23_110, 0.1),
)
MONTHS = ((2025, 1), (2025, 2), (2025, 3))  # the last one only ends the second
FIRST_ID = 3_100_000_000  # ten digits, as they have by now
ROWS = """
    SELECT
        {first} + i,
        (({price} + (hash(i) % 20011)::BIGINT)::DECIMAL(16, 0) * 0.01::DECIMAL(3, 2))::DECIMAL(18, 8),
        ((1 + hash(i + 1) % 250007)::DECIMAL(12, 0) * 0.00001::DECIMAL(6, 5))::DECIMAL(18, 8),
        2 * ({first} + i), 2 * ({first} + i) + 1,
        {start} + i * {step} + (hash(i + 2) % {step})::BIGINT,
        CASE WHEN hash(i + 3) % 2 = 0 THEN 'True' ELSE 'False' END, 'True'
    FROM range({rows}) AS made(i)
"""


@dataclass(frozen=True)
class Published:
    """A file of the inbox."""

    key: str
    sha256: str
    base: str
    quote: str
    year: int
    month: int
    first: int  # the least id; the others follow one by one
    rows: int
    bytes: int

    @property
    def pair(self) -> str:
        return f"{self.base}-{self.quote}"

    @property
    def place(self) -> str:
        """Where history has it."""
        return f"pair={self.pair}/year={self.year}/month={self.month}"


@dataclass(frozen=True)
class Inbox:
    """Where they are: keys are below the root."""

    root: Path
    files: Sequence[Published]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def lake(self, folder: Path) -> Path:
        """A new lake with them in its inbox, the same files under other names."""
        shutil.rmtree(folder, ignore_errors=True)
        for file in self.files:
            for key in (file.key, f"{file.key}.CHECKSUM"):
                target = folder / key
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(self.root / key, target)
        return folder


def inbox(rows: int) -> Inbox:
    """About so many rows, from the cache."""
    folder = CACHE / f"history-{FORMAT}-{rows}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=CACHE, prefix="part-"))
        try:
            made = [asdict(file) for file in _files(part, rows)]
            (part / "files.json").write_text(json.dumps(made), encoding="utf-8")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return read(folder)


def read(folder: Path) -> Inbox:
    """What is there."""
    told = json.loads((folder / "files.json").read_text(encoding="utf-8"))
    return Inbox(folder, [Published(**file) for file in told])


def _files(folder: Path, rows: int) -> Iterator[Published]:
    connection = duckdb.connect(config={"threads": 2})
    for base, quote, price, share in PAIRS:
        first, each = FIRST_ID, max(1, round(rows * share / 2))
        for (year, month), after in pairwise(MONTHS):
            start, end = _microseconds(year, month), _microseconds(*after)
            key = f"inbox/binance/spot/monthly/aggTrades/{base}{quote}/{base}{quote}-aggTrades-{year}-{month:02}.csv"
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            made = ROWS.format(first=first, price=price, start=start, step=(end - start) // each, rows=each)
            connection.execute(f"COPY ({made}) TO '{path}' (FORMAT csv, HEADER false)")
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            Path(f"{path}.CHECKSUM").write_text(f"{found}  {path.name}\n", encoding="utf-8")
            yield Published(key, found, base, quote, year, month, first, each, path.stat().st_size)
            first += each


def _microseconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000

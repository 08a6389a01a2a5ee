"""The benchmark of the layout: who is asked what, in which order, and whether all answer alike."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.history.data import CACHE, Inbox, inbox
from tests.benchmarks.layout.data import LAYOUTS, Lakes, Size, lakes
from tests.benchmarks.layout.engines import athena, duck
from tests.benchmarks.layout.questions import PAIR, QUESTIONS, place
from tests.benchmarks.layout.reading import Ask, Found, Reading, Rows
from tests.benchmarks.layout.report import ENGINES
from tests.benchmarks.runs import tell


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    rows: int = 6_000_000
    repeats: int = 3  # that count, after one that does not


SMOKE = Sizes(rows=200_000, repeats=1)  # for the test


class Bench:
    """A run: the answers that are right, and what has been measured so far."""

    def __init__(self, sizes: Sizes, files: Inbox) -> None:
        self.sizes, self.rows = sizes, files.rows
        self.month = next(file for file in files.files if file.pair == PAIR)
        self.answers: dict[str, Rows] = {}  # by the SQL
        self.found: Found = {}
        self.layouts: dict[str, Size] = {}

    def measure(self, engine: str, ask: Ask) -> None:
        """Each question of each layout, in turns, forth and back; the first round only warms up."""
        for number in range(1 + self.sizes.repeats):
            where = place(number, self.month.first, self.month.rows)
            for name, question in QUESTIONS.items():
                sql = question.sql.format_map(where._asdict())
                for layout in LAYOUTS[:: -1 if number % 2 else 1]:
                    reading = ask(layout, sql)
                    self.check(f"{engine}, {layout}: {name}", sql, reading)
                    if number:
                        self.found.setdefault((engine, name, layout), []).append(reading)
                    tell(f"{engine} {name} {layout} {number}: {reading.seconds * 1000:.0f} ms, {reading.bytes:,} bytes")

    def check(self, who: str, sql: str, reading: Reading) -> None:
        """The first answer is right where all others are the same."""
        right = self.answers.setdefault(sql, reading.rows)
        if not right or reading.rows != right:
            raise AssertionError(f"{who}: {reading.rows[:3]} of {len(reading.rows)} rows, and before {right[:3]} of {len(right)}")


def run(sizes: Sizes, engines: Sequence[str]) -> Bench:
    """Ask these engines."""
    tell(f"files of {sizes.rows:,} rows, made once")
    files = inbox(sizes.rows)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    try:
        bench = Bench(sizes, files)
        tell("both layouts of them")
        made = lakes(files, folder / "lake")
        bench.layouts = made.sizes()
        for engine in ENGINES:
            if engine in engines:
                with opened(engine, made, folder) as ask:
                    bench.measure(engine, ask)
        return bench
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def opened(engine: str, made: Lakes, folder: Path) -> AbstractContextManager[Ask]:
    """The engine, ready to be asked."""
    return duck(made) if engine == "duckdb" else athena(made, folder)

"""The benchmark of history: who is asked for what, in which order. Nothing is computed here but what was measured."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks import cpu
from tests.benchmarks.history.data import CACHE, Inbox, inbox
from tests.benchmarks.runs import tell
from tests.benchmarks.submit import CORES, HOME, environment, for_a_session_of_ours, submit
from tests.benchmarks.worker import Worker

PARTS = ("warm", "process", "memory")
PATIENCE = 3600.0  # seconds that one process may take
LOOK = 0.1  # seconds between looks at the memory: a parquet row group takes as long


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    rows: int = 20_000_000
    repeats: int = 3  # of the warm rounds
    processes: int = 2
    times: int = 4  # as many rows, for the memory


SMOKE = Sizes(rows=200_000, repeats=1, processes=1, times=2)  # every part once, on next to nothing: for the test


class Bench:
    """A run: the files, a folder for its results, and what has been measured so far."""

    def __init__(self, sizes: Sizes, folder: Path) -> None:
        self.sizes, self.folder = sizes, folder
        self.found: dict[str, list[Any]] = {}
        self.compared: dict[str, int] = {}
        self.inbox = made(sizes.rows)

    def keep(self, name: str, measured: Any) -> Any:  # noqa: ANN401 - JSON values
        self.found.setdefault(name, []).append(measured)
        tell(f"{name} {len(self.found[name])}: {measured}")
        return measured

    def warm(self) -> None:
        """One JVM, one DuckDB, one polars, each with a round that does not count, then in turns, forth and back."""
        lake, duck_out, polars_out = (self.folder / name for name in ("lake", "duck", "polars"))
        told = {"root": str(self.inbox.root), "files": [asdict(file) for file in self.inbox.files]}
        asked = for_a_session_of_ours(submit(HOME / "conf" / "local.yaml"))
        with ExitStack() as open_:
            job = open_.enter_context(Worker("history.job", str(lake), environment=asked))
            duck = open_.enter_context(rival("duck"))
            polars = open_.enter_context(rival("polars"))
            self.keep("session", job.ask("session"))

            def job_round() -> Any:  # noqa: ANN401 - JSON values
                self.inbox.lake(lake)
                return job.ask("round", lake=str(lake), months=len(self.inbox.files))

            ways: Mapping[str, Callable[[], Any]] = {
                "duck": lambda: duck.ask("round", out=str(duck_out), **told),
                "job": job_round,
                "polars": lambda: polars.ask("round", out=str(polars_out), **told),
            }
            for name, way in ways.items():
                self.keep(f"{name}_first", way())
            for number in range(self.sizes.repeats):
                for name in list(ways)[:: -1 if number % 2 else 1]:
                    self.keep(name, ways[name]())
                compared = duck.ask("compare", files=told["files"], lake=str(lake), out=str(duck_out), polars=str(polars_out))
                self.compared = compared
                tell(f"every row as the rivals have it: {compared}")

    def process(self) -> None:
        """Whole processes, as somebody starts them, in turns."""
        ways: Sequence[tuple[str, Callable[[Inbox, Path], Mapping[str, float]]]] = (
            ("process", job_process),
            ("duck_process", duck_process),
        )
        for number in range(self.sizes.processes):
            for name, way in ways[:: -1 if number % 2 else 1]:
                self.keep(name, way(self.inbox, self.folder / "process"))

    def memory(self) -> None:
        """One more process, on several times as much."""
        self.keep("process_big", job_process(made(self.sizes.rows * self.sizes.times), self.folder / "big"))


def run(sizes: Sizes, asked: Sequence[str]) -> Bench:
    """Measure the asked parts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    try:
        bench = Bench(sizes, folder)
        for name in PARTS:
            if name in asked:
                getattr(bench, name)()
        return bench
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made(rows: int) -> Inbox:
    """The files; the first time they have to be made."""
    tell(f"files of {rows:,} rows, made once")
    return inbox(rows)


def rival(name: str) -> Worker:
    """A process of its own."""
    return Worker("history.rivals", name, str(CORES), environment={"POLARS_MAX_THREADS": str(CORES)})


def job_process(files: Inbox, folder: Path) -> Mapping[str, float]:
    """`./spark-submit.sh compact` from exec to its end, on a fresh lake; and the most memory that it held."""
    lake = files.lake(folder)
    conf = folder / "conf.yaml"
    conf.write_text(yaml.safe_dump({"lake": str(lake), "ingest": {"collector": "benchmark"}}), encoding="utf-8")
    command = [str(HOME / "spark-submit.sh"), "compact", "--conf", str(conf)]
    return _timed(command, environment(), folder / "log", f"{len(files.files)} published")


def duck_process(files: Inbox, folder: Path) -> Mapping[str, float]:
    """The same of Python with DuckDB."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.history.rivals", "duck", str(CORES), str(files.root), str(folder / "out")]
    return _timed(command, {**os.environ, "PYTHONPATH": str(HOME)}, folder / "log", f"{len(files.files)} published")


def _timed(command: Sequence[str], env: Mapping[str, str], log: Path, says: str) -> Mapping[str, float]:
    """Seconds until the end, those of the processors, and the most memory. RuntimeError: it did not end well."""
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            with peak(process.pid) as held, cpu.watched(process.pid) as spent:
                _wait(process, began + PATIENCE)
                passed = time.monotonic() - began
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode or says not in text:
        tail = "\n".join(text.splitlines()[-20:])
        raise RuntimeError(
            f"{command[0]}: ended with {process.returncode}, and {says!r} would be right. The end of its output:\n{tail}"
        )
    return {"cpu": spent.seconds, "wall": passed, "peak_mb": max(held) / 1e6}


def _wait(process: subprocess.Popen[bytes], until: float) -> None:
    try:
        process.wait(until - time.monotonic())
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{process.args!r}: not at its end after {PATIENCE:.0f} s") from None


@contextmanager
def peak(leader: int) -> Iterator[list[int]]:
    """Bytes that the processes of a session held, what they share counted once: each time that it was more than ever before."""
    found, most = [0], 0

    def look() -> None:
        nonlocal most
        held = cpu.resident_of_session(leader)
        if held > most * 1.005:
            most = held
            found.append(cpu.resident_of_session(leader, cpu.its_part))

    with cpu.looking(LOOK, look):
        yield found

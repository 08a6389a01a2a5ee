"""The benchmark itself: who is asked for what, in which order. Nothing is computed here but what was measured."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks import startup
from tests.benchmarks.costs import measure, points
from tests.benchmarks.data import CACHE, Landed, landed
from tests.benchmarks.submit import CORES, HOME, for_a_session_of_ours, submit
from tests.benchmarks.worker import Worker

PARTS = ("warm", "cold", "split", "tiny", "startup")
APART = ("costs",)  # takes longer than all of these
ONE_JVM = {"warm", "split", "tiny"}


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    ticks: int = 1_250_000
    repeats: int = 5  # of the warm rounds
    warm_up: int = 2  # rounds before them, the first of which is a cold one
    cold: int = 3
    split_repeats: int = 3
    split: int = 13  # batches
    tiny_warm_up: int = 4
    tiny: int = 7
    startup: int = 3
    costs: points.Sizes = points.FULL
    jit: str = ""  # of the sessions; bulk work keeps both compilers


# every part once, on next to nothing: for the test
SMOKE = Sizes(
    ticks=2400,
    repeats=1,
    warm_up=1,
    cold=1,
    split_repeats=1,
    split=2,
    tiny_warm_up=0,
    tiny=1,
    startup=1,
    costs=points.SMOKE,
    jit="c1",
)


class Bench:
    """A run: the objects, a folder for its results, and what has been measured so far."""

    def __init__(self, sizes: Sizes, folder: Path, objects: Landed) -> None:
        self.sizes, self.folder, self.objects = sizes, folder, objects
        self.found: dict[str, list[Any]] = {}
        self.compared: dict[str, Any] = {}
        self.costs: points.Found = {}

    def stream(self) -> Worker:
        asked = submit(HOME / "conf" / "local.yaml", jit=self.sizes.jit)
        return Worker("stream", str(self.objects.root), environment=for_a_session_of_ours(asked))

    def duck(self) -> Worker:
        return Worker("duck", str(CORES))

    def keep(self, name: str, measured: Any) -> Any:  # noqa: ANN401 - JSON values
        self.found.setdefault(name, []).append(measured)
        tell(f"{name} {len(self.found[name])}: {shown(measured)}")
        return measured

    def duck_round(self, duck: Worker) -> Mapping[str, float]:
        found: Mapping[str, float] = duck.ask(
            "round", landing=f"{self.objects.root}/big/landing/**/*.gz", out=str(self.folder / "duck")
        )
        return found

    def stream_round(self, stream: Worker, name: str = "one", batches: int = 1) -> Mapping[str, Any]:
        out = str(self.folder / name)
        found: Mapping[str, Any] = stream.ask("round", out=out, batches=parts(self.objects.big, batches))
        return found

    def compare(self, duck: Worker, name: str) -> None:
        """Before a time is believed: both did the same."""
        if name not in self.compared:
            self.compared[name] = duck.ask("compare", lake=str(self.folder / name), out=str(self.folder / "duck"))
            tell(f"{name}: every row as DuckDB has it: {self.compared[name]}")

    # ------------------------------------------------------------------ parts

    def cold(self) -> None:
        """First batches of new processes."""
        with self.duck() as duck:
            self.keep("duck_cold", self.duck_round(duck))
        with self.stream() as stream:
            self.keep("session", stream.ask("session"))
            self.keep("cold", self.stream_round(stream))

    def warm(self, asked: Sequence[str]) -> None:
        """All that happens in one JVM and one DuckDB."""
        with self.duck() as duck, self.stream() as stream:
            self.keep("session", stream.ask("session"))
            for number in range(self.sizes.warm_up if ONE_JVM & set(asked) else 0):
                alone = self.duck_round(duck)
                first = self.stream_round(stream)
                is_cold = number == 0 and "cold" in asked
                self.keep("duck_cold" if is_cold else "duck_warm_up", alone)
                self.keep("cold" if is_cold else "warm_up", first)
            if "split" in asked and self.sizes.warm_up > 1:
                self.keep("split_warm_up", self.stream_round(stream, "split", self.sizes.split))
            repeats = self.sizes.repeats if "warm" in asked else self.sizes.split_repeats if "split" in asked else 0
            for number in range(repeats):
                self.keep("duck", self.duck_round(duck))
                self.keep("one", self.stream_round(stream))
                self.compare(duck, "one")
                if "split" in asked and number < self.sizes.split_repeats:
                    self.keep("split", self.stream_round(stream, "split", self.sizes.split))
                    self.compare(duck, "split")
            if "tiny" in asked:
                after = self.objects.tiny[: self.sizes.tiny_warm_up + self.sizes.tiny]
                costs = stream.ask("tiny", out=str(self.folder / "tiny"), before=self.objects.big, after=after)
                for cost in costs[self.sizes.tiny_warm_up :]:
                    self.keep("tiny", cost)
            if "costs" in asked:
                self.costs = measure.Lakes(stream, duck, self.folder, tell).measured(self.sizes.costs)

    def startup(self) -> None:
        """Both ways to start, in turns."""
        ways: Mapping[str, Callable[[Path, Path, str], Mapping[str, float]]] = {
            "start": startup.ours,
            "start_plain": startup.defaults,
        }
        for _ in range(self.sizes.startup):
            for name, way in ways.items():
                self.keep(name, way(self.folder / name, self.objects.root, self.objects.tiny[0]))


def run(sizes: Sizes, asked: Sequence[str]) -> Bench:
    """Measure the asked parts."""
    with_objects = objects(sizes.ticks)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    try:
        bench = Bench(sizes, folder, with_objects)
        in_one_jvm = ONE_JVM & set(asked)
        for _ in range(sizes.cold - bool(in_one_jvm) if "cold" in asked else 0):
            bench.cold()
        if in_one_jvm or "costs" in asked:
            bench.warm(asked)
        if "startup" in asked:
            bench.startup()
        return bench
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def profile(sizes: Sizes, *, rounds: int, split: int = 1) -> Mapping[str, Any]:
    """One warm round under the watch."""
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    bench = Bench(sizes, folder, objects(sizes.ticks))
    batches = parts(bench.objects.big, split)
    try:
        with bench.stream() as stream:
            stream.ask("record")
            for _ in range(rounds):
                bench.keep("warm-up", stream.ask("round", out=str(folder / "one"), batches=batches))
            found: Mapping[str, Any] = stream.ask(
                "profile", out=str(folder / "one"), batches=batches, recording=str(CACHE / "last.jfr")
            )
            return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def objects(ticks: int) -> Landed:
    """The landing objects; the first time they have to be made."""
    began = time.monotonic()
    found = landed(ticks)
    tell(f"{found.ticks} ticks in {len(found.big)} landing objects ({time.monotonic() - began:.0f} s)")
    return found


def parts(keys: Sequence[str], number: int) -> list[Sequence[str]]:
    """Cut in parts of as equal lengths as may be."""
    edges = [round(len(keys) * place / number) for place in range(number + 1)]
    return [keys[low:high] for low, high in pairwise(edges)]


def shown(measured: Any) -> str:  # noqa: ANN401 - JSON values
    """Numbers to two places."""
    if isinstance(measured, dict):
        return " ".join(
            f"{key} {shown(value)}" if not isinstance(value, dict) else f"{key} ({shown(value)})"
            for key, value in measured.items()
        )
    return f"{measured:.2f}" if isinstance(measured, float) else str(measured)


def tell(line: str) -> None:
    """Progress, for whoever watches."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

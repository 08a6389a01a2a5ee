"""A folder in which a demo plays: our programs as its steps, what they print in its logs, a simulated market beside them."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

HOME = Path(__file__).resolve().parent.parent
INTERRUPTED = 130
CLEAR = "\r\033[K"  # the terminal's line


class StepError(Exception):
    """A step failed; says which, and the end of what it printed."""


def configuration(local: str, folder: str, port: int) -> str:
    """conf/local.yaml with a lake of its own and the simulator where it listens."""
    changes = {"./lake": f"./{folder}/lake", "./spool": f"./{folder}/spool", "127.0.0.1:9101": f"127.0.0.1:{port}"}
    for old, new in changes.items():
        if old not in local:
            raise StepError(f"conf/local.yaml: the demo looks for {old} there, in order to replace it by {new}")
        local = local.replace(old, new)
    return local


def without_rest(conf: str) -> str:
    """Else a hole would be repaired before anybody has seen it."""
    return re.sub(r'(, |\n +)(rest|dumps): \[".+?"\]', "", conf)


def minute_before(now: float, seconds: float) -> str:
    """A full minute at least so long ago: the market never passes the clock, and its first second is a minute's."""
    return f"{datetime.fromtimestamp((now - seconds) // 60 * 60, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class Stage:
    """The folder; what is around it is the project."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def home(self) -> Path:
        return self.folder.parent

    @contextlib.contextmanager
    def started(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program of ours whose output goes to a file; it does not outlive the block, nor does what it started."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(30)
                except (subprocess.TimeoutExpired, KeyboardInterrupt):  # it hangs, or somebody is in a hurry
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def said(self, name: str) -> str:
        """What a program printed so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def step(self, title: str, name: str, command: Sequence[str], *, good: Collection[int] = (0,), **environment: str) -> None:
        """Run a program to its end. `good`: the exit codes that do not end the play."""
        begin = time.monotonic()
        with self.started(name, command, environment) as process:
            while process.poll() is None:
                _show_progress(title, begin)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        if process.returncode not in good:
            tail = "\n".join(self.said(name).splitlines()[-20:])
            raise StepError(f"{title}: failed with exit code {process.returncode}. The end of {self.name}/{name}.log:\n{tail}")
        clear = CLEAR if sys.stderr.isatty() else ""
        print(f"{clear}{title}: {time.monotonic() - begin:.0f} s", file=sys.stderr)

    def submit(self, title: str, name: str, job: str, conf: str, *options: str, good: Collection[int] = (0,)) -> None:
        """Run a Spark job. `name`: of its log."""
        command = [str(self.home / "spark-submit.sh"), job, "--conf", str(self.folder / conf), *options]
        self.step(title, name, command, good=good, TICKLAKE_JIT="c1")

    @contextlib.contextmanager
    def market(self, speed: int, seconds: float, *options: str) -> Iterator[int]:
        """A simulated market, so many times faster than the clock, for so many seconds of it at most. Yields its port."""
        start = minute_before(time.time(), seconds * speed)
        command = [sys.executable, "-m", "ingest", "simulate", "--port", "0", "--speed", str(speed), "--for", f"{seconds:g}s"]
        truth = ["--start", start, "--truth", str(self.folder / "truth.jsonl")]
        with self.started("simulate", [*command, *truth, *options], {}) as process:
            yield self._port(process)

    def collect(self, conf: str, seconds: int, speed: int) -> None:
        """Listen to it."""
        command = [sys.executable, "-m", "ingest", "collect", "--conf", str(self.folder / conf), "--for", f"{seconds}s"]
        self.step(f"collecting {seconds} s of a market that runs {speed} times faster than the clock", "collect", command)

    def _port(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until the simulator says where it listens."""
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            for word in self.said("simulate").split():
                if word.startswith("port="):
                    return int(word.removeprefix("port="))
            time.sleep(0.05)
        raise StepError(f"the simulator did not start:\n{self.said('simulate')}")


def play(name: str, act: Callable[[Stage], None]) -> int:
    """Play it anew, in an empty folder of its own. The exit code."""
    signal.signal(signal.SIGTERM, _ended)
    stage = Stage(HOME / name)
    try:
        shutil.rmtree(stage.folder, ignore_errors=True)
        stage.folder.mkdir()
        act(stage)
    except KeyboardInterrupt:
        print(f"\n{name}: stopped; `make {name}` starts anew", file=sys.stderr)
        return INTERRUPTED
    except StepError as error:
        print(f"\n{name}: {error}", file=sys.stderr)
        return 1
    return 0


def _show_progress(step: str, started: float) -> None:
    """Say where we are, where somebody watches."""
    if sys.stderr.isatty():
        print(f"{CLEAR}{step} … {time.monotonic() - started:.0f} s", end="", file=sys.stderr, flush=True)


def _ended(_number: int, _frame: FrameType | None) -> None:
    """End in the same way as by Ctrl+C."""
    raise KeyboardInterrupt

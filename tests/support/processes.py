"""The product's own commands as real processes: started, watched with a deadline, ended by their id."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

ROOT = Path(__file__).parents[2]
SHOWN = 4000  # characters: enough to see what a process waited for
Process = subprocess.Popen[str]


def until(condition: Callable[[], bool], process: Process, what: str, seconds: float = 60.0, every: float = 0.02) -> None:
    """Wait until a condition holds while a process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode} before {what}: {process.communicate()}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; what was said:\n{_said(process)}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(every)


def _said(process: Process) -> str:
    """The end of what a process wrote; it is over with it."""
    process.kill()
    return "".join((text or "")[-SHOWN:] for text in process.communicate())


@contextlib.contextmanager
def ingest(*arguments: object, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """`python -m ingest …`; killed at the end if it still runs."""
    with python("-m", "ingest", *arguments, environment=environment) as process:
        yield process


@contextlib.contextmanager
def python(*arguments: object, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()) -> Iterator[Process]:
    """`python …`, behind the words of another command if there are any; killed at the end if it still runs."""
    command = [*before, sys.executable, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def simulator(*arguments: object, port: int = 0) -> Iterator[tuple[Process, int]]:
    """The simulator, ready, and its port."""
    with ingest("simulate", "--port", port, *arguments) as process:
        ready = cast("IO[str]", process.stdout).readline()
        found = re.match(r"ready port=(\d+)", ready)
        assert found, f"{ready!r} {process.communicate()}"
        yield process, int(found[1])

"""A small disk of one's own, and system calls that fail: what a real collector meets on a bad day."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.processes import Process, python

ENOUGH = 1_000_000  # bytes that are written at once while a disk is filled


class Disk:
    """A mounted file system of so many bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self) -> None:
        """Leave no room for a single byte more."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (ENOUGH, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def empty(self) -> None:
        """There is room again."""
        self._ballast.unlink()


def _missing(what: str) -> NoReturn:
    """What continuous integration has, a laptop need not: there the test says why it is not run."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@contextlib.contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount one there; that needs root."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "ticklake-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        _missing(f"needs a file system of its own, which root alone may mount: {made.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def failing(injections: Sequence[str], log: Path, *arguments: object) -> Iterator[Process]:
    """`python -m ingest …` whose system calls fail as strace is told, such as `fsync:error=EIO:when=3`; its calls are in the log."""
    found = shutil.which("strace")
    if found is None:
        _missing("needs strace, which makes system calls fail; `setup/prerequisites.sh faults` says how it is installed")
    calls = ",".join(sorted({injection.split(":")[0] for injection in injections}))
    command = [found, "-f", "--seccomp-bpf", "-qq", "-o", str(log), "-e", f"trace={calls}", "-e", "signal=none"]
    command += [word for injection in injections for word in ("-e", f"inject={injection}")]
    with python("-m", "ingest", *arguments, before=command) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(OSError, IndexError):  # it has ended
                signal_traced(process, signal.SIGKILL)


def signal_traced(tracer: Process, number: int) -> None:
    """Send a signal to the traced process: strace hands on none."""
    children = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text(encoding="ascii").split()
    os.kill(int(children[0]), number)

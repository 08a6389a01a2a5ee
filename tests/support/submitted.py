"""The stream as a real process."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def submit(project: Path, conf: Path, *options: str) -> subprocess.Popen[str]:
    """The stream in a process group of its own."""
    command = [str(project / "spark-submit.sh"), "stream", "--conf", str(conf), *options]
    environment = {**os.environ, "TICKLAKE_JIT": "c1"}
    return subprocess.Popen(
        command, env=environment, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

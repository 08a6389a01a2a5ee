"""A Spark standalone cluster on this machine, whose workers have Spark and nothing of ours."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyspark

SPARK = Path(pyspark.__file__).parent
DEADLINE = 180.0  # a JVM takes two seconds to start, and a minute on a machine that is busy with others


@dataclass(frozen=True)
class Cluster:
    """Its address, and the folder in which each worker keeps what it was sent."""

    master: str
    work: Path

    def sent(self) -> set[str]:
        """Names of the files that executors were sent."""
        return {path.name for path in self.work.glob("worker-*/app-*/*/*") if path.name not in ("stdout", "stderr")}


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Run a master and some workers of one core and 1 GB each, on 127.0.0.1 and free ports."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(_daemon(folder, "master", "deploy.master.Master", "--host", "127.0.0.1", "--port", "0"))
        master = _wait(log, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")[0]
        for number in range(workers):
            place = ["--work-dir", str(folder / f"worker-{number}")]
            size = ["--cores", "1", "--memory", "1g"]
            stack.enter_context(_daemon(folder, f"worker-{number}", "deploy.worker.Worker", *place, *size, master))
        _wait(log, r"Registering worker 127\.0\.0\.1:\d+ with 1 cores", times=workers)
        yield Cluster(master, folder)


@contextlib.contextmanager
def _daemon(folder: Path, name: str, main: str, *arguments: str) -> Iterator[Path]:
    log = folder / f"{name}.log"
    command = [str(SPARK / "bin/spark-class"), f"org.apache.spark.{main}", "--webui-port", "0", *arguments]
    # a machine that knows nothing of this project: its own folder, no Python path, no virtual environment
    known = {key: os.environ[key] for key in ("JAVA_HOME",) if key in os.environ}
    java = str(Path(shutil.which("java") or "java").parent)
    environment = {"PATH": f"/usr/bin:/bin:{java}", "SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1", **known}
    environment["SPARK_DAEMON_MEMORY"] = "256m"
    environment["SPARK_MASTER_OPTS"] = "-Dspark.master.rest.enabled=false"  # a second door, on a fixed port
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(log: Path, pattern: str, times: int = 1) -> list[str]:
    """Wait for a line of a log, so many times; a process cannot be asked by other means whether it is ready."""
    until = time.monotonic() + DEADLINE
    while True:
        found = re.findall(pattern, log.read_text(errors="replace"))
        if len(found) >= times:
            return found
        if time.monotonic() > until:
            raise TimeoutError(f"{log.name}: {pattern} came {len(found)} of {times} times:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)

"""From exec to the first batch: `./spark-submit.sh stream --once` on one landing object, beside the job as Spark starts it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from jobs.runtime.session import REQUIRED
from tests.benchmarks import cpu
from tests.benchmarks.submit import HOME, Submit, environment, submit

DELTA = ("spark.sql.extensions", "spark.sql.catalog.spark_catalog")
LOOK = 0.02  # seconds between two looks for the first batch's record
PATIENCE = 600.0


def ours(folder: Path, landing: Path, key: str) -> Mapping[str, float]:
    """As a user starts it; compiled lightly, which is what the manual advises for small runs."""
    conf = _lake(folder, landing, key)
    command = [str(HOME / "spark-submit.sh"), "stream", "--conf", str(conf), "--once"]
    return _timed(command, environment("c1"), folder)


def defaults(folder: Path, landing: Path, key: str) -> Mapping[str, float]:
    """The same job with nothing but what its results need."""
    conf = _lake(folder, landing, key)
    plain = untuned(submit(conf, "--once"), sorted((HOME / ".cache" / "jars").glob("*.jar")))
    return _timed(plain.command(), {**os.environ, **plain.environment}, folder)


def untuned(asked: Submit, jars: Sequence[Path]) -> Submit:
    """Spark's own settings, but for those without which the job refuses to start, and Delta's; no class-data archive; --jars."""
    kept = [(option, value) for option, value in asked.options if option in ("--master", "--deploy-mode", "--name", "--py-files")]
    needed = [("--conf", f"{key}={value}") for key, value in asked.settings().items() if key in (*REQUIRED, *DELTA)]
    listed = [("--jars", ",".join(map(str, jars)))]
    return Submit(asked.environment, asked.program, [*kept, *needed, *listed], asked.script)


def _lake(folder: Path, landing: Path, key: str) -> Path:
    """A fresh lake with one landing object; gives its configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "lake" / key[key.index("landing/") :]
    target.parent.mkdir(parents=True)
    shutil.copy(landing / key, target)
    conf = folder / "conf.yaml"
    conf.write_text(yaml.safe_dump({"lake": str(folder / "lake"), "ingest": {"collector": "bench"}}), encoding="utf-8")
    return conf


def _timed(command: Sequence[str], env: Mapping[str, str], folder: Path) -> Mapping[str, float]:
    """Seconds until the first batch's record is there, and until the end."""
    records = folder / "lake" / "control" / "runs" / "trades"
    log = folder / "log"
    found: dict[str, float] = {}
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while process.returncode is None:
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                now = time.monotonic() - began
                if not found and any(records.glob("*.json")):
                    found = {"first_cpu": cpu.of_session(process.pid), "first_wall": now}
                if ended:
                    process.returncode = os.waitstatus_to_exitcode(status)
                elif now > PATIENCE:
                    raise RuntimeError(f"{command[0]}: not at its end after {PATIENCE:.0f} s; see {log}")
                time.sleep(LOOK)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode or not found:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise RuntimeError(
            f"{command[0]}: ended with {process.returncode}, first batch {found or 'never'}. The end of its output:\n{tail}"
        )
    return {**found, "end_cpu": used.ru_utime + used.ru_stime, "end_wall": now}

"""What spark-submit.sh would run, as a value: the benchmark's sessions are configured by it and cannot differ from the job's."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
CORES = 2  # of Spark and of DuckDB, whatever the machine has
MASTER = f"local[{CORES}]"


@dataclass(frozen=True)
class Submit:
    """The environment, the program, its options, and what follows them: the script and its arguments."""

    environment: Mapping[str, str]
    program: str
    options: Sequence[tuple[str, str]]
    script: Sequence[str]

    def settings(self) -> dict[str, str]:
        """What is set by --conf."""
        return dict(value.split("=", 1) for option, value in self.options if option == "--conf")

    def command(self) -> list[str]:
        return [self.program, *(part for option in self.options for part in option), *self.script]


def submit(conf: Path, *arguments: str, jit: str = "") -> Submit:
    """Ask spark-submit.sh."""
    asked = [str(HOME / "spark-submit.sh"), "stream", "--conf", str(conf), "--dry-run", *arguments]
    said = subprocess.run(asked, env=environment(jit), capture_output=True, text=True, check=True).stdout
    return parsed(shlex.split(said))


def environment(jit: str = "") -> dict[str, str]:
    """Ours, less what would change the command."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DEPLOY_MODE", "PYSPARK_SUBMIT_ARGS")}
    return {**kept, "MASTER": MASTER, "TICKLAKE_JIT": jit}


def parsed(words: Sequence[str]) -> Submit:
    """The words of the command."""
    rest = list(words)
    found: dict[str, str] = {}
    if rest[0] == "env":
        rest.pop(0)
        while "=" in rest[0]:
            key, _, value = rest.pop(0).partition("=")
            found[key] = value
    program = rest.pop(0)
    options = []
    while rest[0].startswith("--"):
        options.append((rest.pop(0), rest.pop(0)))
    return Submit(found, program, options, rest)


def for_a_session_of_ours(asked: Submit) -> dict[str, str]:
    """The environment in which a plain Python program gets the same session: our packages from the sources, not from the zip."""
    options = [part for option in asked.options if option[0] not in ("--py-files", "--deploy-mode") for part in option]
    return {
        **asked.environment,
        "PYSPARK_SUBMIT_ARGS": shlex.join([*options, "pyspark-shell"]),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }

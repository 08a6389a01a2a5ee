"""The unit and the container start what there is, and leave it the time to drain."""

import configparser
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2]
DRAIN_SECONDS = 20


def is_understood(command: list[str]) -> bool:
    """Whether our own command line takes these words: it goes as far as to miss the configuration."""
    words = [sys.executable, *command[1:]]
    done = subprocess.run(words, cwd=HOME, capture_output=True, text=True, check=False)
    return done.returncode == 2 and "cannot be read" in done.stderr


def test_the_unit_starts_the_collector_and_waits_for_its_drain():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read_string((HOME / "conf/systemd/ticklake-collect@.service").read_text())
    service = unit["Service"]
    assert is_understood(shlex.split(service["ExecStart"].replace("%i", "none")))
    assert int(service["TimeoutStopSec"]) > DRAIN_SECONDS
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"


def test_the_container_starts_the_collector_without_a_shell():
    text = (HOME / "conf/container/Dockerfile").read_text().replace("\\\n", " ")
    names = ("ENTRYPOINT", "CMD", "HEALTHCHECK.*CMD")
    entry, command, health = (json.loads(re.search(rf"^{name} +(\[.*\])", text, re.MULTILINE)[1]) for name in names)
    assert is_understood([*entry, *command])
    assert [*entry, "status", "--alive", *command[1:]] == health  # for what is ill, and runs, another start is no cure
    for source in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        assert all((HOME / name).exists() for name in source.split())

"""The soak runs, on next to nothing: faults, the comparison with the market, memory, the line it ends with."""

import json
import subprocess
import sys

import pytest

from tests.support.project import HOME


@pytest.mark.long
def test_a_few_seconds_of_trouble():
    command = [sys.executable, "-m", "tests.benchmarks.soak", "--minutes", "0.2", "--rate", "500", "--every", "2"]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    told = json.loads(done.stdout.splitlines()[-1])
    assert {name: told[name] for name in ("bench", "minutes", "missing", "foreign", "spool_end", "exit_code")} == {
        "bench": "soak",
        "minutes": 0.2,
        "missing": 0,
        "foreign": 0,
        "spool_end": 0,
        "exit_code": 0,
    }
    assert told["trades"] >= told["market"] > 1000  # how many 71 seconds have differs from hour to hour
    assert told["faults"] > 2
    assert 0 < told["rss_mb"] < 200

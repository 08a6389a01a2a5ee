"""The ingest benchmark runs, on next to nothing: contenders, the check of what they wrote, the long run, the line it ends with."""

import json
import subprocess
import sys

import pytest

from tests.support.project import HOME

RATIOS = {"ratio_websockets", "ratio_websocketapp"}
RATES = {"ours_k_per_cpu_s", "websockets_k_per_cpu_s", "websocketapp_k_per_cpu_s"}


@pytest.mark.long
def test_the_contenders_and_the_long_run():
    command = [sys.executable, "-m", "tests.benchmarks.receive", "--frames", "4000", "--repeats", "1"]
    short = ["--seconds", "2", "--share", "0.1"]  # of a peak that a busy machine may not reach again
    done = subprocess.run([*command, *short], cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["bench"], told["sustained_share"], told["backlog_end"]) == ("ingest", 0.1, 0)
    assert all(told[name] > 0 for name in RATIOS | RATES)
    assert abs(told["sustained_frames"] - 2 * told["sustained_rate"]) <= 0.05 * 2 * told["sustained_rate"]
    assert len(told["sustained_lag_ms"]) == 5
    assert told["ratio_cryptofeed"] is None  # nobody named a Python that has it

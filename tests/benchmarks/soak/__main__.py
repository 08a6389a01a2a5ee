"""`python -m tests.benchmarks.soak`, run by `make soak`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from tests.benchmarks.data import CACHE
from tests.benchmarks.soak.run import is_good, soak


def main() -> int:
    """Soak, and say how it went; 1 where something was lost or grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description="A collector in trouble, for minutes.")
    parser.add_argument("--minutes", type=float, default=5.0, help="on the clock (%(default)g)")
    parser.add_argument("--rate", type=float, default=2000.0, help="frames a second (%(default)g)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two faults, on average (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    parser.add_argument("--start", type=datetime.fromisoformat, help="of the market, as a run told it: the same again")
    parser.add_argument("--keep", action="store_true", help="leave the folder, to look at what went wrong")
    chosen = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="soak-"))
    try:
        told = soak(folder, chosen.minutes, chosen.rate, chosen.every, chosen.seed, chosen.start)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{told.pop('summary')}\n{json.dumps(told)}\n")
    return 0 if is_good(told) else 1


# an end by force, too, ends the processes and removes what they wrote
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
sys.exit(main())

"""`python -m tests.benchmarks.receive`, run by `make bench-ingest`."""

import signal
import sys

from tests.benchmarks.receive.cli import main

# an end by force, too, ends the processes and removes what they wrote
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
sys.exit(main())

"""`python -m tests.benchmarks.history`, run by `make bench-history`."""

import signal
import sys

from tests.benchmarks.history.cli import main

# an end by force, too, ends the workers and removes what they wrote
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
sys.exit(main())

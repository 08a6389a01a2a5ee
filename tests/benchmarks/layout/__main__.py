"""`python -m tests.benchmarks.layout`, run by `make bench-layout`."""

import signal
import sys

from tests.benchmarks.layout.cli import main

# an end by force, too, ends the engines and removes what they wrote
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
sys.exit(main())

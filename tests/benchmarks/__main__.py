"""`python -m tests.benchmarks`, run by `make bench`."""

import sys

from tests.benchmarks.cli import main

sys.exit(main())

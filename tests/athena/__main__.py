"""`python -m tests.athena`, which is `make athena`."""

import sys

from tests.athena.cli import main

if __name__ == "__main__":
    sys.exit(main())

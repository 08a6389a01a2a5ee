"""What a command that runs for long says on the way: its log, and on a terminal one line that overwrites itself."""

import logging
import sys

CLEAR = "\r\033[K"  # the terminal's line


def log(*, verbose: bool) -> None:
    """To stderr, what goes wrong, or everything."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s level=%(levelname)s %(message)s", force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)


def show(text: str) -> None:
    """In the place of what was shown before; nothing where nobody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{CLEAR}{text}")
        sys.stderr.flush()


def end(text: str) -> None:
    """The last line, for whoever reads the output."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    sys.stdout.write(f"{text}\n")

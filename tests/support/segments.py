"""What a segment of the spool holds."""

from pathlib import Path

from ingest.spool import records


def text(path: Path) -> bytes:
    """The lines as they land; none of them is damaged."""
    found = records.read(path.read_bytes())
    assert not found.damaged, found.damaged
    return found.text


def lines(path: Path) -> list[bytes]:
    return text(path).splitlines()

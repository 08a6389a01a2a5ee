"""Files of other systems, written by hand, and what was made of them."""

import io
import json
from pathlib import Path
from typing import Any

from jobs.adoption.files import source
from jobs.adoption.taken import Taken, taken
from jobs.adoption.values import Asked, Reject
from tests.support.project import HOME

SAMPLES = HOME / "tests/data/adopt"


def read(path: Path, **asked: str) -> Taken:
    """A file, as the job reads it; its lines in memory."""
    found = taken(source(path), Asked(**asked))
    for group, file in found.groups.items():
        file.seek(0)
        found.groups[group] = io.BytesIO(file.read())
        file.close()
    return found


def lines(found: Taken) -> list[dict[str, Any]]:
    """All of its landing lines, parsed."""
    told = []
    for file in found.groups.values():
        told += [json.loads(line) for line in file]
    return told


def rejects(found: Taken) -> list[tuple[int, str]]:
    """Line and reason of each."""
    assert all(isinstance(one, Reject) for one in found.rejects)
    return [(one.line, one.reason) for one in found.rejects]

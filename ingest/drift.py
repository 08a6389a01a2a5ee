"""Which fields of a frame are new, and which are gone: pure, total on any JSON value, and cheap where nothing has changed."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from ingest.exchanges.exchange import Shape

CLOSELY = 64  # so often a frame is looked at closely that has as many fields as usual
NAMES = 10  # that are told of one frame …
NAME = 40  # … and so much of each
TOLD = 100  # sets of fields of one feed; a venue that makes up names must not fill the disk
_NOTHING: frozenset[str] = frozenset()


class Odd(NamedTuple):
    """What of a frame is not as its venue documents it."""

    new: tuple[str, ...]
    gone: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("new", self.new), ("gone", self.gone))
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if names)


def odd(shape: Shape, frame: object) -> Odd | None:
    """Compare a frame with its shape. Fields of an object two levels down are told with its name, such as `k.t`."""
    new: set[str] = set()
    gone: set[str] = set()
    for fields in shape:
        for there in _at(frame, fields.path):
            names = there.keys() if isinstance(there, dict) else _NOTHING
            if names == fields.required:
                continue
            where = _where(fields.path)
            new.update([where + name for name in names if name not in fields.required and name not in fields.optional])
            gone.update([where + name for name in fields.required if name not in names])
    return Odd(_listed(new), _listed(gone)) if new or gone else None


class Watch:
    """The frames of one kind that come down one stream of one connection.

    Counting a text's colons takes an eighth of the time of parsing it, and no field comes or goes without one. So whoever watches
    looks closely where the count is not among `usual`, and at every 64th frame.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.usual: set[int] = set()  # how many colons frames have that were found right

    def look(self, raw: bytes, frame: object) -> Sequence[Odd]:
        """Look closely: nothing is odd, or one thing."""
        found = odd(self._shape, frame)
        if found is None:
            self.usual.add(raw.count(b":"))
            return ()
        self.usual.discard(raw.count(b":"))  # a field is called otherwise: as many as usual prove nothing any more
        return (found,)


class Drifts:
    """What was odd in this process, by feed. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}  # odd frames
        self.told: dict[str, dict[Odd, None]] = {}  # each once, in the order found

    def take(self, feed: str, found: Odd) -> bool:
        """Count it. True: of these fields nobody was told yet."""
        with self._lock:
            self.counts[feed] = self.counts.get(feed, 0) + 1
            told = self.told.setdefault(feed, {})
            if found in told or len(told) >= TOLD:
                return False
            told[found] = None
            return True


def _at(value: object, path: str) -> Sequence[object]:
    """What stands there. Nothing where the way to it is missing: that is told of the object above."""
    found = [value]
    for step in path.split(".") if path else ():
        name = step.removesuffix("[]")
        found = [one[name] for one in found if isinstance(one, dict) and name in one]
        if name != step:
            found = [item for one in found for item in (one if isinstance(one, list) else (None,))]
    return found


def _where(path: str) -> str:
    outer, _, inner = path.rpartition(".")
    return f"{inner.removesuffix('[]')}." if outer else ""


def _listed(names: set[str]) -> tuple[str, ...]:
    found = sorted(names)
    more = (f"and {len(found) - NAMES} more",) if len(found) > NAMES else ()
    return (*(name[:NAME] for name in found[:NAMES]), *more)

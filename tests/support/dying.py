"""A collector that ends itself by SIGKILL at a named point, the n-th time it comes there, or n milliseconds after its start.

`python -m tests.support.dying POINT N collect --conf …`. The product has no hooks for it: what it calls is wrapped here, before it
begins.
"""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import urllib3.connection

from ingest import cli, landing
from ingest.spool import keeper, marks, salvage, segment, spool

Call = Callable[..., Any]
IsIt = Callable[[], bool]  # counts a passage, and says whether it is the one


def die() -> None:
    """As `kill -9` does it: nothing of this process runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(real: Call, is_it: IsIt) -> Call:
    """Nothing of the call happens."""

    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands in for any function
        if is_it():
            die()
        return real(*arguments, **named)

    return call


def after(real: Call, is_it: IsIt) -> Call:
    """All of the call happens, and nobody hears of it."""

    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - stands in for any function
        answer = real(*arguments, **named)
        if is_it():
            die()
        return answer

    return call


def half(real: Call, is_it: IsIt) -> Call:
    """The last line is written by half."""

    def append(self: segment.Segment, recv_ns: int, data: bytes, *more: bytes) -> None:
        if is_it():
            last = data.rfind(b"\n", 0, -1) + 1
            os.write(self.handle, data[: (last + len(data)) // 2])
            die()
        real(self, recv_ns, data, *more)

    return append


def after_rename(folder: str) -> Callable[[Call, IsIt], Call]:
    """A file has got its new name in that folder, and the name is not on the disk."""

    def hook(real: Call, is_it: IsIt) -> Call:
        def rename(self: Path, target: Path) -> Path:
            found: Path = real(self, target)
            if target.parent.name == folder and is_it():
                die()
            return found

        return rename

    return hook


def uploading(hook: Callable[[Call, IsIt], Call]) -> Callable[[Call, IsIt], Call]:
    """Venues are asked over HTTP, too."""
    return lambda real, is_it: hook(real, lambda: threading.current_thread().name == "upload" and is_it())


ANY_MOMENT = "at any moment"
# name -> of what, which function, what stands in its place
ANY_LAKE: Mapping[str, tuple[object, str, Callable[[Call, IsIt], Call]]] = {
    "before append": (segment.Segment, "append", before),
    "half append": (segment.Segment, "append", half),
    "after append": (segment.Segment, "append", after),
    "before fsync": (segment.Segment, "sync", before),
    "after fsync": (segment.Segment, "sync", after),
    "before seal": (spool, "seal", before),
    "after seal's rename": (Path, "rename", after_rename("sealed")),
    "after seal": (spool, "seal", after),
    "before marks": (marks, "save", before),
    "between the renames of the marks": (Path, "replace", after_rename("collect")),
    "after marks": (marks, "save", after),
    "before delete": (spool.Spool, "forget", before),
    "after delete": (spool.Spool, "forget", after),
    "before salvage": (keeper, "salvage", before),
    "before the torn rest is sealed": (salvage, "_seal_rest", before),
    "after the torn rest is sealed": (salvage, "_seal_rest", after),
    "before a salvaged segment is sealed": (salvage, "seal", before),
    "after a salvaged segment is sealed": (salvage, "seal", after),
    "after salvage": (keeper, "salvage", after),
}
FILES: Mapping[str, tuple[object, str, Callable[[Call, IsIt], Call]]] = {
    "before the object is written": (landing.Files, "create", before),
    "before the object has its name": (os, "link", before),
    "after the object has its name": (os, "link", after),
    "after the object is written": (landing.Files, "create", after),
}
S3: Mapping[str, tuple[object, str, Callable[[Call, IsIt], Call]]] = {
    "before PUT": (landing.Bucket, "create", before),
    "PUT sent": (urllib3.connection.HTTPConnection, "getresponse", uploading(before)),
    "PUT answered": (urllib3.connection.HTTPConnection, "getresponse", uploading(after)),
    "after PUT": (landing.Bucket, "create", after),
}


def main() -> int:
    point, number, *arguments = sys.argv[1:]
    if point == ANY_MOMENT:
        threading.Timer(int(number) / 1000, die).start()
        return cli.main(arguments)
    owner, name, hook = {**ANY_LAKE, **FILES, **S3}[point]
    passages = itertools.count(1)
    setattr(owner, name, hook(getattr(owner, name), lambda: next(passages) == int(number)))
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())

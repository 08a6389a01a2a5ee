"""A record of what a piece of code asks of the operating system, in order: crash safety is an order of calls."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def file_calls(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[list[tuple[str, str]]]:
    """Record fsync, link, rename and unlink below a folder: (call, path relative to it; of two names the new one)."""
    calls: list[tuple[str, str]] = []
    real = {name: getattr(os, name) for name in ("fsync", "link", "rename", "replace", "unlink")}

    def note(call: str, path: int | str | Path) -> None:
        found = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(path)
        calls.append((call, found.relative_to(root).as_posix()))

    def fsync(handle: int) -> None:
        note("fsync", handle)
        real["fsync"](handle)

    def two(call: str) -> object:
        def change(old: str | Path, new: str | Path, **options: object) -> None:
            note(call, new)
            real[call](old, new, **options)

        return change

    def unlink(path: str | Path, **options: object) -> None:
        note("unlink", path)
        real["unlink"](path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "unlink", unlink)
        for call in ("link", "rename", "replace"):
            patch.setattr(os, call, two(call))
        yield calls

"""What a warehouse is told of files that are never written twice: numbered loads, each with the files that are new and those that went.

The record of a load (`loads/000017.json`) is the truth and is written once; the manifest and the SQL beside it, and what is said of all
files together, follow from the records and are written again where a death came between.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.landing import Store
from jobs.exports.files import File

FORMAT = 1


@dataclass(frozen=True)
class Load:
    """The files that are new since the load before; None: there is no such file any more."""

    table: str
    number: int
    files: Mapping[str, File | None] = field(default_factory=dict)
    before: Mapping[str, File] = field(default_factory=dict)  # whose place these take


Texts = Callable[[Load], Mapping[str, str]]  # what lies beside a record, by the end of its name


@dataclass
class Loads:
    """All loads of a table."""

    store: Store
    folder: str  # of the table in its layout
    table: str
    number: int = 0
    files: dict[str, File | None] = field(default_factory=dict)  # that have been told of; None: that it went
    since: list[Load] = field(default_factory=list)  # that `current` does not know yet

    def read(self) -> None:
        """As the records have it."""
        found = self.store.get(self._current)
        if found is not None:
            told = json.loads(found[0])
            self.number, self.files = told["load"], _read(told["files"])
        while (record := self.store.get(self._record(self.number + 1))) is not None:
            self._take(_read(json.loads(record[0])["files"]))

    def add(self, there: Mapping[str, File | None]) -> bool:
        """A load of what is another file now than was told. False: nothing is."""
        files = {path: file for path, file in sorted(there.items()) if self.files.get(path) != file}
        if files:
            told = json.dumps({"v": FORMAT, "files": files}).encode()
            if not self.store.create(self._record(self.number + 1), told):
                raise AssertionError(
                    f"{self._record(self.number + 1)} was written by somebody else: the lease is to prevent that"
                )
            self._take(files)
        return bool(files)

    def publish(self, beside: Texts, whole: Texts) -> None:
        """What lies beside the records that are new, then what is said of all files."""
        for load in self.since:
            for end, text in beside(load).items():
                self._write(f"{self.folder}loads/{load.number:06}.{end}", text)
        if self.since:
            for end, text in whole(Load(self.table, self.number, self.files)).items():
                self._write(f"{self.folder}current.{end}", text)
            self._write(self._current, json.dumps({"v": FORMAT, "load": self.number, "files": self.files}))  # last
            self.since = []

    def _take(self, files: Mapping[str, File | None]) -> None:
        self.number += 1
        before = {path: file for path in files if (file := self.files.get(path)) is not None}
        self.since.append(Load(self.table, self.number, files, before))
        self.files |= files

    def _write(self, key: str, text: str) -> None:
        there = self.store.get(key)
        if there is None or there[0] != text.encode():
            self.store.replace(key, text.encode(), there[1] if there else None)

    @property
    def _current(self) -> str:
        return f"{self.folder}current.json"

    def _record(self, number: int) -> str:
        return f"{self.folder}loads/{number:06}.json"


def _read(told: Mapping[str, list[Any] | None]) -> dict[str, File | None]:
    return {path: File(*file) if file else None for path, file in told.items()}

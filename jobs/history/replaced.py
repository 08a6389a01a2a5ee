"""Files of the inbox that history has taken the place of: tagged, so that a rule of the bucket may remove them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.landing import Store
from jobs.history.files import CHECKSUM, Inbox, Month

LISTED = "control/replaced.json"
TAG = "ticklake"
VALUE = "replaced"
Sums = Mapping[str, str]  # of files, by key


@dataclass(frozen=True)
class Replaced:
    """`control/replaced.json`: the files that are tagged, with the sha256 that each had. One that is put anew has no tag."""

    store: Store

    def read(self) -> Sums:
        found = self.store.get(LISTED)
        files: Sums = json.loads(found[0])["files"] if found else {}
        return files

    def tell(self, found: Inbox, sums: Sums, published: Mapping[Month, Sums]) -> None:
        """Tag what is new, take the tag off what is not replaced any more. A death in between is made good by the next run."""
        was = self.read()
        now = replaced(found, sums, published, was)
        for key in sorted(now):
            if was.get(key) != now[key]:
                self._tag(key, VALUE)
        for key in sorted(was.keys() - now.keys()):
            if key in sums:
                self._tag(key, None)
        if was != now:
            there = self.store.get(LISTED)
            self.store.replace(LISTED, json.dumps({"v": 1, "files": now}).encode(), there[1] if there else None)

    def _tag(self, key: str, value: str | None) -> None:
        for name in (key, key + CHECKSUM):
            self.store.tag(name, {TAG: value})


def replaced(found: Inbox, sums: Sums, published: Mapping[Month, Sums], was: Sums) -> dict[str, str]:
    """The files that history was made of, as they are; and the days of a month that was made of the month's file."""
    told: dict[str, str] = {}
    for month, files in sorted(found.months.items()):
        taken = {file.key: sums[file.key] for file in files.taken}
        if month in published and taken.items() <= {**was, **published[month]}.items():
            told |= taken | {file.key: sums[file.key] for file in files.beside}
    return told

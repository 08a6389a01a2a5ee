"""The lake's inbox: published files as they came, each with its checksum; one without is not whole."""

import json
from collections.abc import Mapping
from pathlib import Path

from ingest.exchanges.exchange import Dump, Exchange
from ingest.landing import Store
from ingest.rest.download import File
from ingest.rest.parts import Part

ROOT = "inbox"
LOADS = "control/loads.json"  # what history was made of: {"v": 1, "files": {key: sha256}}
CHECKSUM = ".CHECKSUM"


class InboxError(Exception):
    """The lake holds something else than it should; says what."""


def folder(exchange: Exchange, dump: Dump, pair: str, period: str) -> str:
    """Where the files of a pair lie."""
    return f"{ROOT}/{exchange.venue}/{exchange.market}/{period}/{dump.dataset}/{exchange.symbol(pair)}/"


class Inbox:
    """What is there of one kind of files, and what history was made of."""

    def __init__(self, store: Store, exchange: Exchange, dump: Dump) -> None:
        self._store = store
        self._exchange = exchange
        self._dump = dump
        self._loads = loads(store)

    def key(self, pair: str, part: Part) -> str:
        return folder(self._exchange, self._dump, pair, part.period) + part.name

    def there(self, pair: str, period: str) -> set[str]:
        """The keys that need not be fetched."""
        below = folder(self._exchange, self._dump, pair, period)
        whole = {key.removesuffix(CHECKSUM) for key in self._store.keys(below) if key.endswith(CHECKSUM)}
        return whole.union(key for key in self._loads if key.startswith(below))

    def sha256(self, key: str) -> str | None:
        """Of the file that is there, or else of the one that history was made of."""
        there = self._store.get(key + CHECKSUM)
        return there[0].partition(b" ")[0].decode("ascii", "replace") if there else self._loads.get(key)

    def take(self, key: str, file: File) -> None:
        """Put a file there, in the place of another one. Its checksum comes last, and goes first."""
        self._store.delete(key + CHECKSUM)
        self._store.put(key, file.path)
        sidecar = Path(f"{file.path}.sum")
        sidecar.write_text(f"{file.sha256}  {file.name}\n")
        try:
            self._store.put(key + CHECKSUM, sidecar)
        finally:
            sidecar.unlink()


def loads(store: Store) -> Mapping[str, str]:
    """Key -> sha256 of each file that history was made of."""
    found = store.get(LOADS)
    if found is None:
        return {}
    try:
        read = json.loads(found[0])
        files = read["files"]
        if read["v"] == 1 and all(isinstance(name, str) and isinstance(sum_, str) for name, sum_ in files.items()):
            return dict(files)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InboxError(f'{LOADS} is {found[0][:100]!r}: {{"v": 1, "files": {{key: sha256}}}} would be right')

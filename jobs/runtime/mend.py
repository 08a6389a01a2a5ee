"""Damaged landing objects: found by their names, moved aside, replaced by what can be believed of them."""

import gzip
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from datetime import date

from ingest.landing import Store

DIGEST = re.compile(r"-([0-9a-f]{12})\.jsonl\.gz$")
DAY = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})/")


@dataclass(frozen=True)
class Damage:
    """One object that was not what its name says."""

    object: str
    detail: str
    sha256: str  # of the damaged original

    @property
    def day(self) -> date:
        found = DAY.search(self.object)
        assert found is not None, f"{self.object}: no day in a landing object's name"
        return date.fromisoformat(found[1])


def believed(data: bytes) -> tuple[bytes, str]:
    """The lines that can be believed, and what was wrong: members whose CRC holds; of one that is only cut, its whole lines."""
    kept: list[bytes] = []
    wrong: list[str] = []
    rest, number = data, 0
    while rest:
        number += 1
        inflate = zlib.decompressobj(wbits=31)
        try:
            text = inflate.decompress(rest)
        except zlib.error as error:
            wrong.append(f"member {number}: {error}")
            after = rest.find(b"\x1f\x8b\x08", 1)  # the next member, if there is one; a chance match fails its own CRC
            rest = rest[after:] if after > 0 else b""
            continue
        if not inflate.eof:
            wrong.append(f"member {number}: cut after {len(text)} bytes of text")
            kept.append(text[: text.rfind(b"\n") + 1])
            break
        kept.append(text)
        rest = inflate.unused_data
    return b"".join(kept), "; ".join(wrong)


def check(store: Store, key: str) -> Damage | None:
    """Mend an object if it is not what its name says; None if it is, or was mended before."""
    found = store.get(key)
    if found is None:
        return _replaced(store, key, b"", None, b"", "vanished")
    data, version = found
    lines, wrong = believed(data)
    named = DIGEST.search(key)
    if not wrong and named is not None and hashlib.sha256(lines).hexdigest()[:12] != named[1]:
        if store.get(_aside(key)) is not None:
            return None  # mended before: the name is the original's
        wrong = "its lines are not those that its name was made from"
    return _replaced(store, key, data, version, lines, wrong) if wrong else None


def _replaced(store: Store, key: str, data: bytes, version: str | None, lines: bytes, wrong: str) -> Damage:
    if data:
        store.create(_aside(key), data)
    store.replace(key, gzip.compress(lines, mtime=0), version)
    kept = lines.count(b"\n")
    return Damage(
        key, f"{wrong}; {kept} lines kept; the original is {_aside(key) if data else 'gone'}", hashlib.sha256(data).hexdigest()
    )


def _aside(key: str) -> str:
    return f"damaged/{key.removeprefix('landing/')}"


def batch_objects(store: Store, checkpoint: str) -> list[str]:
    """The objects of a checkpoint's newest batch, relative to the lake: those of a batch that failed."""
    logs = [key for key in store.keys(f"{checkpoint}/sources/0/") if key.rsplit("/", 1)[-1].isdigit()]
    if not logs:
        return []
    found = store.get(max(logs, key=lambda key: int(key.rsplit("/", 1)[-1])))
    entries = [json.loads(line) for line in (found[0] if found else b"").splitlines()[1:]]
    return [entry["path"][entry["path"].index("/landing/channel=") + 1 :] for entry in entries]

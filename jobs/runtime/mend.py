"""Damaged landing objects: found by their names, moved aside, replaced by what can be believed of them."""

import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass, field
from datetime import date

from ingest.landing import Store

DIGEST = re.compile(r"-([0-9a-f]{12})\.jsonl\.gz$")
NEWLINE = b"\n"
DAY = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})/")


MEMBER = b"\x1f\x8b\x08\x00"  # how a member begins
LARGEST = 1 << 24  # bytes of text in one


@dataclass(frozen=True)
class Damage:
    """One object that is not what its name says."""

    object: str
    detail: str
    sha256: str  # of the damaged original
    original: bytes = field(repr=False)
    version: str | None = field(repr=False)  # of the original in the store; None: there is none
    lines: bytes = field(repr=False)  # that can be believed

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
        text, left, error = _inflated(rest)
        if left is not None:
            kept.append(text)
            rest = left
        elif error or _goes_on(rest):
            wrong.append(f"member {number}: {error or 'does not end where it should'}")
            after = rest.find(MEMBER, 1)  # the next one, if there is one; a chance match fails its own CRC
            rest = rest[after:] if after > 0 else b""
        else:
            wrong.append(f"member {number}: cut after {len(text)} bytes of text")
            kept.append(text[: text.rfind(b"\n") + 1])
            break
    return b"".join(kept), "; ".join(wrong)


def _inflated(data: bytes) -> tuple[bytes, bytes | None, str]:
    """Text of the first member, what follows it (None: it has no end that holds), and what is wrong."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        text = inflate.decompress(data)
    except zlib.error as error:
        return b"", None, str(error)
    return text, inflate.unused_data if inflate.eof else None, ""


def _goes_on(rest: bytes) -> bool:
    """Of a member without an end: is it rotten, not cut? If a whole one follows, or the last bytes tell a likely size."""
    after = rest.find(MEMBER, 1)
    while after > 0:
        if _inflated(rest[after:])[1] is not None:
            return True
        after = rest.find(MEMBER, after + 1)
    return 0 < int.from_bytes(rest[-4:], "little") <= LARGEST  # one in 256 of cut ones looks so too


def inspect(store: Store, key: str) -> Damage | None:
    """What is wrong with an object; None where it is what its name says, or was mended before."""
    found = store.get(key)
    if found is None:
        return _damage(key, b"", None, b"", "vanished")
    seen = inspected(store, key, *found)
    return seen if isinstance(seen, Damage) else None


def inspected(store: Store, key: str, data: bytes, version: str) -> Damage | bytes:
    """The lines of an object, or what is wrong with it."""
    lines, wrong = believed(data)
    named = DIGEST.search(key)
    if not wrong and named is not None and hashlib.sha256(lines).hexdigest()[:12] != named[1]:
        aside = store.get(_aside(key))
        if aside is not None and aside[0] != data:
            return lines  # mended before: the name is the original's
        wrong = "its lines are not those that its name was made from"
    return _damage(key, data, version, lines, wrong) if wrong else lines


def _damage(key: str, data: bytes, version: str | None, lines: bytes, wrong: str) -> Damage:
    where = "gone" if version is None else _aside(key)
    detail = f"{wrong}; {lines.count(NEWLINE)} lines kept; the original is {where}"
    return Damage(key, detail, hashlib.sha256(data).hexdigest(), data, version, lines)


def mend(store: Store, damage: Damage) -> None:
    """Move the object aside and put what can be believed of it in its place. To be noted before: afterwards nobody sees it."""
    store.create(_aside(damage.object), damage.original)
    store.replace(damage.object, gzip.compress(damage.lines, mtime=0), damage.version)


def _aside(key: str) -> str:
    return f"damaged/{key.removeprefix('landing/')}"

"""Objects in Glacier: a job that would have to read some names them all before it does anything."""

from collections.abc import Collection
from datetime import UTC, datetime

from jobs.runtime.lake import LakeError, Place

NAMED = 3


def refuse(where: Place, job: str, keys: Collection[str]) -> None:
    """Go on only if each of these can be read. Else the whole list is put into the lake, for the command that restores them."""
    found = sorted(where.store.frozen(keys))
    if not found:
        return
    told = f"control/restore/{job}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.txt"
    there = where.store.get(told)
    where.store.replace(told, "".join(f"{key}\n" for key, _ in found).encode(), there[1] if there else None)
    names = ", ".join(key for key, _ in found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    raise LakeError(
        f"{len(found)} objects that are needed lie in Glacier, {sum(size for _, size in found)} bytes: {names}. Nothing was done. "
        f"Restore them by `python -m setup.lifecycle --conf FILE --restore {told}`, and run this again some hours later"
    )

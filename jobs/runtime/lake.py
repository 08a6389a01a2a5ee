"""The lake as a job sees it: its place for Spark, its layout, its checkpoints."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from ingest import landing
from ingest.landing import Store
from ingest.settings import Lake
from jobs.runtime.live import Live, TableError

LAYOUT = 1
CONDEMNED = "condemned"  # in the place of a checkpoint's id


class LakeError(Exception):
    """The lake is not one that this program may write."""


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    root: str  # as Spark names it
    store: Store

    def table(self, name: str) -> str:
        return f"{self.root}/tables/{name}"

    def landing(self, channel: str) -> str:
        return f"{self.root}/landing/channel={channel}"


def place(lake: Lake, *, make: bool = True) -> Place:
    """Find the lake, and refuse one that a newer program has made. `make`: begin it where there is none."""
    store = landing.store(lake)
    root = lake.path.rstrip("/") if lake.path.startswith("s3://") else str(Path(lake.path).absolute())
    if make:
        store.create("control/lake.json", json.dumps({"layout": LAYOUT}).encode())
    found = store.get("control/lake.json")
    if found is None and not make:
        return Place(root, store)
    layout = json.loads(found[0])["layout"] if found else None
    if layout != LAYOUT:
        raise LakeError(f"{root}: the lake's layout is {layout}; this program knows {LAYOUT}: use the ticklake that wrote it")
    if make and isinstance(store, landing.Files):
        for channel in (
            "trades",
        ):  # the others are read once something has landed there; a file source wants its folder to be there
            Path(root, f"landing/channel={channel}").mkdir(parents=True, exist_ok=True)
    return Place(root, store)


def checkpoint(live: Live, query: str) -> tuple[str, str]:
    """(The query's checkpoint, its id.) A checkpoint belongs to its tables: a property of theirs holds its generation and id."""
    generation, id_ = _said(live, query)
    folder = f"checkpoints/{query}/{generation}"
    found = live.store.get(f"{folder}/metadata")
    there = json.loads(found[0])["id"] if found else None
    if there is not None and there != id_:
        whose = f"the table belongs to query {id_}" if id_ else "the table does not know it"
        raise TableError(f"{folder} belongs to query {there}, but {whose}: put the right tables back, or remove the checkpoint")
    return (folder, there) if there is not None else _begin(live, query, generation)


def current(live: Live, query: str) -> str | None:
    """The folder of the query's checkpoint; None where it has not begun one."""
    folder = f"checkpoints/{query}/{_said(live, query)[0]}"
    return folder if live.store.get(f"{folder}/metadata") is not None else None


def go_on(live: Live, query: str) -> tuple[str, str]:
    """A new checkpoint, empty, after one whose objects have all left the landing zone."""
    return _begin(live, query, _unused(live, query, _said(live, query)[0]))


def condemn(live: Live, query: str) -> None:
    """Tell the table that its checkpoint is not to be believed, until `renew` has made another."""
    generation, _ = _said(live, query)
    live.set_property(f"ticklake.checkpoint.{query}", f"{_unused(live, query, generation)} {CONDEMNED}")


def is_condemned(live: Live, query: str) -> bool:
    """Was somebody stopped between `condemn` and `renew`?"""
    return _said(live, query)[1] == CONDEMNED


def renew(live: Live, query: str) -> tuple[str, str]:
    """The checkpoint in the place of a condemned one, empty: everything is read again."""
    assert is_condemned(live, query), f"{live.path}: nobody has condemned the checkpoint of {query}"
    return _begin(live, query, _unused(live, query, _said(live, query)[0]))


def _unused(live: Live, query: str, generation: int) -> int:
    """The first generation from this one on that no query has begun: a restored table may name one that is long in use."""
    while live.store.get(f"checkpoints/{query}/{generation}/metadata") is not None:
        generation += 1
    return generation


def _said(live: Live, query: str) -> tuple[int, str]:
    """(Generation, id) of the checkpoint that belongs to the table."""
    generation, _, id_ = live.properties.get(f"ticklake.checkpoint.{query}", "1 ").partition(" ")
    return int(generation), id_


def _begin(live: Live, query: str, generation: int) -> tuple[str, str]:
    folder, id_ = f"checkpoints/{query}/{generation}", str(uuid.uuid4())
    # in this order: a property without its checkpoint is begun anew by the next start; the other way round is refused
    live.set_property(f"ticklake.checkpoint.{query}", f"{generation} {id_}")
    if not live.store.create(f"{folder}/metadata", json.dumps({"id": id_}).encode()):
        raise TableError(f"{folder} was begun by somebody else at the same moment: start again")
    return folder, id_

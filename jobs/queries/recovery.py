"""A query's first start, and what has to be done before it is tried again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.landing import Store
from jobs.runtime import lake, mend
from jobs.runtime.live import Foreign, Live
from jobs.runtime.mend import Damage

log = logging.getLogger(__name__)


class Query(Protocol):
    """What is started again."""

    def start(self) -> None:
        """Learn what there is to know. Foreign: somebody else wrote."""
        ...

    def note_damage(self, damaged: Sequence[Damage], /) -> None:
        """Say which objects are not what their names say."""
        ...


@dataclass
class Recovery:
    """A query between its lives, and its checkpoint."""

    name: str
    query_: Query
    live: Live  # the table that the checkpoint belongs to
    repair: Callable[[], None]  # make the tables what one driver would have made of the same landing zone
    store: Store
    folder: str = ""
    query: str = ""

    def begin(self) -> None:
        """Start it, whatever the last life left."""
        try:
            self.query_.start()
        except Foreign as error:
            self._repair(error)
            return
        if lake.is_condemned(self.live, self.name):
            self._repair("a repair was cut short")
        else:
            self.folder, self.query = lake.checkpoint(self.live, self.name)

    def recover(self, error: BaseException) -> None:
        """Start it again after a failure: a second driver's traces are removed, damaged objects mended."""
        if isinstance(error, Foreign):
            self._repair(error)
            return
        self.begin()
        inspected = [mend.inspect(self.store, key) for key in mend.batch_objects(self.store, self.folder)]
        damaged = [damage for damage in inspected if damage is not None]
        self.query_.note_damage(damaged)
        for damage in damaged:
            mend.mend(self.store, damage)

    def _repair(self, why: object) -> None:
        """Nothing of the state is believed, and everything is read again: on S3 another's commit may have replaced ours."""
        log.error("event=foreign_commit query=%s detail=%s", self.name, why)
        self.live.open(accept=True)
        lake.condemn(self.live, self.name)  # first: if this driver dies on the way, the next one begins the repair again
        self.repair()
        self.folder, self.query = lake.renew(self.live, self.name)

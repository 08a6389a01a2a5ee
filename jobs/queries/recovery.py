"""A query's first start, and what has to be done before it is tried again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.landing import Store
from jobs.runtime import archive, lake, mend, sources
from jobs.runtime.live import Foreign, Live, TableError
from jobs.runtime.mend import Damage
from jobs.runtime.streaming import LogIsLong

log = logging.getLogger(__name__)
MOST = 200_000  # entries in a checkpoint's log of what was read; Spark keeps all of it in memory, and writes it anew every ten batches


class Vanished(Exception):  # noqa: N818 - says what is so
    """Landing objects that a batch was to read are gone."""


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
    is_long: bool = False  # is the checkpoint's log of what was read longer than it should be?

    def begin(self) -> None:
        """Start it, whatever the last life left."""
        try:
            self.query_.start()
        except Foreign as error:
            self._repair(error)
            return
        if lake.is_condemned(self.live, self.name):
            self._repair("a repair was cut short")
            return
        if self.live.version == 0 and archive.has(self.store, self.name):
            raise TableError(
                f"{self.live.path} is new, but the archive has days of {self.name} that landed before: "
                f"./spark-submit.sh rebuild --table {self.live.table.name} makes it of all that landed"
            )
        self.folder, self.query = lake.checkpoint(self.live, self.name)
        self.measure()
        if self.is_long:
            self._go_on()

    def recover(self, error: BaseException) -> None:
        """Start it again after a failure: a second driver's traces are removed, damaged objects mended."""
        if isinstance(error, Foreign):
            self._repair(error)
            return
        self.begin()
        if isinstance(error, LogIsLong):
            return
        inspected = [self._inspected(key) for key in sources.uncommitted(self.store, self.folder)]
        damaged = [damage for damage in inspected if damage is not None]
        self.query_.note_damage(damaged)
        for damage in damaged:
            mend.mend(self.store, damage)

    def _inspected(self, key: str) -> Damage | None:
        """What is wrong with an object, once what was only sealed is back."""
        found = mend.inspect(self.store, key)
        if found is not None and found.version is None and archive.bring_back(self.store, key):
            log.warning("event=brought_back object=%s", key)
            found = mend.inspect(self.store, key)
        return found

    def measure(self) -> None:
        """Look how long the log of what was read has become."""
        self.is_long = len(sources.entries(self.store, self.folder)) > MOST

    def admit(self, number: int) -> None:
        """Begin no batch where a new checkpoint is due, or of which objects are not there.

        Spark would leave out without a word what is gone when it lists a batch that was planned before, and read nothing of nothing.
        """
        if self.is_long:
            raise LogIsLong
        planned = sources.of_batch(self.store, self.folder, number)
        there: set[str] = set()
        for folder in {key.rpartition("/")[0] for key in planned}:
            there.update(key for key, size in self.store.sizes(f"{folder}/") if size)
        if missing := sorted(set(planned) - there):
            raise Vanished(
                f"batch {number} of {self.name}: {len(missing)} landing objects are gone or empty, such as {missing[0]}"
            )

    def _go_on(self) -> None:
        """All that was committed leaves the landing zone, so that a new checkpoint begins with what was not."""
        done = archive.seal(self.store, sources.committed(self.store, self.folder), stopping=lambda: False)
        former = self.folder
        self.folder, self.query = lake.go_on(self.live, self.name)
        self.is_long = False
        log.info("event=new_checkpoint query=%s from=%s to=%s sealed=%d", self.name, former, self.folder, done.objects)

    def _repair(self, why: object) -> None:
        """Nothing of the state is believed, and everything is read again: on S3 another's commit may have replaced ours."""
        log.error("event=foreign_commit query=%s detail=%s", self.name, why)
        self.live.open(accept=True)
        lake.condemn(self.live, self.name)  # first: if this driver dies on the way, the next one begins the repair again
        self.repair()
        self.folder, self.query = lake.renew(self.live, self.name)

"""A query's first start, and what has to be done before it is tried again."""

import logging
from dataclasses import dataclass

from ingest.landing import Store
from jobs.queries import foreign
from jobs.queries.trades import Trades
from jobs.runtime import lake, mend
from jobs.runtime.live import Foreign

log = logging.getLogger(__name__)


@dataclass
class Recovery:
    """The trades query between its lives, and its checkpoint."""

    trades: Trades
    store: Store
    folder: str = ""
    query: str = ""

    def begin(self) -> None:
        """Start it, whatever the last life left."""
        try:
            self.trades.start()
        except Foreign as error:
            self._repair(error)
            return
        if lake.is_condemned(self.trades.tables.trades, "trades"):
            self._repair("a repair was cut short")
        else:
            self.folder, self.query = lake.checkpoint(self.trades.tables.trades, "trades")

    def recover(self, error: BaseException) -> None:
        """Start it again after a failure: a second driver's traces are removed, damaged objects mended."""
        if isinstance(error, Foreign):
            self._repair(error)
            return
        self.begin()
        inspected = [mend.inspect(self.store, key) for key in mend.batch_objects(self.store, self.folder)]
        damaged = [damage for damage in inspected if damage is not None]
        self.trades.note_damage(damaged)
        for damage in damaged:
            mend.mend(self.store, damage)

    def _repair(self, why: object) -> None:
        """Nothing of the state is believed, and everything is read again: on S3 another's commit may have replaced ours."""
        log.error("event=foreign_commit query=trades detail=%s", why)
        table = self.trades.tables.trades
        table.open(accept=True)
        lake.condemn(table, "trades")  # first: if this driver dies on the way, the next one begins the repair again
        foreign.repair(self.trades)
        self.folder, self.query = lake.renew(table, "trades")

"""What readers of SQL are told of the months of history, in an order in which no view ever reads what is not there."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from ingest.settings import Catalog, Lake
from jobs.readers import ddl
from jobs.readers.athena import Athena
from jobs.readers.glue import Glue, client, glue, spoken
from jobs.readers.names import HISTORY
from jobs.readers.views import View, unions
from jobs.transforms.published import Month

log = logging.getLogger(__name__)
Published = Mapping[str, Sequence[Month]]  # by dataset


def brought(
    there: Glue, athena: Athena, published: Published, views: Sequence[View], check: Callable[[], None]
) -> tuple[int, int]:
    """Partitions are there before a view reads them, and until none does any more. How many were added, and dropped."""
    added = sum(there.add_partitions(dataset, published.get(dataset, ())) for dataset in HISTORY)
    for view in views:
        check()
        athena.run(view.name, ddl.create_view(view, there.database))
    return added, sum(there.drop_partitions(dataset, published.get(dataset, ())) for dataset in HISTORY)


def follow(lake: Lake, settings: Catalog, published: Published, live: Collection[str], check: Callable[[], None]) -> None:
    """After other months were published: their partitions, and the views that tell live from history. `live`: the Delta tables there are.

    Before `catalog` has run there is nothing to follow: it will tell everything. One that is not configured is nobody's.
    """
    if not lake.path.startswith("s3://") or settings.athena_output is None:
        return
    there = glue(lake, settings)
    with spoken():
        if not all(there.has(dataset) for dataset in HISTORY):
            log.info("event=no_catalog database=%s", settings.database)
            return
        athena = Athena(client("athena", lake, settings), settings.database, settings.athena_output)
        brought(there, athena, published, unions(published, live), check)

"""What is said of minutes of history besides their values."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from jobs.history.columns import schema
from jobs.history.minutes import Flags
from jobs.history.sums import MINUTE
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES


def flagged(values: pa.Table, flags: Flags, now: datetime) -> pa.Table:
    """The rows of `minute_aggregates` of a month, of the key and the values in their order."""
    size = len(values)
    if flags.missing is None:
        missing, is_complete = pa.nulls(size, pa.int64()), pa.nulls(size, pa.bool_())
    else:
        minute = pc.divide(values.column("minute").cast(pa.int64()), MINUTE)
        place = pc.index_in(minute, pa.array(flags.missing.keys(), pa.int64()))
        missing = pc.fill_null(pc.take(pa.array(flags.missing.values(), pa.int64()), place), 0)
        is_complete = pc.is_null(place)
    revision = pa.repeat(pa.scalar(1, pa.int64()), size)
    if flags.is_newest:
        revision = pa.concat_arrays([revision.slice(1), pa.array([0])])
    told = {
        "missing_trades": missing,
        "is_complete": is_complete,
        "revision": revision,
        "updated_at": pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), size),
    }
    shape = schema(MINUTE_AGGREGATES)
    columns = [told[name] if name in told else values.column(name) for name in shape.names]
    return pa.table(columns, shape.names).cast(shape)

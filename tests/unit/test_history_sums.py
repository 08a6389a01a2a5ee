"""What the trades of each minute of a month come to, held to a plain computation, wherever the file's batches end."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.history.sums import schema, sums
from jobs.transforms.minutes import SUMS
from tests.support.sums import START, expected, trades, write


def added(rows, at_once):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "month.parquet"
        write(rows, path)
        tables = list(sums(path, at_once))
    assert all(table.schema == schema() for table in tables)
    times = {name: pa.int64() for name in ("minute", "first_ts", "last_ts")}
    return [
        {name: row[name] for name in SUMS if name in row}
        for table in tables
        for row in table.cast(pa.schema([field.with_type(times.get(field.name, field.type)) for field in schema()])).to_pylist()
    ]


@given(seed=st.integers(0, 10**6), count=st.integers(0, 60), at_once=st.integers(1, 61))
def test_each_minute_is_added_up_once(seed: int, count: int, at_once: int):
    rows = trades(seed, count)
    assert added(rows, at_once) == expected(rows)


def test_a_sum_that_does_not_fit_is_none_and_the_largest_one_that_fits_is_itself():
    rows = [row for row in trades(5, 200) if row["taker_side"] == "buy"][:2]
    one, other = ({**row, "ts": START, "trade_id": number} for number, row in enumerate(rows))
    fits = [{**one, "quote_quantity": 10**20 - 2}, {**other, "quote_quantity": 1}]
    assert [row["quote_bought"] for row in added(fits, 10)] == [10**20 - 1]
    assert [row["quote_bought"] for row in added([fits[0], {**fits[1], "quote_quantity": 2}], 10)] == [None]

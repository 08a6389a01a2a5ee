"""Rows of files of the past: each as a plain computation has it, or told with its line and what is wrong."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.exchanges import find_exchange
from ingest.packed import UnreadableError
from jobs.history import rows as history
from jobs.history.rows import Form, batches, midnight
from tests.support.history import Meant, agg_csv, meant

SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
T = 1704067200000  # milliseconds: the first of January 2024
NAMES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
PLAIN = agg_csv(
    [(7, "61000.5", "0.01", T, True), (8, "61000.50000000", "12", T + 5, False), (10, "0.0000000001", "0.00000001", T + 5, True)]
)


def form(market="spot", kind="agg_trade", first=date(2024, 1, 1), until=date(2024, 2, 1)):
    exchange = find_exchange("binance", market)
    return Form(exchange.dumps.kinds[kind], exchange.readings[kind, "dump"], midnight(first), midnight(until), 1000)


def read(text, how=None):
    data = text.encode() if isinstance(text, str) else text
    rows, rejects = [], []
    for batch in batches(io.BytesIO(data), "A.csv", how or form()):
        names = ("trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity")
        columns = {name: getattr(batch, name).to_pylist() for name in names}
        columns["taker_side"] = ["buy" if is_buy else "sell" for is_buy in batch.is_buy.to_pylist()]
        columns["ts"] = [
            datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000) for at in batch.ts.to_pylist()
        ]
        columns["seq"] = batch.line.to_pylist()
        rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        rejects += [tuple(reject) for reject in batch.rejects]
    return Meant(rows, rejects)


def test_rows_that_are_in_order():
    found = read(PLAIN)
    assert found == meant(PLAIN, "agg_trade", 8, SINCE, UNTIL)
    assert [str(row["quote_quantity"]) for row in found.rows] == ["610.005000000000000000", "732006.000000000000000000", "1E-18"]


@pytest.mark.parametrize(
    ("market", "kind", "columns", "text"),
    [
        ("spot", "trade", 7, f"5,61000.5,0.01,610.005,{T},True,True\n6,61000.5,0.02,1220.01,{T},False,True\n"),
        ("usdm", "agg_trade", 7, f"5,61000.5,0.01,9,10,{T},true\n6,61000.5,0.02,11,11,{T},false\n"),
        ("usdm", "trade", 6, f"5,61000.5,0.01,610.005,{T},true\n6,61000.5,0.02,1220.01,{T},false\n"),
    ],
)
def test_the_columns_of_each_kind(market, kind, columns, text):
    found = read(text, form(market, kind))
    assert found == meant(text, kind, columns, SINCE, UNTIL)
    assert (len(found.rows), found.rows[0]["taker_side"], found.rows[1]["taker_side"]) == (2, "sell", "buy")


def test_a_row_of_names_is_known_by_its_names():
    text = f"5,61000.5,0.01,9,10,{T},true\n"
    assert read(f"{NAMES}\n{text}", form("usdm")) == meant(f"{NAMES}\n{text}", "agg_trade", 7, SINCE, UNTIL, named=True)
    assert read(text, form("usdm")).rows[0]["seq"] == 1
    with pytest.raises(
        UnreadableError, match=r"A.csv: begins with b'time,price'; the names agg_trade_id,.*, or an id, would be right"
    ):
        read("time,price\n", form("usdm"))
    with pytest.raises(
        UnreadableError, match=r"A.csv: begins with b'agg_trade_id,.*'; the names agg_trade_id,.*,is_best_match, or an"
    ):
        read(f"{NAMES}\n{PLAIN}")
    nameless = replace(form(), dump=replace(form().dump, header=()))
    with pytest.raises(UnreadableError, match=r"A.csv: begins with b'agg_trade_id,.*'; an id would be right"):
        read(f"{NAMES}\n{PLAIN}", nameless)


# written out here, and not by way of the exchange's value: what stands in a file
PUBLISHED = {
    ("spot", "agg_trade"): (
        f"{NAMES},is_best_match",
        "7,61000.5,0.01,14,15,{at},True,True\n8,61000.6,0.02,16,16,{at},False,True\n",
    ),
    ("spot", "trade"): (
        "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match",
        "7,61000.5,0.01,610.005,{at},True,True\n8,61000.6,0.02,1220.012,{at},False,True\n",
    ),
    ("usdm", "agg_trade"): (NAMES, "7,61000.5,0.01,14,15,{at},true\n8,61000.6,0.02,16,16,{at},false\n"),
    ("usdm", "trade"): (
        "id,price,qty,quote_qty,time,is_buyer_maker",
        "7,61000.5,0.01,610.005,{at},true\n8,61000.6,0.02,1220.012,{at},false\n",
    ),
}


def quoted(text):
    return "".join(",".join(f'"{value}"' for value in line.split(",")) + "\n" for line in text.splitlines())


@pytest.mark.parametrize(("market", "kind"), PUBLISHED)
@pytest.mark.parametrize("day", [date(2019, 12, 31), date(2022, 8, 10), date(2022, 8, 11), date(2025, 1, 1), date(2031, 7, 1)])
@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("write", [str, quoted])
def test_names_or_none_quotes_or_none_at_any_date_and_arrow_alone_reads_them(monkeypatch, market, kind, day, is_named, write):
    """Names came in 2022, microseconds in 2025, each to some files: the day tells neither."""

    def slow(*_):
        raise AssertionError("row by row, which takes a hundred times as long")

    monkeypatch.setattr(history, "_judged", slow)
    names, rows = PUBLISHED[market, kind]
    since, until = (datetime(one.year, one.month, one.day, tzinfo=UTC) for one in (day, day + timedelta(days=1)))
    milliseconds = int(since.timestamp()) * 1000 + 10
    for at in (milliseconds, milliseconds * 1000 + 866):
        text = write(f"{names}\n" * is_named + rows.format(at=at))
        columns = rows.partition("\n")[0].count(",") + 1
        found = read(text, form(market, kind, day, until.date()))
        assert found == meant(text, kind, columns, since, until, named=is_named)
        assert [(row["taker_side"], row["seq"]) for row in found.rows] == [("sell", 1 + is_named), ("buy", 2 + is_named)]
        assert {row["ts"] for row in found.rows} == {since + timedelta(milliseconds=10)}


def test_microseconds_are_told_by_their_digits_and_floored_to_what_the_stream_tells():
    text = agg_csv([(7, "1", "1", T * 1000 + 1999, True), (8, "1", "1", T + 3, True)])
    found = read(text)
    assert found == meant(text, "agg_trade", 8, SINCE, UNTIL)
    assert [row["ts"].microsecond for row in found.rows] == [1000, 3000]


@pytest.mark.parametrize("write", [str, quoted])
@pytest.mark.parametrize(("market", "kind"), PUBLISHED)
def test_a_row_that_is_no_trade_changes_nothing_of_those_beside_it(market, kind, write):
    """They are read another way then, row by row."""
    rows = PUBLISHED[market, kind][1].format(at=T * 1000 + 866)
    text = write("NA,0\n" + rows)
    found = read(text, form(market, kind))
    assert found.rejects == [(1, "columns", text.partition("\n")[0], None)]
    assert found.rows == [{**row, "seq": row["seq"] + 1} for row in read(rows, form(market, kind)).rows]
    assert [row["ts"] for row in found.rows] == [SINCE, SINCE]


def test_the_day_on_which_spot_went_over_to_microseconds_and_usdm_did_not():
    """The times are those of published files."""
    before = "9,1,1,1,1,1735689599999,True,True\n"
    after = "10,1,1,1,1,1735689600010866,True,True\n"
    future = "10,1,1,1,1,1735689600010,true\n"
    year, last = datetime(2025, 1, 1, tzinfo=UTC), form(first=date(2024, 12, 31), until=date(2025, 1, 1))
    first = {market: form(market, first=date(2025, 1, 1), until=date(2025, 1, 2)) for market in ("spot", "usdm")}
    assert [row["ts"] for row in read(before, last).rows] == [year - timedelta(milliseconds=1)]
    assert [row["ts"] for row in read(after, first["spot"]).rows] == [year + timedelta(milliseconds=10)]
    assert [row["ts"] for row in read(future, first["usdm"]).rows] == [year + timedelta(milliseconds=10)]
    assert [reject[:2] for reject in read(before, first["spot"]).rejects] == [(1, "ts")]
    assert [reject[:2] for reject in read(after, last).rejects] == [(1, "ts")]


def test_rows_in_the_place_of_trades_are_told_and_those_with_an_id_leave_no_hole():
    text = f"{NAMES}\nNA,NA,NA,NA,NA,NA,NA\n,,,,,,\n7,0,0,-1,-1,{T},false\n8,1.5,0,9,9,{T},false\n9,1.5,2,9,9,{T},false\n"
    found = read(text, form("usdm"))
    assert found == meant(text, "agg_trade", 7, SINCE, UNTIL, named=True)
    assert [row["trade_id"] for row in found.rows] == [9]
    lines = text.splitlines()
    assert found.rejects == [
        (2, "trade_id", lines[1], None),
        (3, "trade_id", lines[2], None),
        (4, "void", lines[3], 7),
        (5, "void", lines[4], 8),
    ]
    assert read(text.partition("\n")[2], form("usdm")).rejects[0] == (1, "trade_id", lines[1], None)


ODD = [
    ("NA,0,0,-1,-1,0,False,True", "trade_id"),
    ("9,0.00000000,0.00000000,-1,-1,{T},False,True", "void"),
    ("9,0.00000000,0.00000000,1,1,{T},False,True", "void"),
    ("9,1,-1,1,1,{T},False,True", "void"),
    ("9,NA,1,1,1,{T},False,True", "price"),
    ("9,NaN,1,1,1,{T},False,True", "price"),
    ("9,1.00000000001,1,1,1,{T},False,True", "price"),
    ("9,10000000000,1,1,1,{T},False,True", "price"),
    ("9,1,0.000000001,1,1,{T},False,True", "quantity"),
    ("9,1,,1,1,{T},False,True", "quantity"),
    ("9,9999999999,99999999999999,1,1,{T},False,True", "overflow"),
    ("9,1000000000,100000000000,1,1,{T},False,True", "overflow"),
    ("9,1,1,1,1,{T},maybe,True", "taker_side"),
    ("9,1,1,1,1,noon,False,True", "ts"),
    ("9,1,1,1,1,1703980800000,False,True", "ts"),
    ("9,1,1,1,1,1706745600000,False,True", "ts"),
    ("9,1,1,1,1,{T}", "columns"),
    ("9,1,1,1,1,{T},False,True,more", "columns"),
    ("9" * 19 + ",1,1,1,1,{T},False,True", "trade_id"),
    ("\ufffd,1,1,1,1,{T},False,True", "trade_id"),
]


@pytest.mark.parametrize(("odd", "reason"), ODD)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_row_that_cannot_be_believed_is_told_and_the_others_are_read(odd, reason, place):
    lines = PLAIN.splitlines()
    lines.insert(place, odd.replace("{T}", str(T)))
    text = "\n".join(lines) + "\n"
    if place == 0 and not odd[0].isdigit() and not odd.startswith("NA"):
        with pytest.raises(UnreadableError):
            read(text)
        return
    found = read(text)
    assert found == meant(text, "agg_trade", 8, SINCE, UNTIL)
    assert (len(found.rows), [(line, why) for line, why, *_ in found.rejects]) == (3, [(place + 1, reason)])


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        PLAIN + "\n",
        "\ufeff" + PLAIN,
        '"7","61000.5","0.01","14","15","' + f'{T}","True","True"\n',
        f"7,6.10005E+4,1e-2,14,15,{T},True,True\n",
        f"7,61000.500000000000,0.0100000000,14,15,{T},true,true\n",
        f"8,9999999999.9999999999,0.00000001,14,15,{T},true,true\n",
        f"8,999999999.9999999999,99999999999,14,15,{T},true,true\n",
        f"8,9999999999.9999999999,9999999999.99999999,14,15,{T},true,true\n",
        "",
        "\n",
    ],
)
def test_the_ways_in_which_the_same_is_written(text):
    assert read(text) == meant(text, "agg_trade", 8, SINCE, UNTIL)
    assert read(text).rejects == []


def test_lines_are_whole_and_counted_wherever_a_block_ends(monkeypatch):
    lines = [f"{number},{number}.5,1,1,1,{T + number},True,True" for number in range(1, 2000)]
    lines[700], lines[1500] = "x,1", f"9,0,1,1,1,{T},True,True"
    text = "\n".join(lines) + "\n"
    expected = meant(text, "agg_trade", 8, SINCE, UNTIL)
    for size in (100, 1009, 40_000):
        monkeypatch.setattr(history, "BLOCK", size)
        assert read(text) == expected


def test_a_line_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr(history, "BLOCK", 1000)
    with pytest.raises(UnreadableError, match=r"A.csv: a line of more than 10000 bytes; rows of a CSV would be right"):
        read("1" * 20_000)


NUMBER = st.one_of(
    st.decimals(min_value=0, max_value=10**15, allow_nan=False, places=None).map(lambda number: f"{number:f}"),
    st.sampled_from(
        ["0", "0.00000000", "", "NA", "1e-8", "1E+3", "-1", " 5 ", "+5", ".5", "5.", "1_0", "0x10", "inf", "null", "٣"]
    ),
)
ROW = st.tuples(
    st.sampled_from(["5", "6", "x", "", "-1", "007", "9" * 18]),
    NUMBER,
    NUMBER,
    st.sampled_from([str(T), str(T * 1000 + 7), str(T - 1), "0", "", "1.7E12"]),
    st.sampled_from(["True", "true", "TRUE", "False", "1", "0", ""]),
)


@given(st.lists(ROW, min_size=1, max_size=4))
def test_whatever_stands_there_is_read_as_a_plain_computation_does(rows):
    text = PLAIN + "".join(f"{number},{price},{quantity},1,2,{at},{maker},True\n" for number, price, quantity, at, maker in rows)
    assert read(text) == meant(text, "agg_trade", 8, SINCE, UNTIL)

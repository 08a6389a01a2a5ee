"""The rows of published files: told with their lines, verbatim; what is no such file is refused by name."""

import io
import json
import zipfile
import zlib
from dataclasses import replace

import pytest

from ingest.exchanges import find_exchange
from ingest.packed import UnreadableError
from ingest.rest.rows import Row, check, raw, rows
from tests.support import wire
from tests.support.dumps import NAMES, zipped
from tests.support.readings import rows as meant

SPOT = find_exchange("binance", "spot").dumps.kinds
USDM = find_exchange("binance", "usdm").dumps.kinds
FIRST = "3800397495,87648.21000000,0.08000000,5723703861,5723703863,1731000060009876,False,True"
SECOND = "3800397496,87648.20000000,0.01000000,5723703864,5723703864,1731000060010000,True,True"
FUTURE = "5933015,60000.20,0.001,108,108,1731000000201,false"


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "A.zip"
        path.write_bytes(zipped("A.csv", data) if isinstance(data, str) else data)
        return path

    return write


def test_rows_without_names_begin_at_the_first_line(file):
    found = list(rows(file(f"{FIRST}\n{SECOND}\n"), SPOT["agg_trade"]))
    assert found == [Row(1, 3800397495, FIRST.encode()), Row(2, 3800397496, SECOND.encode())]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_row_of_names_is_a_line_that_is_not_told(file, end):
    named = f"{NAMES.strip()}\r\n{FUTURE}{end}"
    assert list(rows(file(named), USDM["agg_trade"])) == [Row(2, 5933015, FUTURE.encode())]
    assert list(rows(file(FUTURE + end), USDM["agg_trade"])) == [Row(1, 5933015, FUTURE.encode())]


NAMED = {
    ("spot", "agg_trade"): f"{NAMES.strip()},is_best_match",
    ("spot", "trade"): "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match",
    ("usdm", "agg_trade"): NAMES.strip(),
    ("usdm", "trade"): "id,price,qty,quote_qty,time,is_buyer_maker",
}


@pytest.mark.parametrize(("market", "kind"), NAMED)
def test_names_or_none_and_quotes_or_none_in_the_files_of_every_kind(file, market, kind):
    names, dump = NAMED[market, kind], find_exchange("binance", market).dumps.kinds[kind]
    text = ",".join(["5", *"1" * (len(dump.fields) - 1)])
    for top in ([], [names]):
        lines = [*top, text]
        quoted = ['"' + line.replace(",", '","') + '"' for line in lines]
        for written in (lines, quoted):
            for mark in ("", "\ufeff"):
                assert list(rows(file(mark + "\n".join(written)), dump)) == [Row(len(lines), 5, text.encode())]


def test_a_file_of_a_day_without_trades_has_no_rows(file):
    assert list(rows(file(""), SPOT["agg_trade"])) == []
    assert list(rows(file(NAMES), USDM["agg_trade"])) == []


def test_rows_with_something_else_than_an_id_are_left_out(file, caplog):
    found = list(rows(file(f"{FIRST}\nNA,0,0,-1,-1,0,False,True\n{'9' * 20},1\n\n{SECOND}\n"), SPOT["agg_trade"]))
    assert [row.line for row in found] == [1, 5]
    assert caplog.text.count("event=odd_row") == 2


@pytest.mark.parametrize("names", ["", NAMES])
@pytest.mark.parametrize("odd", ["NA,0,0,-1,-1,0,false", ",,,,,,"])
def test_a_row_in_the_place_of_a_trade_is_left_out_where_it_is_the_first_one_too(file, caplog, names, odd):
    found = list(rows(file(f"{names}{odd}\n{FUTURE}\n"), USDM["agg_trade"]))
    assert found == [Row(3 if names else 2, 5933015, FUTURE.encode())]
    assert caplog.text.count("event=odd_row") == 1


def test_lines_are_whole_wherever_a_piece_ends(file):
    lines = [f"{number},{'x' * (number % 97)}".encode() for number in range(1, 60_000)]  # three pieces
    found = list(rows(file(b"\n".join(lines).decode()), SPOT["agg_trade"]))
    assert found == [Row(number, number, text) for number, text in enumerate(lines, 1)]


@pytest.mark.parametrize(
    ("market", "kind", "text"),
    [
        ("spot", "agg_trade", FIRST),
        ("spot", "trade", "5000000003,60000.00000000,1.00000000,60000.00000000,1731000060019,True,True"),
        ("usdm", "agg_trade", FUTURE),
        ("usdm", "trade", "5266583935,61800.30,0.006,370.80,1723161256321,true"),
    ],
)
def test_a_row_is_told_as_the_object_that_is_read(market, kind, text):
    exchange = find_exchange("binance", market)
    told = raw(Row(1, int(text.partition(",")[0]), text.encode()), exchange.dumps.kinds[kind])
    (other,) = [found for found in wire.others(exchange) if (found[0].kind, found[0].source) == (kind, "dump")]
    assert json.loads(told) == json.loads(other[0].raw)
    assert [row.trade_id for row in meant(exchange, kind, "dump", told)] == [int(text.partition(",")[0])]


@pytest.mark.parametrize("text", [b"5,1", b"5,1,2,3,4,5,6,7,8", b"5,1,2,3,4,5,\xff,7"])
def test_a_row_with_other_columns_is_no_object(text):
    assert raw(Row(1, 5, text), SPOT["agg_trade"]) is None


def of(*members, method=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


def broken(data):
    """One with another byte in the middle of what is packed."""
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0xFF]) + data[len(data) // 2 + 1 :]


RANDOM = "".join(f"{number},{zlib.crc32(b'%d' % number)}\n" for number in range(2000))
WRONG = [
    (b"<html>", "A.zip: no zip that can be read: File is not a zip file"),
    (of(("A.csv", RANDOM))[:-200], "A.zip: no zip that can be read: "),
    (broken(of(("A.csv", RANDOM))), "A.zip: no zip that can be read: "),
    (of(("A.csv", FIRST), ("B.csv", FIRST)), "A.zip: 2 files in it; one would be right"),
    (of(), "A.zip: 0 files in it; one would be right"),
    (of(("A.exe", FIRST)), "A.zip: 'A.exe' in it; a CSV would be right"),
    (of(("../A.csv", FIRST)), "A.zip: '../A.csv' in it; a CSV would be right"),
    (of(("A.csv", FIRST), method=zipfile.ZIP_LZMA), "A.zip: packed by method 14 or locked; deflate would be right"),
    (of(("A.csv", b"0" * 20_000_000)), "A.zip: 19.* bytes would become 20000000; 100 times as many at most would be right"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_published_file_is_refused_by_name_before_any_row_is_told(file, data, message):
    with pytest.raises(UnreadableError, match=message):
        check(file(data))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            SPOT["agg_trade"],
            f"{NAMES}{FIRST}\n",
            r"A.zip: begins with b'agg_trade_id,.*'; the names agg_trade_id,.*,is_best_match, or an id, would be right",
        ),
        (
            replace(SPOT["agg_trade"], header=()),
            f"{NAMES}{FIRST}\n",
            r"A.zip: begins with b'agg_trade_id,.*'; an id would be right",
        ),
        (
            USDM["agg_trade"],
            f"time,{FUTURE}\n",
            r"A.zip: begins with b'time,.*'; the names agg_trade_id,price,.*, or an id, would be right",
        ),
        (SPOT["agg_trade"], "7" * 2_000_000, "A.zip: a line of more than 10000 bytes; rows of a CSV would be right"),
    ],
)
def test_rows_of_something_else_are_refused_by_name(file, kind, text, message):
    check(file(FIRST))
    with pytest.raises(UnreadableError, match=message):
        list(rows(file(text), kind))

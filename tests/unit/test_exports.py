"""What is exported, without Spark: which files a change is in, how a file comes to its place, what is told of it, whatever dies."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.landing import Files
from ingest.settings import Lake
from jobs.export import Part, _month, _portions
from jobs.exports import files
from jobs.exports.files import File, Making, newest
from jobs.exports.layouts import EVER, LAYOUTS
from jobs.exports.loads import Load, Loads
from jobs.transforms.spans import minute_of

BTC, ETH = "BTC-USDT", "ETH-USDT"
FORMS = LAYOUTS["redshift"].forms
FOLDER = "exports/redshift/trades/"
A, B, C = (File(f"{FOLDER}files/{name}", len(name)) for name in ("a", "bb", "ccc"))


def at(text: str) -> int:
    return minute_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_a_change_is_looked_at_in_whole_files():
    changed = {BTC: [(at("2026-04-30T23:59"), at("2026-05-01T00:00")), (at("2026-05-03T10:00"), at("2026-05-03T10:00"))]}
    assert FORMS["trades"].looked_at(changed) == {
        BTC: [(at("2026-04-30"), at("2026-05-01T23:59")), (at("2026-05-03"), at("2026-05-03T23:59"))]
    }
    assert FORMS["bars"].looked_at(changed) == {BTC: [(at("2026-04-01"), at("2026-05-31T23:59"))]}
    assert FORMS["bars"].looked_at({BTC: [(at("2026-12-31T23:59"), at("2027-01-01"))]}) == {
        BTC: [(at("2026-12-01"), at("2027-01-31T23:59"))]
    }
    assert LAYOUTS["s4"].forms["klines"].looked_at(changed) == {BTC: [EVER]}


def test_a_file_s_path_tells_what_it_is_of():
    redshift, s0 = LAYOUTS["redshift"].what_of, LAYOUTS["s0"].what_of
    below = "pair=BTC-USDT/year=2026/month=5"
    assert redshift(f"{below}/2026-05-01") == (BTC, (at("2026-05-01"), at("2026-05-01T23:59")))
    assert redshift(f"{below}/2026-05") == (BTC, (at("2026-05-01"), at("2026-05-31T23:59")))
    assert s0("bitso/spot/btc_mxn/2026-05/btc_mxn_order_book_1777593600.csv") == (
        "BTC-MXN",
        (at("2026-05-01"), at("2026-05-01T23:59")),
    )
    assert [of("x/y") for of in (redshift, s0)] == [None, None]


def test_a_part_is_what_was_asked_for():
    spans = {BTC: [(10, 20), (30, 40)], ETH: [(0, 5)]}
    assert Part().clipped(spans) == spans
    assert Part((BTC,)).clipped(spans) == {BTC: spans[BTC]}
    assert Part((), 15, 31).clipped(spans) == {BTC: [(15, 20), (30, 30)]}
    assert Part((ETH,), 6).clipped(spans) == {}
    assert _month("2026-05") == at("2026-05-01")


def test_months_of_pairs_are_made_some_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.export.PORTION", 2)
    looked = {BTC: [(at("2026-04-30"), at("2026-06-01T23:59"))], ETH: [(at("2026-04-02"), at("2026-04-02T23:59"))]}
    assert list(_portions(FORMS["trades"], looked)) == [
        {BTC: [(at("2026-04-30"), at("2026-04-30T23:59"))], ETH: [(at("2026-04-02"), at("2026-04-02T23:59"))]},
        {BTC: [(at("2026-05-01"), at("2026-05-31T23:59")), (at("2026-06-01"), at("2026-06-01T23:59"))]},
    ]
    assert list(_portions(LAYOUTS["s4"].forms["klines"], {BTC: [EVER]})) == [{BTC: [EVER]}]


# --- files


def place(
    lake: Path, rows: int, there: str | None, *, note: str = "", columns: Sequence[str] = ("n BIGINT",), is_gone: bool = False
) -> files.Put:
    """A file with so many rows, and a note in its footer."""
    path = lake / "exports/.making/x"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"n": range(rows)})
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"note": note})
    one = Making("exports/.making/x", "2026-05-01", f"{FOLDER}files/", there, True, columns, is_gone)
    return files.put(Lake(str(lake)), [one])[0]


def _version(lake: Path, key: str) -> str | None:
    found = Files(lake).get(key)
    return found[1] if found else None


def test_other_rows_have_another_name_for_ever(lake: Path):
    """One, one again, another one, the first one again; and again, after it went; other columns."""
    first = place(lake, 1, None)
    names = [first.file.key]
    assert (first.is_new, first.file.bytes) == (True, (lake / names[0]).stat().st_size)
    assert re.fullmatch(rf"{FOLDER}files/2026-05-01\.000001\.[0-9a-f]{{12}}\.parquet", names[0])
    again = place(lake, 1, names[0], note="as another JVM writes it")
    assert (again.is_new, again.file.key) == (False, names[0])
    told = ({"rows": 2}, {"rows": 1}, {"rows": 1, "is_gone": True}, {"rows": 1, "columns": ("m BIGINT",)})
    for number, said in enumerate(told, 2):
        put = place(lake, there=names[-1], **said)  # type: ignore[arg-type]  # values of several types
        assert (put.is_new, Files(lake).get(put.file.key) is not None) == (True, True)
        assert put.file.key.startswith(f"{FOLDER}files/2026-05-01.{number:06}.")
        names.append(put.file.key)
    assert names[0].split(".")[2] == names[2].split(".")[2] != names[1].split(".")[2]  # one says what is in it
    there = newest(f"{FOLDER}files/", Files(lake).sizes(f"{FOLDER}files/"))
    assert there == {"2026-05-01": File(names[-1], (lake / names[-1]).stat().st_size)}
    assert sorted(Files(lake).keys(f"{FOLDER}files/")) == sorted(names)


def test_what_a_long_file_says_is_all_of_its_pages(lake: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "PIECE", 100)
    path = lake / "x"
    path.write_bytes(bytes(range(250)) + b"footer" + (6).to_bytes(4, "little") + b"PAR1")
    assert files.said(path, ("a INT", "b INT")) == hashlib.sha256(b"a INT|b INT" + bytes(range(250))).hexdigest()


def test_a_file_of_one_name_is_written_over_only_by_another_one(lake: Path):
    making = Making("exports/.making/x", "a/x.csv", "exports/s4/", None, is_append_only=False)
    Files(lake).create(making.key, b"1\n")
    assert files.put(Lake(str(lake)), [making])[0] == files.Put("a/x.csv", File("exports/s4/a/x.csv", 2), is_new=True)
    again = dataclasses.replace(making, there="exports/s4/a/x.csv")
    assert files.put(Lake(str(lake)), [again])[0].is_new is False
    Files(lake).replace(making.key, b"2\n", _version(lake, making.key))
    assert files.put(Lake(str(lake)), [again])[0].is_new is True
    assert (lake / "exports/s4/a/x.csv").read_bytes() == b"2\n"


# --- loads


class Dying(Files):
    """A folder whose program dies after some writes."""

    left = 0

    def create(self, key: str, data: bytes) -> bool:
        self._one_less()
        return super().create(key, data)

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        self._one_less()
        return super().replace(key, data, version)

    def _one_less(self) -> None:
        Dying.left -= 1
        if Dying.left < 0:
            raise KeyboardInterrupt


def beside(load: Load) -> Mapping[str, str]:
    return {"sql": f"{load.number} {sorted(load.files)} {sorted(load.before.values())}"}


def whole(load: Load) -> Mapping[str, str]:
    return {"sql": f"{load.number} {load.files}"}


def loaded(store: Files, there: Mapping[str, File | None]) -> bool:
    loads = Loads(store, FOLDER, "trades")
    loads.read()
    is_new = loads.add(there)
    loads.publish(beside, whole)
    return is_new


def told(lake: Path) -> dict[str, str]:
    return {key.removeprefix(FOLDER): (lake / key).read_text() for key in Files(lake).keys(FOLDER)}


STEPS: list[Mapping[str, File | None]] = [
    {"1": A, "2": B},
    {"1": A, "2": B},
    {"2": C, "3": A},
    {"1": None},
    {"1": None, "2": C},
    {"1": A},
]


def test_loads_tell_what_is_new_since_the_one_before(lake: Path):
    assert [loaded(Files(lake), step) for step in STEPS] == [True, False, True, True, False, True]
    assert {name: text for name, text in told(lake).items() if name.endswith("sql")} == {
        "loads/000001.sql": "1 ['1', '2'] []",
        "loads/000002.sql": f"2 ['2', '3'] [{B}]",
        "loads/000003.sql": f"3 ['1'] [{A}]",
        "loads/000004.sql": "4 ['1'] []",
        "current.sql": f"4 {dict(zip('123', (A, C, A), strict=True))}",
    }
    assert json.loads(told(lake)["loads/000002.json"]) == {"v": 1, "files": {"2": list(C), "3": list(A)}}
    assert json.loads(told(lake)["current.json"]) == {"v": 1, "load": 4, "files": {"1": list(A), "2": list(C), "3": list(A)}}


@pytest.mark.parametrize("step", [0, 2, 3])
@pytest.mark.parametrize("writes", range(4))
def test_a_death_at_any_write_leaves_the_same_loads_in_the_end(tmp_path: Path, step: int, writes: int):
    """The files of the run that died are there; the next one finds them, and maybe more."""
    plain, cut = tmp_path / "plain", tmp_path / "cut"
    for lake in (plain, cut):
        lake.mkdir()
    for before in STEPS[:step]:
        loaded(Files(plain), before)
        loaded(Files(cut), before)
    Dying.left = writes
    with pytest.raises(KeyboardInterrupt):
        loaded(Dying(cut), STEPS[step])
    for after in STEPS[step:]:
        loaded(Files(plain), after)
        loaded(Files(cut), after)
    assert told(cut) == told(plain)


def test_a_record_that_a_dead_run_wrote_is_not_written_again_with_more(lake: Path):
    """A warehouse may have taken it in by then."""
    Dying.left = 1
    with pytest.raises(KeyboardInterrupt):
        loaded(Dying(lake), STEPS[0])
    loaded(Files(lake), {**STEPS[0], "3": C})
    assert [json.loads(told(lake)[f"loads/{number:06}.json"])["files"].keys() for number in (1, 2)] == [{"1", "2"}, {"3"}]
    assert {"loads/000001.sql", "loads/000002.sql"} <= told(lake).keys()

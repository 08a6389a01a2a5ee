"""Lines of adopted files as objects: what a name says is what is in it, and a second time adds nothing."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.adoption import placed
from tests.support.adoption import SAMPLES, read

LATE = '"trade",1620518399900,"BTCUSDT",{},"1","1",1,1,{},true\n'


def contents(lake: Path) -> dict[str, bytes]:
    files = {path.relative_to(lake).as_posix(): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    return {key: data for key, data in files.items() if not key.startswith("control/")}


def test_lines_land_by_the_day_on_which_they_were_received(tmp_path, lake: Path):
    """Of three around midnight the second was received on the day after it was traded; aggregates of two pairs lie beside."""
    late = tmp_path / "late.csv"
    after = LATE.replace("1620518399900", "1620518400001")
    late.write_text(
        LATE.format(7, 1620518399899) + "".join(after.format(id_, at) for id_, at in ((8, 1620518399999), (9, 1620518400000)))
    )
    portion = [read(late), read(SAMPLES / "aggregates.csv", market="spot")]
    groups = sorted({group for one in portion for group in one.groups})
    assert placed.into_landing(portion, groups, "old", Files(lake)) == 2
    there = contents(lake)
    found = {}
    for key, data in there.items():
        lines = gzip.decompress(data)
        told = [json.loads(line) for line in lines.splitlines()]
        folder, _, name = key.rpartition("/")
        assert name == f"{told[0]['recv_ns']}-old-{hashlib.sha256(lines).hexdigest()[:12]}.jsonl.gz"
        found[folder] = [(line["kind"], line["pair"], line["raw"].get("t", line["raw"]["a"])) for line in told]
    place = "landing/channel=trades/venue=binance/market=spot/dt=2021-05-{}"
    aggregates = [("agg_trade", "BTC-USDT", 700000001), ("agg_trade", "ETH-USDT", 400000007)]
    assert found == {
        place.format("08"): [("trade", "BTC-USDT", 7), *aggregates],
        place.format("09"): [("trade", "BTC-USDT", 8), ("trade", "BTC-USDT", 9)],
    }
    assert placed.into_landing(portion, groups, "old", Files(lake)) == 0
    assert contents(lake) == there


def test_lines_wait_in_the_inbox_by_the_day_on_which_they_were_traded(tmp_path, lake: Path):
    """Received on the 9th, both of them; the checksum is of the bytes, the name of the lines."""
    late = tmp_path / "late.csv"
    text = LATE.replace("1620518399900", "1620518400500")
    late.write_text(text.format(7, 1620518399899) + text.format(8, 1620518400000))
    portion = [read(late), read(SAMPLES / "aggregates.csv", market="usdm")]
    groups = sorted({group for one in portion for group in one.groups})
    assert placed.into_inbox(portion, groups, Files(lake)) == 4
    there = contents(lake)
    found = {}
    for key, data in there.items():
        if key.endswith(".CHECKSUM"):
            assert data.decode() == f"{hashlib.sha256(there[key.removesuffix('.CHECKSUM')]).hexdigest()}  {Path(key).stem}\n"
            continue
        lines = gzip.decompress(data)
        folder, _, name = key.rpartition("/")
        first, last, sha12 = name.removesuffix(".jsonl.gz").split("_")
        assert sha12 == hashlib.sha256(lines).hexdigest()[:12]
        found[folder, first, last] = [json.loads(line)["raw"]["E"] for line in lines.splitlines()]
    spot, usdm = "inbox/binance/spot/lines/trade/BTC-USDT", "inbox/binance/usdm/lines/agg_trade"
    assert found == {
        (spot, "2021-05-08", "2021-05-08"): [1620518400500],
        (spot, "2021-05-09", "2021-05-09"): [1620518400500],
        (f"{usdm}/BTC-USDT", "2021-05-08", "2021-05-08"): [1620469566020],
        (f"{usdm}/ETH-USDT", "2021-05-08", "2021-05-08"): [1620469566120],
    }
    assert len(there) == 8
    assert placed.into_inbox(portion, groups, Files(lake)) == 0
    assert contents(lake) == there


def test_a_checksum_that_a_run_before_did_not_come_to_is_that_of_the_bytes_that_are_there(lake: Path):
    """Another build of the compressor made them."""
    portion = [read(SAMPLES / "trades_quoted.csv")]
    placed.into_inbox(portion, list(portion[0].groups), Files(lake))
    (file,) = lake.rglob("*.jsonl.gz")
    Path(f"{file}.CHECKSUM").unlink()
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), 1))
    placed.into_inbox(portion, list(portion[0].groups), Files(lake))
    assert Path(f"{file}.CHECKSUM").read_text().split()[0] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_much_becomes_several_objects_of_whole_lines_in_small_members(tmp_path, lake: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(placed, "TEXT", 2000)
    monkeypatch.setattr(placed, "MEMBER", 700)
    many = tmp_path / "many.csv"
    many.write_text("".join(LATE.format(n, 1620518399899) for n in range(100, 130)))
    portion = [read(many)]
    placed.into_landing(portion, list(portion[0].groups), "old", Files(lake))
    texts = []
    for path in sorted(lake.rglob("*.jsonl.gz")):
        data = path.read_bytes()
        assert len(gzip.decompress(data)) <= 2000
        assert data.count(b"\x1f\x8b\x08") >= 2
        texts += gzip.decompress(data).splitlines()
    assert sorted(json.loads(text)["raw"]["t"] for text in texts) == list(range(100, 130))

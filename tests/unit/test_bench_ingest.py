"""The ingest benchmark's own parts: what it sends, how it checks what was written, what its figures mean."""

import gzip
import itertools
import json
import time
from pathlib import Path

import pytest

from ingest.collector.frames import Frames
from ingest.exchanges.binance_spot import BINANCE_SPOT
from tests.benchmarks import report as stream
from tests.benchmarks.receive import contest, report, sustained, wire

HOUR = wire.texts(400)


def test_what_is_sent_are_the_markets_frames():
    assert len(HOUR) == 400
    assert {BINANCE_SPOT.recognise(json.loads(text)).stream for text in HOUR} == set(wire.streams())
    sent = b"".join(map(wire.framed, [*HOUR, b"short"]))
    messages: list[tuple[int, bytes]] = []
    assert not list(Frames(1000, time.time_ns).take(sent, messages))
    assert [payload for _, payload in messages] == [*HOUR, b"short"]


def test_the_hour_goes_on_with_dense_ids():
    reel = wire.Reel(HOUR)
    assert [reel.text(number, json.loads(text)["data"]["E"]) for number, text in enumerate(HOUR)] == HOUR
    frames = [json.loads(reel.text(number, 1_800_000_000_000 + number))["data"] for number in range(1200)]
    assert [frame["E"] for frame in frames] == [1_800_000_000_000 + number for number in range(1200)]
    for symbol in {frame["s"] for frame in frames}:
        own = [frame for frame in frames if frame["s"] == symbol]
        for before, after in itertools.pairwise(own):
            assert (after["a"], after["f"]) == (before["a"] + 1, before["l"] + 1)


def put(folder: Path, name: str, frames: list[bytes]) -> None:
    path = folder / "lake/landing/channel=trades/venue=v/market=m/dt=2026-01-01" / f"{name}-bench-abc.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(b'{"seq":1,"raw":%b}\n' % frame for frame in frames)))


def test_output_is_compared_byte_by_byte_in_the_order_sent(tmp_path: Path):
    put(tmp_path, "99", [b'{"a":1}', b'{"a":2}'])
    put(tmp_path, "100", [b'{"a":3}'])
    contest.check_landed(tmp_path, [b'{"a":1}', b'{"a":2}', b'{"a":3}'])
    with pytest.raises(AssertionError, match="3 lines landed and 3 frames were sent; the first that differs: 1"):
        contest.check_landed(tmp_path, [b'{"a":1}', b'{"a": 2}', b'{"a":3}'])
    with pytest.raises(AssertionError, match="3 lines landed and 4 frames were sent"):
        contest.check_landed(tmp_path, [b'{"a":1}', b'{"a":2}', b'{"a":3}', b'{"a":4}'])


def test_the_collectors_own_words_are_read(tmp_path: Path):
    (tmp_path / "log").write_text(
        "collect: 3 s, frames=401 trades=400 objects=2 text_bytes=9 reconnects=0 waiting_segments=0 "
        "lost_lines=1 polls=0 gaps=2 open_holes=0"
    )
    assert contest.summary(tmp_path) == (401, 400, 0, 1, 2)


def test_figures_are_ratios_of_medians_and_say_what_was_not_measured():
    found = {
        "ours": [{"rate": 90_000.0}, {"rate": 120_000.0}, {"rate": 100_000.0}],
        "websockets": [{"rate": 80_000.0}, {"rate": 10_000.0}, {"rate": 90_000.0}],
        "websocketapp": [{"rate": 20_000.0}],
    }
    told = report.figures(found, None, share=0.8)
    assert (told["ratio_websockets"], told["ratio_websocketapp"], told["ratio_cryptofeed"]) == (1.25, 5.0, None)
    assert (told["sustained_share"], told["backlog_end"], told["ours_k_per_cpu_s"]) == (None, None, 100.0)
    assert [row[2:] for row in report.verdicts(told)] == [
        ("1.25", "**missed**"),
        ("5", "met"),
        ("?", "not measured"),
        ("?", "not measured"),
    ]


LONG = {
    "peak": 100_000,
    "rate": 80_000.0,
    "seconds": 300.0,
    "frames": 24_000_000,
    "backlog_end": 0,
    "late_most": 12,
    "waiting_most": 1,
    "rss_mb": 99.5,
    "core_share": 0.7,
    "lag_ms": [1.0, 1.2, 1.1, 1.3, 1.5],
    "lag_p99_ms": 30.0,
    "lag_max_ms": 200.0,
}


def test_our_part_of_the_page_leaves_the_streams_part_and_all_notes_alone():
    found = {"ours": [{"rate": 100_000.0}], "websockets": [{"rate": 50_000.0}]}
    told = report.figures(found, LONG, share=0.8)
    above = "# Benchmarks\n\n## Notes\n\nThe stream's.\n"
    once = report.page(found, told, {"Memory": "16 GB"}, above)
    assert once.startswith(above)
    assert "| `ingest collect` | 1 | 100.0 | 100.0 | 100.0 |" in once
    assert "| at least 1.3 | 2 | met |" in once
    assert "80,000 a second for 300 s" in once
    assert "lag_growth_ms" in once
    noted = once + "\nIdeas.\n"
    again = report.page({**found, "ours": [{"rate": 150_000.0}]}, told, {"Memory": "17 GB"}, noted)
    assert again.startswith(above)
    assert again.endswith(f"{report.NOTES}\nIdeas.\n")
    assert again.count(report.BEGIN) == 1
    assert "150.0" in again


def test_the_streams_writer_takes_our_part_for_notes_and_keeps_it():
    told = report.figures({"ours": [{"rate": 100_000.0}]}, LONG, share=0.8)
    both = report.page({}, told, {}, "# Benchmarks\n\n## Notes\n\nThe stream's.\n")
    figures = stream.figures({}, ticks=1, compared={})
    assert stream.page({}, figures, {}, both, "").endswith(both[both.index("## Notes") :])


def test_lags_are_told_by_part_of_the_run():
    lags = [(second * 1_000_000_000, float(second // 2)) for second in range(10)]
    assert sustained.lag_figures(lags) == {"lag_ms": [0.0, 1.0, 2.0, 3.0, 4.0], "lag_p99_ms": 4.0, "lag_max_ms": 4.0}


def line(recv_ns: int, sent_ms: int) -> bytes:
    return b'{"seq":0,"recv_ns":%d,"raw":%b}' % (recv_ns, wire.Reel(HOUR).text(0, sent_ms))


def test_what_is_read_long_after_the_last_was_sent_was_a_backlog():
    text = b"\n".join(line(at * 1_000_000, 1000) for at in (1005, 2001, 2002, *range(3000, 3100))) + b"\n"
    count, unread, lags = sustained.read([text], 1_001_000_000)
    assert (count, unread) == (103, 101)
    assert lags == [(1_005_000_000, 5.0), (3_094_000_000, 2094.0)]

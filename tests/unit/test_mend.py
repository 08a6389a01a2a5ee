"""Damaged landing objects: nothing is believed whose checksum fails, nothing is lost that can be believed."""

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.landing import Files
from jobs.runtime import mend
from tests.support.lines import Collector, landed

LINES = [line for conn in ("a", "b") for collector in [Collector(conn)] for line in map(collector.aggregate, range(1, 13))]
KEY, WHOLE = landed(LINES, text_limit=1300)  # a few lines a member
STARTS = [place for place in range(len(WHOLE)) if WHOLE.startswith(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", place)]
MEMBERS = [WHOLE[start:end] for start, end in zip(STARTS, [*STARTS[1:], len(WHOLE)], strict=True)]
PARTS = [gzip.decompress(member).splitlines(keepends=True) for member in MEMBERS]
ASIDE = "damaged/" + KEY.removeprefix("landing/")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mended(lake: Path) -> list[mend.Damage]:
    """What the stream does after a failed batch."""
    store = Files(lake)
    found = [damage for damage in [mend.inspect(store, KEY)] if damage is not None]
    for damage in found:
        mend.mend(store, damage)
    return found


def test_there_are_several_members():
    assert len(MEMBERS) >= 5
    assert [line for part in PARTS for line in part] == LINES


def test_a_whole_object_is_left_alone(lake: Path):
    Files(lake).create(KEY, WHOLE)
    assert mended(lake) == []
    assert Files(lake).get(KEY)[0] == WHOLE


@pytest.mark.parametrize("number", range(len(MEMBERS)))
def test_of_a_member_whose_checksum_fails_no_line_is_believed_and_of_the_others_each(lake: Path, number: int):
    at = STARTS[number] + len(MEMBERS[number]) // 2
    rotten = WHOLE[:at] + bytes([WHOLE[at] ^ 0x10]) + WHOLE[at + 1 :]
    Files(lake).create(KEY, rotten)
    (damage,) = mended(lake)
    kept = [line for place, part in enumerate(PARTS) if place != number for line in part]
    assert gzip.decompress(Files(lake).get(KEY)[0]).splitlines(keepends=True) == kept
    assert Files(lake).get(ASIDE)[0] == rotten
    assert (damage.object, damage.sha256, str(damage.day)) == (KEY, sha(rotten), "2026-04-30")
    assert damage.detail.startswith(f"member {number + 1}: ")
    assert damage.detail.endswith(f"; {len(kept)} lines kept; the original is {ASIDE}")
    assert mended(lake) == [], "mended once"


def test_two_rotten_members(lake: Path):
    rotten = bytearray(WHOLE)
    for number in (1, 3):
        rotten[STARTS[number] + 40] ^= 1
    Files(lake).create(KEY, bytes(rotten))
    mended(lake)
    kept = gzip.decompress(Files(lake).get(KEY)[0]).splitlines(keepends=True)
    assert kept == [line for place, part in enumerate(PARTS) if place not in (1, 3) for line in part]


def no_line_that_was_not_written(bit: int) -> None:
    rotten = bytearray(WHOLE)
    rotten[bit // 8] ^= 1 << bit % 8
    member = max(number for number, start in enumerate(STARTS) if start <= bit // 8)
    text, wrong = mend.believed(bytes(rotten))
    lines = text.splitlines(keepends=True)
    others = [line for place, part in enumerate(PARTS) if place != member for line in part]
    assert lines == (others if wrong else LINES)  # a header has bits that mean nothing


@given(st.integers(0, 8 * len(WHOLE) - 1))
def test_no_flipped_bit_makes_a_line_that_was_not_written(bit):
    no_line_that_was_not_written(bit)


def test_no_flipped_bit_where_a_member_may_seem_to_be_cut_does_so_either():
    """A header that asks for more, and an end that was overread."""
    for start in STARTS:
        for bit in range(8 * start, 8 * (start + 10)):
            no_line_that_was_not_written(bit)
    for bit in range(8 * (len(WHOLE) - 30), 8 * len(WHOLE)):
        no_line_that_was_not_written(bit)


@given(st.integers(0, len(WHOLE) - 1))
def test_of_a_cut_object_the_whole_lines_before_the_cut_are_believed(at):
    text, _ = mend.believed(WHOLE[:at])
    lines = text.splitlines(keepends=True)
    assert lines == LINES[: len(lines)]
    before = [line for number, part in enumerate(PARTS) if STARTS[number] + len(MEMBERS[number]) <= at for line in part]
    assert len(lines) >= len(before)


def test_a_cut_object_keeps_lines_of_the_member_that_was_cut(lake: Path):
    at = STARTS[3] - 9  # all its text is there, the checksum is not
    Files(lake).create(KEY, WHOLE[:at])
    (damage,) = mended(lake)
    assert gzip.decompress(Files(lake).get(KEY)[0]).splitlines(keepends=True) == [line for part in PARTS[:3] for line in part]
    assert damage.detail.startswith("member 3: cut after ")
    assert mended(lake) == []


def test_an_object_cut_between_two_members_is_seen_by_its_name(lake: Path):
    Files(lake).create(KEY, WHOLE[: STARTS[2]])
    (damage,) = mended(lake)
    kept = [line for part in PARTS[:2] for line in part]
    assert gzip.decompress(Files(lake).get(KEY)[0]).splitlines(keepends=True) == kept
    assert damage.detail.startswith("its lines are not those that its name was made from; ")
    assert mended(lake) == []


def test_an_object_under_anothers_name_keeps_its_lines(lake: Path):
    other = landed(LINES[:3])[1]
    Files(lake).create(KEY, other)
    (damage,) = mended(lake)
    assert gzip.decompress(Files(lake).get(KEY)[0]) == b"".join(LINES[:3])
    assert (Files(lake).get(ASIDE)[0], damage.sha256) == (other, sha(other))
    assert mended(lake) == []


def test_a_vanished_object_leaves_an_empty_one_and_says_so_once(lake: Path):
    (damage,) = mended(lake)
    assert gzip.decompress(Files(lake).get(KEY)[0]) == b""
    assert (damage.detail, damage.sha256) == ("vanished; 0 lines kept; the original is gone", sha(b""))
    assert mended(lake) == []


@pytest.mark.parametrize("data", [b"", b"not gzip", WHOLE + b"more"], ids=["empty", "not gzip", "more behind it"])
def test_whatever_lies_there_is_mended_once(lake: Path, data: bytes):
    Files(lake).create(KEY, data)
    assert [damage.sha256 for damage in mended(lake)] == [sha(data)]
    assert gzip.decompress(Files(lake).get(KEY)[0]) == (b"".join(LINES) if data.startswith(WHOLE) else b"")
    assert mended(lake) == []


def test_a_crash_before_the_object_is_replaced_changes_nothing_that_the_next_try_says(lake: Path):
    Files(lake).create(KEY, WHOLE[:100])
    seen = mend.inspect(Files(lake), KEY)
    Files(lake).create(ASIDE, WHOLE[:100])
    assert mended(lake) == [seen]

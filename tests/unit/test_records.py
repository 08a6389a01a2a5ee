"""Lines behind their checksums: whatever one bit or one cut does, every other line is whole and nothing is taken for what it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.spool.records import Damage, Records, bare, read, write

LINES = [b'{"v":1,"seq":%d,"raw":{"p":"60.10"}}\n' % number for number in range(3)]
DATA = write(b"".join(LINES))
STARTS = [0, *(number + 1 for number, byte in enumerate(DATA) if byte == ord("\n"))]


def test_what_was_written_is_read():
    assert DATA.startswith(b'948f89c5 {"v":1,"seq":0,"raw":{"p":"60.10"}}\n')
    assert read(DATA) == Records(LINES, [])
    assert read(b"") == Records([], [])


def test_bare_lines_are_those_that_were_written():
    assert bare(DATA.splitlines(keepends=True)) == b"".join(LINES)
    assert bare([]) == b""


def owner(place):
    """Which line a byte belongs to."""
    return max(number for number, start in enumerate(STARTS[:-1]) if start <= place)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_anywhere_costs_no_line_but_its_own(bit):
    for place in range(len(DATA)):
        changed = bytearray(DATA)
        changed[place] ^= 1 << bit
        found = read(bytes(changed))
        number = owner(place)
        others = [line for other, line in enumerate(LINES) if other != number]
        is_last_end = place == len(DATA) - 1
        assert found.whole == others, place
        assert b"".join(damage.data for damage in found.damaged).replace(b"\n", b"")[:5] in bytes(changed), place
        assert {damage.after for damage in found.damaged} == {number}, place
        assert found.damaged[0].at == STARTS[number], place
        assert is_last_end or len(found.damaged) <= 2


def test_a_cut_anywhere_leaves_the_lines_before_it():
    for size in range(len(DATA)):
        found = read(DATA[:size])
        number = sum(size >= end - 1 for end in STARTS[1:])  # a line that lacks nothing but its end is whole
        torn = DATA[STARTS[number] : size]
        assert found == Records(LINES[:number], [Damage(STARTS[number], number, torn)] if torn else []), size


def test_a_block_of_noughts_is_damage():
    changed = DATA[: STARTS[1] + 5] + bytes(4096) + DATA[STARTS[2] - 5 :]
    (damage,) = read(changed).damaged
    assert read(changed).whole == [LINES[0], LINES[2]]
    assert (damage.at, damage.after, damage.data) == (STARTS[1], 1, changed[STARTS[1] : -len(DATA) + STARTS[2] - 1])


@given(st.binary(max_size=200))
def test_garbage_is_no_line(data):
    found = read(data)
    assert found.whole == []
    assert b"".join(damage.data for damage in found.damaged) == data.replace(b"\n", b"")


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")).map(lambda raw: b"{" + raw + b"\n"), max_size=8))
def test_any_lines_come_back(lines):
    assert read(write(b"".join(lines))) == Records(lines, [])

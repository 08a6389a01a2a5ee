"""Frames, against another implementation of the protocol."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode

from ingest.collector.frames import Frames
from ingest.delays import ProtocolError

LIMIT = 70_000
TEXT = int(TheirOpcode.TEXT)
payloads = st.one_of(st.binary(max_size=300), st.sampled_from([b"x" * n for n in (125, 126, 127, 65535, 65536, LIMIT)]))


def serialised(opcode: TheirOpcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


def taken(data: bytes, cuts: list[int], limit: int = LIMIT) -> list[tuple[int, bytes]]:
    """Opcode and payload in the order of the wire; what is no control frame as a text. Each has a time of its own."""
    frames = Frames(limit, itertools.count().__next__)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    found: list[tuple[int, bytes]] = []
    times: list[int] = []

    def keep(messages: list[tuple[int, bytes]]) -> None:
        times.extend(time for time, _ in messages)
        found.extend((TEXT, payload) for _, payload in messages)
        messages.clear()

    for a, b in itertools.pairwise(places):
        messages: list[tuple[int, bytes]] = []
        for control in frames.take(data[a:b], messages):
            keep(messages)
            found.append(control)
        keep(messages)
    assert times == list(range(len(times)))
    return found


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([TheirOpcode.TEXT, TheirOpcode.BINARY]), st.lists(payloads, min_size=1, max_size=3)),
            st.tuples(
                st.sampled_from([TheirOpcode.PING, TheirOpcode.PONG]), st.lists(st.binary(max_size=125), min_size=1, max_size=1)
            ),
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 200_000), max_size=20),
)
def test_messages_survive_any_fragmentation_and_any_split_into_reads(messages, cuts):
    sent, expected = b"", []
    for opcode, parts in messages:
        if sum(map(len, parts)) > LIMIT:
            continue
        for number, part in enumerate(parts):
            sent += serialised(opcode if number == 0 else TheirOpcode.CONT, part, fin=number == len(parts) - 1)
        expected.append((TEXT if opcode is TheirOpcode.BINARY else int(opcode), b"".join(parts)))
    assert taken(sent, cuts) == expected


@given(st.binary(max_size=40))
def test_a_byte_at_a_time_is_the_same_as_all_at_once(payload):
    sent = serialised(TheirOpcode.TEXT, payload) * 3
    assert taken(sent, list(range(len(sent)))) == taken(sent, []) == [(1, payload)] * 3


def test_ordinary_frames_may_be_cut_anywhere():
    whole = [b"a" * 126, b"b" * 200, b"c" * 126]
    sent = b"".join(serialised(TheirOpcode.TEXT, each) for each in whole)
    assert all(taken(sent, [cut]) == [(TEXT, each) for each in whole] for cut in range(len(sent)))


def test_a_ping_between_fragments_comes_first():
    sent = serialised(TheirOpcode.TEXT, b"a", fin=False) + serialised(TheirOpcode.PING, b"p") + serialised(TheirOpcode.CONT, b"b")
    assert taken(sent, []) == [(9, b"p"), (1, b"ab")]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (Frame(TheirOpcode.TEXT, b"a").serialize(mask=True), "masked"),
        (bytes([0xC1, 1]) + b"a", "starts with byte 0xc1"),
        (bytes([0x83, 0]), "starts with byte 0x83"),
        (serialised(TheirOpcode.CONT, b"a"), "without its beginning"),
        (serialised(TheirOpcode.TEXT, b"a", fin=False) + serialised(TheirOpcode.TEXT, b"b"), "inside a fragmented one"),
        (serialised(TheirOpcode.TEXT, b"a", fin=False) + bytes([0x81, 126, 0, 1]) + b"b", "inside a fragmented one"),
        (bytes([0x09, 0]), "control frame"),
        (bytes([0x81, 127]) + (11).to_bytes(8, "big"), "a frame of 11 bytes; at most 10"),
        (
            serialised(TheirOpcode.TEXT, b"x" * 9, fin=False) + serialised(TheirOpcode.CONT, b"yy"),
            "more than 10 bytes in fragments",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",  # the bytes of a mask are random
)
def test_what_a_server_may_not_send_is_refused_by_name(sent, why):
    with pytest.raises(ProtocolError, match=why):
        taken(sent, [], limit=10)


def test_a_huge_frame_is_refused_before_it_is_gathered():
    with pytest.raises(ProtocolError, match="at most 1000"):
        taken(bytes([0x81, 127]) + (10**12).to_bytes(8, "big"), [], limit=1000)


def test_a_long_control_frame_is_refused():
    with pytest.raises(ProtocolError, match="fragmented or too long"):
        taken(bytes([0x89, 126, 0, 126]) + b"x" * 126, [], limit=1000)


def test_an_ordinary_frame_is_refused_where_it_is_too_long():
    with pytest.raises(ProtocolError, match="a frame of 200 bytes; at most 150"):
        taken(serialised(TheirOpcode.TEXT, b"x" * 200), [], limit=150)


def test_what_came_before_a_fault_is_there():
    whole = [b"a" * 130, b"b" * 200, b"c"]
    messages: list[tuple[int, bytes]] = []
    with pytest.raises(ProtocolError, match="0xc1"):
        list(Frames(1000, lambda: 7).take(b"".join(serialised(TheirOpcode.TEXT, each) for each in whole) + b"\xc1\x00", messages))
    assert messages == [(7, each) for each in whole]

"""A connection on a scripted socket and a clock that moves only when told to."""

from ingest.collector.feed import Connection
from ingest.delays import ClosedError, ProtocolError, SilenceError
from tests.support.fakes import FakeSocket, FakeTime, close, ping, text

TEXT, PING, PONG = 1, 9, 10


def run(script, subscriptions=(), per_second=5.0, frame_bytes=1000):
    """All batches that are not empty, why it ended, and what was sent."""
    time = FakeTime()
    socket = FakeSocket(script, time)
    connection = Connection(socket, subscriptions, per_second=per_second, frame_bytes=frame_bytes, clock=time.clock)
    batches = []
    try:
        batches.extend(connection.batches())  # keeps what came before the end
    except Exception as end:  # noqa: BLE001 - the test says which one it has to be
        return [list(batch) for batch in batches if batch], end, socket.sent
    raise AssertionError("batches() ended without saying why")


def test_each_frame_comes_with_the_time_at_which_it_was_received():
    batches, end, _ = run([text(b"a") + text(b"b"), 2.0, text(b"c")[:2], text(b"c")[2:]])
    start = FakeTime().wall
    assert batches == [[(start, b"a"), (start, b"b")], [(start + 2_000_000_000, b"c")]]
    assert str(end) == "the connection ended without a close frame"


def test_what_arrives_before_the_end_of_a_read_is_handed_on_first():
    batches, end, _ = run([text(b"a") + close(1001, "restart") + text(b"never")])
    assert [[raw for _, raw in batch] for batch in batches] == [[b"a"]]
    assert isinstance(end, ClosedError)
    assert str(end) == "closed by the venue, code 1001 restart"
    batches, end, _ = run([text(b"a") + b"\x83\x00"])
    assert [[raw for _, raw in batch] for batch in batches] == [[b"a"]]
    assert isinstance(end, ProtocolError)


def test_a_frame_over_the_limit_ends_the_connection():
    _, end, _ = run([text(b"x" * 11)], frame_bytes=10)
    assert str(end) == "a frame of 11 bytes; at most 10 are taken"


def test_a_close_frame_without_a_code():
    _, end, _ = run([b"\x88\x00"])
    assert str(end) == "closed by the venue, code 1005"


def test_subscriptions_are_sent_no_faster_than_the_venue_allows():
    _, _, sent = run([2.0], subscriptions=["one", "two", "three"], per_second=2.0)
    assert sent == [(0.0, TEXT, b"one"), (0.5, TEXT, b"two"), (1.0, TEXT, b"three")]


def test_a_ping_is_answered_with_its_payload_before_anything_else_is_said():
    _, _, sent = run([ping(b"now"), 1.0], subscriptions=["one", "two"], per_second=5.0)
    assert [(opcode, payload) for _, opcode, payload in sent] == [(TEXT, b"one"), (PONG, b"now"), (TEXT, b"two")]


def test_a_storm_of_pings_is_answered_within_the_limit():
    _, _, sent = run([ping(b"1") + ping(b"2"), 0.125, ping(b"3"), ping(b"4"), 1.0], per_second=4.0)
    assert sent == [(0.0, PONG, b"2"), (0.375, PONG, b"4")]


def test_silence_is_questioned_and_then_believed():
    _, end, sent = run([60.0])
    assert sent == [(10.0, PING, b""), (20.0, PING, b"")]
    assert isinstance(end, SilenceError)


def test_an_answer_to_the_question_keeps_the_connection():
    _, end, sent = run([12.0, b"\x8a\x00", 12.0, b"\x8a\x00", 1.0])
    assert sent == [(10.0, PING, b""), (22.0, PING, b"")]
    assert isinstance(end, ClosedError)


def test_errors_of_the_socket_come_through():
    _, end, _ = run([ConnectionResetError(104, "reset")])
    assert isinstance(end, ConnectionResetError)

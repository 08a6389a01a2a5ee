"""Messages as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.alerts.alert import Key, Message, Note, Severity
from ingest.alerts.wording import body, clipped, lasting, title

AT = 1_731_000_003_123_456_789  # 2024-11-07T17:20:03Z
STALL = Key("stall", "binance spot BTC-USDT")
INFO, WARNING, CRITICAL = Severity


def note(state="raised", *, key=STALL, severity=WARNING, text="nothing for 45 s", seconds=45.0, returns=0):
    return Note(state, key, severity, text, AT, seconds, returns)


@pytest.mark.parametrize(
    ("found", "subject", "text"),
    [
        (
            note(),
            "warning: stall binance spot BTC-USDT",
            "WARNING stall binance spot BTC-USDT: nothing for 45 s (since 2024-11-07 17:20:03 UTC)",
        ),
        (
            note("worse", severity=CRITICAL, returns=1),
            "critical: stall binance spot BTC-USDT",
            "NOW CRITICAL stall binance spot BTC-USDT: nothing for 45 s (since 2024-11-07 17:20:03 UTC, came back once)",
        ),
        (
            note("still", text="x", seconds=90_000.0, returns=2),
            "warning: stall binance spot BTC-USDT",
            "STILL WARNING stall binance spot BTC-USDT: x (since 2024-11-07 17:20:03 UTC, for 1 d 1 h, came back 2 times)",
        ),
        (
            note("recovered"),
            "recovered: stall binance spot BTC-USDT",
            "RECOVERED stall binance spot BTC-USDT (since 2024-11-07 17:20:03 UTC, for 45 s)",
        ),
        (
            note("passed", severity=INFO),
            "passed: stall binance spot BTC-USDT",
            "PASSED INFO stall binance spot BTC-USDT: nothing for 45 s (since 2024-11-07 17:20:03 UTC, for 45 s)",
        ),
    ],
)
def test_a_message_about_one_condition(found, subject, text):
    assert title(Message([found]), "laptop") == f"[ticklake laptop] {subject}"
    assert body(Message([found])) == text


def test_what_is_worst_stands_first():
    found = Message(
        [
            note("recovered", key=Key("gap", "a"), severity=CRITICAL),
            note(key=Key("drift", "b"), severity=INFO),
            note("worse", key=Key("stall", "c"), severity=CRITICAL),
            note("still", key=Key("stall", "d")),
            note("passed", key=Key("stall", "e")),
        ]
    )
    assert title(found, "laptop") == "[ticklake laptop] critical: 1 raised, 1 worse, 1 still, 1 passed, 1 recovered"
    assert [line.split(":")[0].split(" (")[0] for line in body(found).splitlines()] == [
        "NOW CRITICAL stall c",
        "STILL WARNING stall d",
        "INFO drift b",
        "RECOVERED gap a",
        "PASSED WARNING stall e",
    ]


def test_only_good_news_has_no_severity():
    assert title(Message([note("recovered"), note("passed")]), "laptop") == "[ticklake laptop] 1 passed, 1 recovered"


def test_of_a_storm_ten_are_told_and_the_rest_is_counted():
    stalls = [note(key=Key("stall", f"pair {number}")) for number in range(31)]
    gaps = [note("recovered", key=Key("gap", f"pair {number}")) for number in range(4)]
    found = Message([*gaps, *stalls])
    lines = body(found).splitlines()
    assert title(found, "laptop") == "[ticklake laptop] warning: 31 raised, 4 recovered"
    assert [line.split(":")[0] for line in lines[:10]] == [f"WARNING stall pair {number}" for number in range(10)]
    assert lines[10:] == ["and 25 more: 21 stall raised, 4 gap recovered"]


def test_of_many_kinds_the_rarest_are_counted_together():
    kinds = [note(key=Key(f"kind {kind}", f"{number}")) for kind in range(10) for number in range(12 - kind)]
    (rest,) = body(Message(kinds)).splitlines()[10:]
    assert rest == (
        "and 65 more: 11 kind 1 raised, 10 kind 2 raised, 9 kind 3 raised, 8 kind 4 raised, 7 kind 5 raised, "
        "6 kind 6 raised, 5 kind 7 raised, 4 kind 8 raised, 5 of other kinds"
    )


def test_what_there_was_no_room_for_and_what_was_refused_is_said():
    found = Message([note()], no_room=7, undelivered=2)
    assert title(found, "laptop") == "[ticklake laptop] warning: 1 raised, 7 without room"
    assert body(found).splitlines()[1:] == [
        "and 7 more that there was no room for",
        "messages before this one that this channel refused: 2",
    ]
    assert title(Message(no_room=7), "laptop") == "[ticklake laptop] 7 without room"


def test_a_report_is_its_lines():
    found = Message(report="yesterday:\n  trades\t5\r\nall is well")
    assert title(found, "laptop") == "[ticklake laptop] report"
    assert body(found) == "yesterday:\ntrades 5\nall is well"


def test_a_text_from_anywhere_stays_one_line_of_what_can_be_seen():
    found = note(key=Key("stall\nBcc: x@y", "a\u202eb\ud800c"), text="bye\r\n\x00\x1b[31mred" + "x" * 400)
    assert title(Message([found]), "lap\ntop") == "[ticklake lap top] warning: stall Bcc: x@y a b c"
    assert body(Message([found])).startswith("WARNING stall Bcc: x@y a b c: bye    [31mred" + "x" * 200)
    assert body(Message([found])).endswith("x… (114 characters more) (since 2024-11-07 17:20:03 UTC)")
    assert body(Message([found])).encode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.4, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (180_000, "2 d 2 h"),
    ],
)
def test_durations_as_people_say_them(seconds, text):
    assert lasting(seconds) == text


def test_a_long_text_says_how_much_is_missing():
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 6) == "abcdef… (1 characters more)"


states = st.sampled_from(["raised", "worse", "still", "recovered", "passed"])
notes = st.builds(
    lambda state, what, where: note(state, key=Key(what, str(where))), states, st.sampled_from("abcdefghijklm"), st.integers()
)


@given(st.lists(notes, min_size=1, max_size=80))
def test_every_note_is_told_or_counted(found):
    lines = body(Message(found)).splitlines()
    counted = 0
    if len(found) > 10:
        said, parts = re.fullmatch(r"and (\d+) more: (.*)", lines.pop()).groups()
        counted = sum(int(part.split()[0]) for part in parts.split(", "))
        assert counted == int(said)
    assert len(lines) + counted == len(found)
    told = sum(int(count) for count in re.findall(r"(\d+) (?:raised|worse|still|passed|recovered)", title(Message(found), "x")))
    assert told == (len(found) if len(found) > 1 else 0)

"""What a channel is told, and when: examples that a person can follow, and what holds whatever happens."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.alert_settings import AlertSettings
from ingest.alerts.alert import Key, Message, Note, Raised, Recovered, Report, Severity
from ingest.alerts.policy import Limits, Policy, limits

STALL = Key("stall", "binance spot BTC-USDT")
GAP = Key("gap", "bitso spot BTC-MXN")
AT = 1_731_000_000_000_000_000
LIMITS = Limits(burst=2, every=60.0, settle=10.0, remind_after=3600.0, gather=1.0)
INFO, WARNING, CRITICAL = Severity


def stalls(severity=WARNING, text="nothing for 45 s", key=STALL):
    return Raised(key, severity, text, AT)


def played(story, *, until=0.0, rules=LIMITS):
    """The messages of a channel that takes each at once: (when, message). A story is (when, event), in order."""
    policy, told, now = Policy(rules), [], 0.0

    def go_on(end):
        nonlocal now
        while (wait := policy.wait(now)) is not None and now + wait <= end:
            now += wait
            message = policy.message(now)
            if message:
                told.append((now, message))
            elif wait == 0:
                now += 1e-6  # a sum of floats may fall short by its last bit
        now = max(now, end)

    for at, event in story:
        go_on(at)
        told += [(now, message) for message in policy.step(now, [event])]
    go_on(until)
    return told


def note(state, *, seconds, severity=WARNING, returns=0, key=STALL, text="nothing for 45 s"):
    return Note(state, key, severity, text, AT, seconds, returns)


def notes(told):
    return [(round(at, 3), list(message.notes)) for at, message in told]


def test_a_condition_is_told_once_however_often_it_is_raised():
    told = played([(second, stalls()) for second in range(100)], until=200)
    assert notes(told) == [(1.0, [note("raised", seconds=1.0)])]


def test_a_recovery_is_told_when_it_has_stayed_so():
    told = played([(0, stalls()), (30, Recovered(STALL))], until=9999)
    assert notes(told) == [(1.0, [note("raised", seconds=1.0)]), (41.0, [note("recovered", seconds=30.0)])]


def test_what_comes_back_before_its_recovery_was_told_goes_on():
    told = played([(0, stalls()), (30, Recovered(STALL)), (35, stalls()), (50, Recovered(STALL))], until=9999)
    assert notes(told) == [(1.0, [note("raised", seconds=1.0)]), (61.0, [note("recovered", seconds=50.0, returns=1)])]


def test_what_begins_together_is_told_together():
    told = played([(0, stalls()), (0.5, stalls(key=GAP)), (1.5, stalls(key=Key("drift", "")))], until=2)
    assert notes(told) == [(1.0, [note("raised", seconds=1.0), note("raised", seconds=0.5, key=GAP)])]


def test_getting_worse_is_told_at_once_and_getting_better_is_not():
    story = [(0, stalls(INFO)), (10, stalls(CRITICAL, "down")), (20, stalls(INFO)), (21, stalls(CRITICAL)), (22, stalls(INFO))]
    told = played(story, until=100, rules=Limits(burst=9))
    expected = note("worse", seconds=10.0, severity=CRITICAL, text="down")
    assert notes(told) == [(1.0, [note("raised", seconds=1.0, severity=INFO)]), (10.0, [expected])]


def test_what_goes_on_for_long_is_told_again_with_its_newest_text():
    told = played([(0, stalls()), (500, stalls(text="nothing for 9 min"))], until=8000)
    assert notes(told) == [
        (1.0, [note("raised", seconds=1.0)]),
        (3602.0, [note("still", seconds=3602.0, text="nothing for 9 min")]),
        (7203.0, [note("still", seconds=7203.0, text="nothing for 9 min")]),
    ]


def test_a_recovery_of_what_was_never_raised_is_nothing():
    assert played([(0, Recovered(STALL)), (1, stalls()), (2, Recovered(GAP)), (3, Recovered(STALL)), (4, Recovered(STALL))]) == [
        (2.0, Message([note("raised", seconds=1.0)]))
    ]


def test_a_storm_is_two_messages_and_then_one_that_tells_of_all_the_rest():
    story = [(2 * number, stalls(key=Key("stall", str(number)))) for number in range(40)]
    told = played(story, until=130)
    assert [(at, len(message.notes)) for at, message in told] == [(1.0, 1), (3.0, 1), (61.0, 29), (121.0, 9)]


def test_what_was_over_before_it_could_be_told_is_told_as_passed():
    story = [(0, stalls(key=GAP)), (2, stalls(key=Key("drift", ""))), (10, stalls()), (15, Recovered(STALL))]
    assert notes(played(story, until=100))[2:] == [(61.0, [note("passed", seconds=5.0)])]


def test_what_is_over_for_a_moment_is_told_as_over_only_after_its_hold():
    story = [(0, stalls()), (30, Recovered(STALL)), (34, stalls(key=GAP)), (34.5, Recovered(GAP))]
    assert notes(played(story, until=100, rules=Limits(burst=9, settle=10.0))) == [
        (1.0, [note("raised", seconds=1.0)]),
        (35.0, [note("raised", seconds=0.5, key=GAP)]),
        (41.0, [note("recovered", seconds=30.0)]),
        (45.5, [note("recovered", seconds=0.5, key=GAP)]),
    ]


def test_the_hold_doubles_to_64_times_and_no_further():
    story, holds, now = [], [], 1000.0
    for _ in range(9):
        story += [(now, stalls()), (now + 5, Recovered(STALL))]
        at = played(story, until=now + 700, rules=Limits(burst=99, settle=10.0))[-1][0]
        holds.append(round(at - 1 - (now + 5)))
        now = at + 600
    assert holds == [10, 20, 40, 80, 160, 320, 640, 640, 640]


def test_no_more_ends_are_remembered_than_conditions():
    keys = [Key("stall", str(number)) for number in range(3)]
    story = [change for at, key in enumerate(keys) for change in ((at, stalls(key=key)), (at + 0.5, Recovered(key)))]
    story += [(100, stalls(key=Key("new", ""))), (200, Recovered(Key("new", "")))]
    again = [change for at, key in enumerate(keys) for change in ((300 + at, stalls(key=key)), (301 + at, Recovered(key)))]
    told = played([*story, *again], until=400, rules=Limits(burst=99, settle=10.0, conditions=3))
    over = [(round(at - 301), found.key.where) for at, message in told for found in message.notes if found.state == "recovered"]
    assert over[-3:] == [(11, "0"), (22, "1"), (22, "2")]  # the first was forgotten for the fourth


def test_a_condition_that_comes_and_goes_grows_quiet():
    flapping = itertools.chain.from_iterable([(40 * turn, stalls()), (40 * turn + 20, Recovered(STALL))] for turn in range(200))
    told = notes(played(flapping, until=20_000, rules=Limits(burst=9, settle=10.0, remind_after=90_000.0)))
    assert told == [
        (1.0, [note("raised", seconds=1.0)]),
        (31.0, [note("recovered", seconds=20.0)]),  # a hold of 10 s
        (41.0, [note("raised", seconds=1.0)]),  # now 20 s: it is back just when that is over
        (8001.0, [note("recovered", seconds=7940.0, returns=198)]),
    ]


def test_after_long_peace_a_condition_is_as_new():
    story = [(1000, stalls()), (1005, Recovered(STALL)), (1657, stalls()), (1660, Recovered(STALL))]
    assert [at for at, _ in notes(played(story, until=1999))] == [1001.0, 1016.0, 1658.0, 1671.0]
    story = [(1000, stalls()), (1005, Recovered(STALL)), (1655, stalls()), (1660, Recovered(STALL))]
    assert [at for at, _ in notes(played(story, until=1999))] == [1001.0, 1016.0, 1656.0, 1681.0]


def test_a_report_is_a_message_of_its_own():
    told = played([(0, stalls()), (0.5, Report("all is well"))], until=10)
    assert told == [(0.5, Message(report="all is well")), (1.0, Message([note("raised", seconds=1.0)]))]


def test_more_than_there_is_room_for_is_counted():
    rules = Limits(conditions=3, reports=1, gather=1.0)
    story = [(100, stalls(key=Key("stall", str(number)))) for number in range(5)]
    (first, *later) = played(story, until=500, rules=rules)
    assert (first[0], len(first[1].notes), first[1].no_room, later) == (101.0, 3, 2, [])
    (_, (at, late)) = played([*story, (200, stalls(key=GAP)), (200.5, stalls(key=GAP))], until=500, rules=rules)
    assert (at, late) == (201.0, Message([], no_room=2))
    policy = Policy(Limits(reports=1))
    told = policy.step(0.0, [Report("one"), Report("two"), Report("three")])
    assert told == [Message(report="one", no_room=2)]


def test_what_the_channel_refused_is_counted_in_the_next_message():
    policy = Policy(LIMITS)
    policy.refused()
    assert policy.message(5.0) is None
    assert policy.step(6.0, [Report("x"), Report("y")]) == [Message(report="x", undelivered=1), Message(report="y")]


def test_the_last_messages_keep_no_limit_and_wait_for_nothing():
    policy = Policy(LIMITS)
    policy.step(0.0, [Report("a"), Report("b"), Report("c"), stalls(), stalls(key=GAP), Recovered(GAP)])
    told = list(iter(lambda: policy.message(0.5, is_last=True), None))
    assert told == [
        Message(report="c"),
        Message([note("raised", seconds=0.5), note("passed", seconds=0.0, key=GAP)]),
    ]
    policy.take(0.6, Recovered(STALL))
    assert policy.message(0.7, is_last=True) == Message([note("recovered", seconds=0.6)])


def test_nothing_is_waited_for_where_nothing_can_come():
    policy = Policy(LIMITS)
    assert policy.wait(0.0) is None
    assert policy.take(0.0, stalls())
    assert policy.wait(0.0) == 1.0
    assert not policy.take(0.5, stalls(key=GAP))  # nobody has to be woken: it is told with the first
    assert not policy.take(0.6, stalls())
    assert not policy.take(0.7, Recovered(GAP))
    assert policy.take(0.8, Report("x"))
    policy = Policy(Limits(conditions=1))
    assert policy.take(0.0, stalls())
    assert policy.wait(0.0) == 1.0
    assert not policy.take(0.5, stalls(key=GAP))  # no room


def test_the_limits_are_those_of_the_configuration():
    assert limits(AlertSettings()) == Limits(5, 60.0, 60.0, 86_400.0, gather=1.0, conditions=1000, reports=10)


KEYS = [Key("stall", "a"), Key("stall", "b"), Key("gap", "a"), Key("spread", "c")]
events = st.one_of(
    st.builds(lambda key, severity: Raised(key, severity, "text", AT), st.sampled_from(KEYS), st.sampled_from(Severity)),
    st.builds(Recovered, st.sampled_from(KEYS)),
)
pauses = st.sampled_from([0.0, 0.25, 1.0, 4.0, 9.0, 11.0, 45.0, 130.0, 700.0])
stories = st.lists(st.tuples(pauses, events), max_size=60).map(
    lambda steps: list(zip(itertools.accumulate(pause for pause, _ in steps), (event for _, event in steps), strict=True))
)
LONG = 64 * LIMITS.settle + LIMITS.every + LIMITS.gather + 1  # the longest hold, and what a message may have to wait


def ended(story):
    """The story, with everything over at its end; and a time by which all of that must have been told."""
    end = story[-1][0] if story else 0.0
    return [*story, *((end, Recovered(key)) for key in KEYS)], end + 2 * LONG


@given(stories)
def test_a_condition_that_holds_is_known_within_the_limit_and_one_that_is_over_is_known_to_be(story):
    times = sorted({at + extra for at, _ in story for extra in (0.0, LIMITS.gather + LIMITS.every + 0.01, LONG)})
    told = played(story, until=times[-1] if times else 0.0)
    for now in times:
        for key in KEYS:
            changes = [(at, isinstance(event, Raised)) for at, event in story if event.key == key and at <= now]
            seen = [found.state for at, message in told if at <= now for found in message.notes if found.key == key]
            is_known = bool(seen) and seen[-1] in ("raised", "worse", "still")
            turned = [at for (at, is_raised), (_, was) in zip(changes, [(0, False), *changes], strict=False) if is_raised != was]
            if not turned:
                continue
            if changes[-1][1] and now >= turned[-1] + LIMITS.gather + LIMITS.every + 0.01:
                assert is_known
            if not changes[-1][1] and now >= turned[-1] + LONG:
                assert not is_known


@given(stories)
def test_a_recovery_is_told_exactly_for_what_was_told_and_every_coming_is_counted(story):
    story, until = ended(story)
    told = played(story, until=until)
    for key in KEYS:
        open_now, comings, counted = False, 0, 0
        is_raised = False
        for _, event in story:
            if event.key == key:
                comings += isinstance(event, Raised) and not is_raised
                is_raised = isinstance(event, Raised)
        for found in (found for _, message in told for found in message.notes if found.key == key):
            assert open_now == (found.state in ("worse", "still", "recovered"))
            open_now = found.state in ("raised", "worse", "still")
            if not open_now:
                counted += 1 + found.returns
        assert not open_now
        assert counted == comings


@given(stories)
def test_nothing_is_called_over_before_it_has_stayed_away(story):
    for at, message in played(story, until=story[-1][0] + LONG if story else 0.0):
        for found in message.notes:
            if found.state in ("recovered", "passed"):
                changes = [(when, isinstance(event, Raised)) for when, event in story if event.key == found.key and when < at]
                assert not any(is_raised for when, is_raised in changes if when > at - LIMITS.settle)
                assert not changes[-1][1]


@given(stories)
def test_no_story_gets_more_messages_than_the_limit_allows(story):
    times = [at for at, _ in played(story, until=story[-1][0] + LONG if story else 0.0)]
    for number, (first, last) in enumerate(zip(times, times[LIMITS.burst :], strict=False)):
        assert last - first >= LIMITS.every - 1e-3, number
    for first, last in itertools.combinations(range(len(times)), 2):
        assert last - first + 1 <= LIMITS.burst + (times[last] - times[first] + 1e-3) // LIMITS.every


@given(st.lists(st.sampled_from([0.25, 1.0, 9.0, 12.0, 12.0, 23.0, 45.0, 90.0, 180.0, 700.0]), min_size=20, max_size=80))
def test_no_flapping_begins_more_than_seven_times_within_the_longest_hold(pauses):
    quick = Limits(burst=9, every=0.001, settle=10.0, remind_after=90_000.0, gather=1.0)  # so that only the holds count
    changes = itertools.cycle([stalls(), Recovered(STALL)])
    told = played(list(zip(itertools.accumulate(pauses), changes, strict=False)), until=sum(pauses) + LONG, rules=quick)
    begun = [at for at, message in told for found in message.notes if found.state in ("raised", "passed")]
    for first, eighth in zip(begun, begun[7:], strict=False):
        assert eighth - first >= 64 * quick.settle


@given(st.lists(st.tuples(pauses, st.integers(0, 9)), max_size=40), st.integers(1, 8))
def test_whatever_room_there_is_each_is_told_or_counted(steps, room):
    times = list(itertools.accumulate(pause for pause, _ in steps))
    story = [
        (at, stalls(key=Key("stall", f"{n}-{number}"))) for number, (at, (_, n)) in enumerate(zip(times, steps, strict=True))
    ]
    told = played(story, until=times[-1] + 999 if times else 0.0, rules=Limits(conditions=room, remind_after=1e9))
    counts = Counter({"told": 0, "no_room": 0})
    for _, message in told:
        counts.update(told=len(message.notes), no_room=message.no_room)
    assert counts == {"told": min(room, len(story)), "no_room": max(0, len(story) - room)}

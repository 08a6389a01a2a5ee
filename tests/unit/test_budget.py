"""One account a venue and machine: no window holds more than the venue allows, and no purpose more than its share."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from ingest.rest.budget import Account, Budget

LIMIT, SECONDS = 100.0, 60.0


def account(*spent):
    return Account(LIMIT, SECONDS, list(spent))


def test_what_is_free_is_given_at_once_and_what_is_not_when_it_will_be():
    one = account()
    assert [one.wait(at, 40, "poll") for at in (0, 10, 20)] == [0, 0, 40]
    assert one.wait(60, 40, "poll") == 0
    assert one.wait(60, 100, "poll") == 60  # what was spent at 10 and at 60 must be forgotten first


def test_a_purpose_gets_no_more_than_its_share_whatever_is_free():
    one = account()
    assert [one.wait(0, 10, "repair", 0.3) for _ in range(4)] == [0, 0, 0, 60]
    assert one.wait(0, 70, "poll") == 0


def test_a_share_that_is_less_than_one_request_still_gives_one_at_a_time():
    one = account()
    assert [one.wait(at, 50, "repair", 0.3) for at in (0, 1, 60)] == [0, 59, 0]


def test_what_others_spend_behind_our_address_counts():
    one = account()
    one.wait(0, 10, "poll")
    one.told(1, 95)
    assert one.wait(2, 10, "poll") == 58
    one.told(2, 5)  # less than we know of: the venue's minute has begun anew, ours has not
    assert one.used(2) == 95


def test_a_closed_door_is_closed_for_all():
    one = account()
    one.close(0, 30)
    one.close(1, 5)
    assert one.wait(10, 1, "poll") == 20


def test_processes_share_the_account(tmp_path):
    path = tmp_path / "limits" / "binance-spot.json"
    with Budget(path, LIMIT, SECONDS).account() as one:
        one.wait(0, 60, "poll")
        one.close(0, 5)
    with Budget(path, LIMIT, SECONDS).account() as other:
        assert (other.used(1), other.wait(6, 60, "poll")) == (60, 54)


def test_a_file_that_a_power_failure_cut_or_another_boot_wrote_means_nothing(tmp_path, monkeypatch):
    path = tmp_path / "limits.json"
    for text in (b"", b'{"boot": "x", "spe', b"[]", b'{"boot": 1}'):
        path.write_bytes(text)
        with Budget(path, LIMIT, SECONDS).account() as one:
            assert one.used(0) == 0
    with Budget(path, LIMIT, SECONDS).account() as one:
        one.wait(0, 60, "poll")
    monkeypatch.setattr("ingest.rest.budget.BOOT", tmp_path / "another")
    with Budget(path, LIMIT, SECONDS).account() as one:
        assert one.used(0) == 0


def test_no_two_processes_spend_the_same(tmp_path):
    budget = Budget(tmp_path / "limits.json", LIMIT, SECONDS)
    given_ = []

    def spend():
        for _ in range(20):
            with budget.account() as one:
                given_.append(one.wait(0, 10, "poll"))

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given_)[:11] == [0] * 10 + [60]


def test_what_was_slow_frees_its_weight_later():
    one = account()
    one.wait(0, 60, "poll")
    one.wait(0, 10, "repair")
    one.answered(5, (0, 60, "poll"))
    assert one.spent == [(0, 10, "repair"), (5, 60, "poll")]
    assert one.wait(60, 50, "poll") == 5
    one.answered(70, (7, 1, "poll"))  # forgotten by now, as after a new boot
    assert one.spent == [(5, 60, "poll")]


slow = st.floats(0, 5)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 60), slow, slow), max_size=40))
def test_however_long_questions_are_on_their_way_the_venue_never_counts_too_many(wishes):
    one, now, came = account(), 0.0, []
    for pause, weight, there, back in wishes:
        now += pause
        while (seconds := one.wait(now, weight, "poll")) > 0:
            now += seconds
        came.append((now + there, weight))
        spent = now, weight, "poll"
        now += there + back
        one.answered(now, spent)
    for at, _ in came:
        assert sum(weight for other, weight in came if at <= other < at + SECONDS) <= LIMIT


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60), st.sampled_from(["poll", "repair"])), max_size=40))
def test_no_window_ever_holds_more_than_the_limit(wishes):
    one, now, spent = account(), 0.0, []
    for pause, weight, purpose in wishes:
        now += pause
        share = 0.3 if purpose == "repair" else 1.0
        while (seconds := one.wait(now, weight, purpose, share)) > 0:
            now += seconds
        spent.append((now, weight, purpose))
        window = [(w, p) for at, w, p in spent if now - at < SECONDS]
        assert sum(w for w, _ in window) <= LIMIT
        repairs = [w for w, p in window if p == "repair"]
        assert sum(repairs) <= LIMIT * 0.3 or len(repairs) == 1

"""Alerts from the program to real servers: nobody waits for a channel, nothing is lost in silence, and an end comes in time."""

import itertools
import logging
import threading
import time

import pytest

from ingest.alert_settings import AlertSettings, Limit, Slack, Telegram
from ingest.alerts import Alerts, Key, Report, Severity, open_alerts
from ingest.alerts.channel import Channel, RefusedError, UnreachableError
from ingest.alerts.channels import channels
from ingest.alerts.courier import Counts
from ingest.alerts.policy import Limits
from ingest.settings import SettingsError
from ingest.values import Reference
from tests.support.receivers import Answer, no_proxy, receiver  # noqa: F401 - one is a fixture

STALL = Key("stall", "binance spot BTC-USDT")
QUICK = Limits(burst=1000, every=0.001, settle=0.05, gather=0.02)
PATH = "/services/T000/B000/webhook-secret"


def slacks(*servers, seconds=10.0):
    settings = AlertSettings(channels=[Slack("slack", Reference(f"env:S{number}")) for number in range(len(servers))])
    return channels(settings, lambda reference, _: f"{servers[int(reference[5:])].address}{PATH}", seconds)


def alerts(found, rules=QUICK, pauses=lambda: itertools.repeat(0.01)):
    return Alerts(found, rules, "laptop", pauses=pauses)


def texts(server):
    return [request.content["text"] for request in server.received]


def told(channel_sends, rules=QUICK):
    """Alerts to one channel that is a function."""
    return alerts([Channel("test", channel_sends)], rules)


def test_a_condition_its_end_and_a_report_reach_every_channel():
    with receiver() as one, receiver() as other:
        desk = alerts(slacks(one, other))
        desk.raise_(STALL, Severity.CRITICAL, "nothing for 45 s")
        for server in (one, other):
            server.wait_for(1)
        desk.recover(STALL)
        for server in (one, other):
            server.wait_for(2)
        desk.report("all is well")
        for server in (one, other):
            server.wait_for(3)
            raised, over, report = texts(server)
            assert raised.startswith(
                "[ticklake laptop] critical: stall binance spot BTC-USDT\n"
                "CRITICAL stall binance spot BTC-USDT: nothing for 45 s (since 20"
            )
            assert over.startswith("[ticklake laptop] recovered: stall binance spot BTC-USDT\nRECOVERED stall binance spot")
            assert report == "[ticklake laptop] report\nall is well"
        desk.close()


def test_everything_stands_in_the_log_too(caplog):
    desk = alerts([])
    desk.raise_(STALL, Severity.CRITICAL, "nothing for 45 s")
    assert desk.close() == {"log": Counts(delivered=1)}
    (record,) = caplog.records
    assert record.getMessage().startswith("event=alert detail='CRITICAL stall binance spot BTC-USDT: nothing for 45 s (since 20")
    assert record.levelno == logging.WARNING


def test_a_channel_that_fails_is_asked_again_and_stops_no_other(caplog):
    with receiver(Answer(503, "away"), Answer(500, "away"), Answer()) as failing, receiver() as good:
        desk = alerts(slacks(failing, good))
        desk.raise_(STALL, Severity.WARNING, "x")
        good.wait_for(1)
        failing.wait_for(3)
        found = desk.close()
    assert len(set(texts(failing))) == 1
    assert found["alerts.channels[0] slack"] == Counts(delivered=1, failed_tries=2)
    assert found["alerts.channels[1] slack"] == Counts(delivered=1)
    lines = [record.getMessage() for record in caplog.records if "alert_not" in record.getMessage()]
    assert lines == [
        f"event=alert_not_delivered channel='alerts.channels[0] slack' again_in=0.0s detail='HTTP {status}: away'"
        for status in (503, 500)
    ]


def test_a_refused_message_is_said_in_the_next(caplog):
    with receiver(Answer(404, "no_service"), Answer()) as there:
        desk = alerts(slacks(there))
        desk.report("one")
        there.wait_for(1)
        desk.report("two")
        there.wait_for(2)
        found = desk.close()
    assert texts(there)[1].splitlines()[1:] == ["two", "messages before this one that this channel refused: 1"]
    assert found["alerts.channels[0] slack"] == Counts(delivered=1, refused=1)
    assert "event=alert_refused channel='alerts.channels[0] slack' detail='HTTP 404: no_service'" in caplog.text


def test_no_log_shows_a_secret(caplog):
    answers = [Answer(500, f"no {PATH}"), Answer(404, "no webhook-secret here")]
    with receiver(*answers) as there:
        desk = alerts(slacks(there))
        desk.report("one")
        there.wait_for(2)
        desk.close()
    with receiver() as gone:
        pass
    desk = alerts(slacks(gone))
    desk.report("one")
    desk.close(0.1)
    assert "HTTP 500: no …" in caplog.text
    assert "HTTP 404: no … here" in caplog.text
    assert "Connection refused" in caplog.text
    assert "secret" not in caplog.text


def test_an_error_that_nobody_foresaw_is_tried_again_without_its_words(caplog):
    failures = [ValueError("https://secret"), KeyError("secret")]
    arrived = threading.Event()

    def send(_title, _text):
        if failures:
            raise failures.pop(0)
        arrived.set()

    desk = told(send)
    desk.report("one")
    assert arrived.wait(10)
    assert desk.close()["test"] == Counts(delivered=1, failed_tries=2)
    assert "detail='unexpected ValueError'" in caplog.text
    assert "detail='unexpected KeyError'" in caplog.text
    assert "secret" not in caplog.text


def test_a_channel_says_how_long_to_wait():
    answers = [Answer(429, "", {"Retry-After": "1"}), Answer()]
    with receiver(*answers) as there:
        desk = alerts(slacks(there))
        desk.report("one")
        refused, taken = there.wait_for(2)
        assert taken.at - refused.at > 0.9
        desk.close()


def test_a_channel_that_says_nothing_holds_nobody_up():
    with receiver(Answer(is_silent=True)) as silent, receiver() as good:
        desk = alerts(slacks(silent, good))
        desk.report("one")
        silent.wait_for(1)
        began = time.monotonic()
        for number in range(1000):
            desk.raise_(Key("stall", str(number)), Severity.WARNING, "x")
        assert time.monotonic() - began < 5
        good.wait_for(2)
        silent.done.set()
        desk.close(0.1)


def test_what_comes_up_while_a_channel_is_away_is_one_message_with_counts():
    tries, tried, may_go, sent = [], threading.Event(), threading.Event(), []

    def send(_title, text):
        tries.append(1)
        if len(tries) == 2:  # by then the first failure was counted
            tried.set()
        if not may_go.is_set():
            raise UnreachableError("away")
        sent.append(text)

    desk = told(send, Limits(burst=1000, every=0.001, settle=60.0, gather=0.02))
    desk.raise_(Key("first", ""), Severity.INFO, "x")
    assert tried.wait(10)
    assert desk.counts()["test"].is_failing
    for number in range(300):
        desk.raise_(Key("stall", str(number)), Severity.WARNING, "x")
    may_go.set()
    found = desk.close()
    assert (found["test"].delivered, found["test"].is_failing) == (2, False)
    assert sent[0].startswith("INFO first: x (since ")
    assert sent[1].splitlines()[10:] == ["and 290 more: 290 stall raised"]


def test_the_end_sends_what_there_is_without_limit():
    with receiver() as there:
        desk = alerts(slacks(there), Limits(burst=1, every=3600.0, settle=3600.0, gather=3600.0))
        desk.raise_(STALL, Severity.WARNING, "x")
        for number in range(3):
            desk.report(str(number))
        found = desk.close()
    assert [text.splitlines()[1][:13] for text in texts(there)] == ["0", "1", "2", "WARNING stall"]
    assert found["alerts.channels[0] slack"] == Counts(delivered=4)


def test_the_end_comes_in_time_and_says_what_it_leaves(caplog):
    with receiver(Answer(is_silent=True)) as silent:
        desk = alerts(slacks(silent), Limits(gather=3600.0))
        desk.report("one")
        silent.wait_for(1)
        desk.report("two")
        desk.raise_(STALL, Severity.WARNING, "x")
        began = time.monotonic()
        found = desk.close(0.3)
        assert 0.2 < time.monotonic() - began < 3
        assert found["alerts.channels[0] slack"] == Counts(abandoned=3)
        assert "event=alerts_abandoned channel='alerts.channels[0] slack' messages=3" in caplog.text
        silent.done.set()


def test_the_end_does_not_wait_for_a_long_pause_and_goes_on_trying():
    tried, tries = threading.Event(), []

    def send(_title, _text):
        tries.append(1)
        tried.set()
        if len(tries) < 3:
            raise UnreachableError("away", at_least=3600.0)

    desk = told(send)
    desk.report("one")
    assert tried.wait(10)
    began = time.monotonic()
    assert desk.close(10.0)["test"] == Counts(delivered=1, failed_tries=2)
    assert time.monotonic() - began < 5


def test_a_channel_that_was_refused_at_last_is_said_to_fail():
    def send(_title, _text):
        raise RefusedError("no")

    desk = told(send)
    desk.report("one")
    assert desk.close()["test"] == Counts(refused=1, is_failing=True)


def test_a_fault_of_ours_ends_one_channel_and_is_said(caplog):
    sent = []
    desk = told(lambda _, text: sent.append(text))
    desk._couriers[0]._policy.take(0.0, Report(7))  # the log's only
    desk.report("one")
    desk.close()
    assert "event=alerts_fault channel='log'" in caplog.text
    assert sent == ["one"]


def test_many_threads_may_say_what_is_wrong():
    sent = []
    desk = told(lambda _, text: sent.append(text), Limits(burst=10**6, every=1e-6, settle=0.05, gather=0.001, conditions=10**6))

    def say(name):
        for number in range(200):
            desk.raise_(Key("stall", f"{name}-{number}"), Severity.WARNING, "x")

    threads = [threading.Thread(target=say, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.close()
    lines = [line for text in sent for line in text.splitlines()]
    counted = sum(int(line.split()[1]) for line in lines if line.startswith("and "))
    assert counted + sum(line.startswith("WARNING") for line in lines) == 1600


def test_what_is_said_after_the_end_is_nothing():
    sent = []
    desk = told(lambda _, text: sent.append(text))
    desk.close()
    desk.report("late")
    desk.close()
    assert sent == []


def test_a_configuration_is_opened_with_its_secrets_and_limits(monkeypatch):
    settings = AlertSettings(channels=[Telegram("telegram", Reference("env:BOT"), "1", "http://127.0.0.1:9")], limit=Limit(2))
    monkeypatch.setenv("BOT", "123:abc")
    desk = open_alerts(settings, "laptop")
    assert desk.close() == {"log": Counts(), "alerts.channels[0] telegram": Counts()}
    monkeypatch.delenv("BOT")
    with pytest.raises(
        SettingsError, match=r"^alerts\.channels\[0\]\.token is 'env:BOT': the environment variable BOT is not set$"
    ):
        open_alerts(settings, "laptop")

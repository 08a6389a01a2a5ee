"""What is wrong is told once and its end, too; at midnight the day is told."""

from dataclasses import replace

from ingest.alerts.alert import Key, Raised, Recovered, Severity
from ingest.watch.status import read
from ingest.watch.watch import Watch
from tests.support.fakes import FakeTime
from tests.support.vitals import FEED, VITALS

SICK = replace(VITALS, feeds=(replace(FEED, holes=1),))
GAP = Key("gap", "binance spot agg_trade BTC-USDT")


class Told:
    """Alerts that are written down."""

    def __init__(self) -> None:
        self.told = []

    def raise_(self, key, severity, text):
        self.told.append(("raise", key, severity, text))

    def recover(self, key):
        self.told.append(("recover", key))

    def take(self, event):
        self.told.append(("take", event))

    def report(self, text):
        self.told.append(("report", text.splitlines()[0]))


class Desk:
    def __init__(self, folder, *vitals) -> None:
        self.vitals, self.told, self.events = list(vitals), Told(), []
        self.watch = Watch(folder, lambda: self.vitals.pop(0), lambda: self.events, self.told, FakeTime().clock)

    def look(self, times):
        for _ in range(times):
            self.watch.look()
        return self.told.told


def test_what_is_wrong_is_told_while_it_is_and_then_its_end(tmp_path):
    raised = ("raise", GAP, Severity.WARNING, "1 holes that are not repaired yet")
    assert Desk(tmp_path, VITALS, SICK, SICK, VITALS, VITALS).look(5) == [raised, raised, ("recover", GAP)]


def test_what_comes_and_goes_by_rules_of_its_own_is_handed_on_as_it_is(tmp_path):
    desk = Desk(tmp_path, VITALS, VITALS)
    desk.events = [Raised(Key("spread", "bitso"), Severity.CRITICAL, "1.2 %", 5)]
    desk.look(1)
    desk.events = [Recovered(Key("spread", "bitso"))]
    assert desk.look(1) == [
        ("take", Raised(Key("spread", "bitso"), Severity.CRITICAL, "1.2 %", 5)),
        ("take", Recovered(Key("spread", "bitso"))),
    ]


def test_the_day_is_told_once_when_it_is_over(tmp_path):
    day = 86_400 * 10**9
    moments = [replace(VITALS, at_ns=VITALS.at_ns + after) for after in (0, day // 2, day, day + 1, 2 * day)]
    assert Desk(tmp_path, *moments).look(5) == [("report", "collector laptop: running for 1.0 h, 0 segments wait")] * 2


def test_each_look_is_there_for_whoever_asks(tmp_path):
    Desk(tmp_path, SICK).look(1)
    assert read(tmp_path / "status.json") == SICK

"""Asking over REST: what is asked again, whom, after how long, and what is never asked again."""

from dataclasses import dataclass, field

import pytest
import urllib3

from ingest.exchanges.exchange import Rest
from ingest.rest import client, download
from ingest.rest.budget import Budget
from ingest.rest.client import BARRED_SECONDS, Client, Purpose, RestError
from tests.support.fakes import FakeTime, Stop

REST = Rest(("http://one", "http://two"), budget=100, seconds=60, histories={}, used_header="x-used")


@dataclass
class Answer:
    status: int = 200
    data: bytes = b"[]"
    headers: dict = field(default_factory=dict)


class Desk:
    """A client whose questions get these answers, one after the other."""

    def __init__(self, folder, *answers, share=1.0, waits=100) -> None:
        self.time = FakeTime()
        self.stop = Stop(self.time, waits)
        self.answers, self.asked = list(answers), []
        self.budget = Budget(folder / "limits.json", REST.budget, REST.seconds)
        world = {"get": self.get, "clock": self.time.clock, "random": lambda: 1.0, "stop": self.stop}
        self.client = Client(REST, REST.hosts, self.budget, Purpose("repair", share), **world)

    def get(self, url):
        self.asked.append((round(self.time.seconds, 3), url))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, weight=1):
        return self.client.ask("/x?y=1", weight).raw


def test_an_answer_is_an_answer(tmp_path):
    desk = Desk(tmp_path, Answer(data=b"[1]"))
    assert (desk.ask(), desk.asked) == (b"[1]", [(0, "http://one/x?y=1")])


def test_an_answer_says_when_it_came_and_how_long_that_took(tmp_path):
    desk = Desk(tmp_path, Answer(503), Answer(data=b"[1]"))
    get = desk.get
    desk.client._get = lambda url: (desk.time.advance(0.25), get(url))[1]
    body = desk.client.ask("/x?y=1", 1)
    assert (body.raw, body.recv_ns, body.seconds) == (b"[1]", 1_731_000_001_000_000_000, 0.25)  # half a second between the two


def test_what_may_pass_is_asked_again_ever_more_slowly_of_each_host(tmp_path):
    errors = [Answer(503), urllib3.exceptions.ProtocolError("cut"), TimeoutError("slow"), Answer(500)]
    desk = Desk(tmp_path, *errors, Answer(data=b"[1]"))
    assert desk.ask() == b"[1]"
    assert desk.asked == [
        (0, "http://one/x?y=1"),
        (0.5, "http://two/x?y=1"),
        (1.5, "http://one/x?y=1"),
        (3.5, "http://two/x?y=1"),
        (7.5, "http://one/x?y=1"),
    ]


def test_nobody_asks_for_ever(tmp_path):
    desk = Desk(tmp_path, *[Answer(503, b"sorry")] * 20)
    with pytest.raises(RestError, match=r"^/x\?y=1: HTTP 503 sorry$"):
        desk.ask()
    assert len(desk.asked) == 8


@pytest.mark.parametrize("status", [400, 404])
def test_a_wrong_question_is_asked_once(tmp_path, status):
    desk = Desk(tmp_path, Answer(status, b'{"code":-1121,"msg":"Invalid symbol."}'), Answer())
    with pytest.raises(RestError, match=r"Invalid symbol"):
        desk.ask()
    assert desk.ask() == b"[]"  # another question may be right, of the same host
    assert [url for _, url in desk.asked] == ["http://one/x?y=1"] * 2


@pytest.mark.parametrize("status", [403, 451])
def test_a_host_that_says_no_is_left_alone_ever_longer(tmp_path, status):
    """Ten minutes, twenty, up to an hour: a block is lifted some day, and until then nobody knocks in vain."""
    desk = Desk(tmp_path, *[Answer(status)] * 12)
    for _ in range(4 * 3600):
        with pytest.raises(RestError):
            desk.ask()
        desk.time.advance(1)
    minutes = [at / 60 for at, url in desk.asked if url.startswith("http://one")]
    assert [round(at) for at in minutes] == [0, 10, 30, 70, 130, 190]
    assert [at for at, url in desk.asked if url.startswith("http://two")] == [at * 60 for at in minutes]


def test_a_host_that_answers_again_is_as_good_as_any(tmp_path):
    desk = Desk(tmp_path, Answer(403), Answer(403), Answer(data=b"[1]"), Answer(403), Answer(data=b"[2]"))
    with pytest.raises(RestError, match="HTTP 403"):
        desk.ask()
    assert not desk.client.can_ask
    desk.time.advance(BARRED_SECONDS)
    assert desk.client.can_ask
    assert desk.ask() == b"[1]"
    assert desk.ask() == b"[2]"
    urls = [url for _, url in desk.asked]
    assert urls == [f"http://{name}/x?y=1" for name in ("one", "two", "two", "two", "one")]
    assert {host: seconds for host, (_, seconds) in desk.client._barred.items()} == {"http://two": BARRED_SECONDS}  # not twice


@pytest.mark.parametrize("status", [403, 451])
def test_a_host_that_says_no_is_not_asked_again(tmp_path, status):
    desk = Desk(tmp_path, Answer(status), Answer(), Answer(status))
    desk.ask()
    with pytest.raises(RestError, match=f"HTTP {status}"):
        desk.ask()
    with pytest.raises(RestError, match="no address is left"):
        desk.ask()
    assert [url for _, url in desk.asked] == ["http://one/x?y=1", "http://two/x?y=1", "http://two/x?y=1"]


def test_too_many_requests_closes_the_door_for_all_processes(tmp_path):
    desk = Desk(tmp_path, Answer(429, headers={"Retry-After": "17"}), Answer())
    desk.ask()
    assert [at for at, _ in desk.asked] == [0, 17]
    with desk.budget.account() as account:
        assert account.closed_until == 17


def test_a_banned_address_stops_asking(tmp_path):
    desk = Desk(tmp_path, Answer(418, headers={"Retry-After": "300"}), Answer())
    with pytest.raises(RestError, match="banned"):
        desk.ask()
    with pytest.raises(RestError, match="no address is left"):
        desk.ask()
    with desk.budget.account() as account:
        assert account.closed_until == 300
    assert not desk.client.can_ask
    desk.time.advance(BARRED_SECONDS)
    assert desk.ask() == b"[]"


def test_the_budget_is_kept_and_fed_by_what_the_venue_says(tmp_path):
    desk = Desk(tmp_path, Answer(headers={"x-used": "95"}), Answer(), share=0.5)
    desk.ask(10)
    desk.ask(10)
    assert [at for at, _ in desk.asked] == [0, 60]
    assert desk.client.counts.waited == 60


def test_a_slow_question_is_spent_when_it_was_answered(tmp_path):
    desk = Desk(tmp_path, Answer(), TimeoutError("slow"), Answer(), Answer())
    get = desk.get
    desk.client._get = lambda url: (desk.time.advance(5), get(url))[1]
    desk.ask(100)
    desk.ask(100)
    desk.ask(1)
    assert [at for at, _ in desk.asked] == [5, 70, 135, 200]  # each came there 60 s after the answer to the one before


def test_a_stop_ends_the_waiting(tmp_path):
    desk = Desk(tmp_path, Answer(503), Answer(), waits=1)
    with pytest.raises(RestError, match="told to stop"):
        desk.ask()


def test_a_budget_that_cannot_be_written_down_is_not_spent(tmp_path):
    """As on a full disk: who asked all the same would ask without any limit."""
    desk = Desk(tmp_path, Answer())
    desk.budget.path.mkdir()
    with pytest.raises(RestError, match=r"/x\?y=1: \[Errno 21\] Is a directory"):
        desk.ask()
    assert desk.asked == []


@pytest.mark.parametrize(
    ("module", "ask"), [(client, lambda: client.get()("http://x")), (download, lambda: download.fetch()("http://x", {}))]
)
def test_a_venue_may_think_for_longer_than_it_may_take_to_be_reached(monkeypatch, module, ask):
    class Pool:
        def request(self, *_, timeout, **__):
            asked.append((timeout.connect_timeout, timeout.read_timeout))

    asked = []
    monkeypatch.setattr(module, "pools", lambda *_, **__: lambda _: Pool())
    ask()
    assert asked == [(5.0, 20.0)]

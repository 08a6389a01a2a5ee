"""A disk that changes what a killed collector left, under a real one: the next start lands the truth all the same."""

import random
import signal

import pytest

from tests.support.desk import Desk, ended
from tests.support.processes import ingest, simulator, until
from tests.support.venues import PATIENCE, YAML, Venues, caught_up, invented, landed, missing

AWAY = '{path: "s3://nowhere/lake", endpoint: "http://127.0.0.1:9", region: us-east-1, path_style: true}'  # nobody listens there
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


SUM = 9  # eight digits and a space


def flip(path, chance):
    """One bit of it, of no sum before a line: where that alone is wrong in a sealed segment, the sum in its name is right."""
    data = bytearray(path.read_bytes())
    place = chance.choice([place for place in range(len(data)) if place - data.rfind(b"\n", 0, place) > SUM])
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def sealed(desk):
    return [path for path in desk.in_spool("sealed") if path.name.endswith(".jsonl")]


def test_a_bit_in_every_segment_and_in_the_marks(desk):
    venues, chance = Venues(60), random.Random(7)  # noqa: S311 - the seed is what a run is told by
    with simulator(*venues.options) as (_, port):
        conf = desk.conf(port, AWAY, YAML, has_rest=True, more=PATIENCE)
        with ingest("collect", "--conf", conf, environment=KEYS) as collector:
            until(lambda: len(sealed(desk)) > 8 and len(desk.in_spool("open")) > 2, collector, "segments in the spool")
            collector.kill()
        damaged = [*sealed(desk), *desk.in_spool("open")]
        for path in (*damaged, desk.spool / "marks.json"):
            flip(path, chance)
        conf = desk.conf(port, feeds=YAML, has_rest=True, more=PATIENCE)
        with ingest("collect", "--conf", conf) as collector:
            until(caught_up(desk, venues), collector, "the truth", every=0.3)
            collector.send_signal(signal.SIGTERM)
            code, summary, errors = ended(collector)
    found, there = landed(desk), venues.truth()
    assert (missing(there, found), invented(there, found)) == ({}, {})
    odd = [line for line in desk.lines("events") if line["kind"] == "unknown"]
    assert len(odd) >= len(damaged)
    assert (code, " lost_lines=0 " in summary) == (0, True), (summary, errors)
    assert errors.count("event=marks_unreadable") == 1

"""A collector that is killed at every point there is: the next start needs no human, and the landing zone has everything once."""

import random
import signal
from collections import Counter

import pytest

from ingest.landing import store
from ingest.settings import Lake
from ingest.spool import records
from tests.support.desk import Desk, ended
from tests.support.dying import ANY_LAKE, ANY_MOMENT, FILES, S3
from tests.support.processes import ingest, python, simulator, until
from tests.support.seaweedfs import seaweedfs
from tests.support.venues import PATIENCE, YAML, Venues, caught_up, invented, landed, missing

SPEED = 60
CHAIN = 6  # deaths, one after the other, of one spool
# how often a point is passed in a second or so, at least; the seed chooses one of these passages
PASSAGES = {
    "torn": 1,
    "salvaged": 1,
    "append": 60,
    "fsync": 20,
    "seal": 8,
    "sealed": 3,
    "marks": 2,
    "delete": 5,
    "object": 5,
    "PUT": 5,
}
# what must have happened just before, so that there is something to be salvaged
NEEDS = {
    point: "half append" if "torn" in point else "after append" for point in ANY_LAKE if "salvage" in point or "torn" in point
}


def passages(point):
    return next((most for word, most in PASSAGES.items() if word in point.split()), 1)


def chains(points, seed):
    """All points in some order, each with the passage that it dies at, so many to a spool."""
    chance = random.Random(seed)  # noqa: S311 - the seed is what a run is told by
    order = [[NEEDS[point], point] if point in NEEDS else [point] for point in points]
    chance.shuffle(order)
    deaths = [(point, chance.randint(1, passages(point))) for group in order for point in group]
    found = [[]]
    for point, passage in deaths:
        if len(found[-1]) >= CHAIN and point not in NEEDS:
            found.append([])
        found[-1].append((point, passage))
    return found


def cases(points, seeds):
    return [pytest.param(chain, id=f"{seed}-{number}") for seed in seeds for number, chain in enumerate(chains(points, seed))]


def moments(seed):
    """As many deaths as a chain has, each so many milliseconds after the start: most have sealed and landed something by then."""
    chance = random.Random(seed)  # noqa: S311 - see above
    return [(ANY_MOMENT, chance.randint(1, 3000)) for _ in range(CHAIN)]


def whole_lines(desk):
    """What the spool holds for sure."""
    paths = [path for part in ("open", "sealed") for path in desk.in_spool(part)]
    return [line.rstrip(b"\n") for path in paths for line in records.read(path.read_bytes()).whole]


def assert_survived(desk, chain, lake=None, environment=None):
    """Killed again and again; then started once more."""
    venues = Venues(SPEED)
    written = []
    with simulator(*venues.options) as (_, port):
        conf = desk.conf(port, lake, YAML, has_rest=True, more=PATIENCE)
        for point, passage in chain:
            arguments = ("-m", "tests.support.dying", point, passage, "collect", "--conf", conf)
            with python(*arguments, environment=environment) as collector:
                output = collector.communicate(timeout=30)
                assert collector.returncode == -signal.SIGKILL, (point, passage, output)
            written += whole_lines(desk)
        with ingest("collect", "--conf", conf, environment=environment) as collector:
            until(caught_up(desk, venues), collector, f"the truth after {chain}", every=0.3)
            collector.send_signal(signal.SIGTERM)
            code, summary, errors = ended(collector)
    found, there = landed(desk), venues.truth()
    assert (missing(there, found), invented(there, found)) == ({}, {})
    lines = Counter(line for text in desk.objects().values() for line in text.splitlines())
    assert set(lines.values()) == {1}
    assert set(written) <= lines.keys()
    assert (code, " lost_lines=0 " in summary) == (0, True), (summary, errors)
    assert (desk.in_spool("open"), desk.in_spool("sealed")) == ([], [])


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.parametrize("chain", cases({**ANY_LAKE, **FILES}, range(1)))
def test_a_collector_that_is_killed_anywhere_loses_nothing(desk, chain):
    assert_survived(desk, chain)


@pytest.mark.long
@pytest.mark.parametrize("chain", cases({**ANY_LAKE, **FILES}, range(1, 54)))
def test_a_collector_that_is_killed_anywhere_loses_nothing_with_other_seeds(desk, chain):
    assert_survived(desk, chain)


@pytest.mark.parametrize("seed", [1])
def test_nor_does_one_that_is_killed_at_random(desk, seed):
    assert_survived(desk, moments(seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, *range(2, 54)])
def test_nor_does_one_that_is_killed_at_random_with_other_seeds(desk, seed):
    assert_survived(desk, moments(seed))


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found:
        yield found


@pytest.mark.parametrize("chain", cases(S3, range(1)))
def test_the_same_on_s3(desk, chain, s3, request, monkeypatch):
    on_s3(desk, chain, s3, request, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("chain", cases(S3, range(1, 2)))
def test_the_same_on_s3_with_another_seed(desk, chain, s3, request, monkeypatch):
    on_s3(desk, chain, s3, request, monkeypatch)


def on_s3(desk, chain, s3, request, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{abs(hash(request.node.name))}"
    s3.client().create_bucket(Bucket=bucket)
    desk.files = store(Lake(f"s3://{bucket}", endpoint=s3.endpoint, region="us-east-1", path_style=True))
    lake = f'{{path: "s3://{bucket}", endpoint: "{s3.endpoint}", region: us-east-1, path_style: true}}'
    assert_survived(desk, chain, lake, s3.environment)

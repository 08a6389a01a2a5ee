"""Two drivers on one lake: the second is refused; what a superseded one still commits is noticed, and its traces are removed."""

import json

import pytest
from pyspark.sql import functions as F

from jobs.queries import foreign
from jobs.queries.live_tables import LiveTables
from jobs.queries.trades import Trades
from jobs.runtime.lease import LeaseHeld, LeaseLost
from jobs.runtime.live import Foreign, Live
from jobs.tables.quarantine import QUARANTINE
from tests.support.crash import Died, Steps, die
from tests.support.stories import Story, first, second
from tests.support.stream import recovery_of, take
from tests.support.tables import assert_tables


def append_again(live: Live) -> None:
    """A row that is there already, by somebody who has never heard of leases."""
    live.read().limit(1).write.format("delta").mode("append").save(live.path)


def quarantine_a_trade(tables: LiveTables) -> None:
    """A conflict by another driver that was the later one: its row is the very one that lies in `trades`."""
    row = tables.trades.read().limit(1)
    said = {"channel": "trades", "reason": "conflict", "detail": "of another driver", "raw": "{}", "line_sha256": "0"}
    columns = [
        F.col(column.name) if column.name in row.columns else F.lit(said[column.name]).alias(column.name)
        for column in QUARANTINE.columns
    ]
    row.select(*columns).write.format("delta").mode("append").save(tables.quarantine.path)


def versions(query: Trades) -> list[int]:
    return [live.version for live in (query.tables.trades, query.tables.quarantine, query.tables.minutes)]


def test_a_second_driver_is_refused_by_name(story: Story):
    with (
        story.driver(),
        pytest.raises(LeaseHeld, match=r"control/lease/stream\.json: test writes these tables; stop it first"),
        story.driver(),
    ):
        pass


def test_a_commit_of_somebody_else_is_seen_before_the_next_batch_and_before_each_commit(story: Story):
    objects = second(story)
    with story.driver() as query:
        query.start()
        steps = Steps(query, "after trades", lambda: append_again(query.tables.minutes))
        # the minutes are not even this commit's table
        with pytest.raises(Foreign, match=r"minute_aggregates: version .* was written by somebody else"):
            take(query, [objects[1]])
        assert steps.made == ["trades"]
        append_again(query.tables.trades)
        with pytest.raises(Foreign, match=r"trades: version .* was written by somebody else"):
            take(query, [objects[0]])
        assert steps.made == ["trades"]
        with pytest.raises(Foreign, match=r"trades: version .* is not ours"):
            query.start()  # a failed query that is started again does not take it for its own


@pytest.mark.long
def test_what_a_superseded_driver_commits_is_seen_and_repaired(story: Story):
    """A driver sleeps between its last look at the lease and its commit. The next one takes the same batch, and dies."""
    objects = second(story)
    story.tell(*objects)
    with story.driver() as zombie:
        zombie.start()
        zombie.tables.trades.lease._lock.close()  # on S3 this is a TTL of silence
        for live in (zombie.tables.trades, zombie.tables.quarantine, zombie.tables.minutes):
            live.check = lambda: None
        with story.driver() as query:
            query.start()
            take(query, objects)
            with pytest.raises(Foreign):  # too late: the commit is there
                take(zombie, [objects[0]])
            before = versions(query)
            with pytest.raises(Foreign, match=r"trades: version"):
                take(query, objects)
            assert versions(query) == before
    with story.driver() as query:
        recovery = recovery_of(query)
        recovery.begin()
        assert recovery.folder == "checkpoints/trades/1"
        take(query, [*first(story), *objects])
        query.close()
        assert_tables(query, story.oracle, open_too=True)


@pytest.mark.long
def test_a_foreign_commit_is_repaired_by_the_driver_that_sees_it(story: Story):
    objects = second(story)
    story.tell(*objects)
    with story.driver() as query:
        recovery = recovery_of(query)
        recovery.begin()
        assert recovery.folder == "checkpoints/trades/1"
        take(query, [objects[1]])
        for live in query.tables.all:
            append_again(live)
        quarantine_a_trade(query.tables)
        with pytest.raises(Foreign) as caught:
            take(query, objects)
        recovery.recover(caught.value)
        assert recovery.folder == "checkpoints/trades/2", "everything is read again"
        metadata = json.loads((story.lake / "checkpoints/trades/2/metadata").read_text())
        query.tables.trades.open()
        assert query.tables.trades.properties["ticklake.checkpoint.trades"] == f"2 {metadata['id']}" == f"2 {recovery.query}"
        take(query, [*objects, *first(story)])
        query.close()
        assert_tables(query, story.oracle, open_too=True)


@pytest.mark.timeout(600)  # five drivers
@pytest.mark.long
def test_what_somebody_wrote_while_no_driver_ran_is_removed_even_if_the_first_one_that_sees_it_dies(
    story: Story, monkeypatch: pytest.MonkeyPatch
):
    objects = second(story)
    story.tell(*objects)
    with story.driver() as query:
        recovery_of(query).begin()
        trades = query.tables.trades
    append_again(trades)
    with story.driver() as query, monkeypatch.context() as patched:
        patched.setattr(foreign, "forget_taken", lambda _: die())  # the keys are each there once again; the rest is not done
        with pytest.raises(Died):
            recovery_of(query).begin()
    with story.driver() as query:
        recovery = recovery_of(query)
        recovery.begin()
        assert recovery.folder == "checkpoints/trades/2", "everything is read again"
        take(query, [*objects, *first(story)])
        query.close()
        assert_tables(query, story.oracle, open_too=True)
    with story.driver() as query:
        recovery = recovery_of(query)
        recovery.begin()
        assert recovery.folder == "checkpoints/trades/2", "and only once"
        minutes = query.tables.minutes
    append_again(minutes)  # no row of trades tells of it
    with story.driver() as query:
        recovery = recovery_of(query)
        recovery.begin()
        assert recovery.folder == "checkpoints/trades/3"
        query.close()
        assert_tables(query, story.oracle, open_too=True)


def test_a_lease_that_another_took_ends_the_writing_before_the_next_commit(story: Story):
    objects = second(story)
    with story.driver() as query:
        query.start()
        before = versions(query)
        lease = query.tables.trades.lease
        store = query.tables.trades.store
        there = store.get(lease.key)
        assert there is not None
        store.replace(lease.key, json.dumps({"owner": "elsewhere:7", "epoch": lease.epoch + 1, "ttl": 30}).encode(), there[1])
        lease.renew()  # as the lease's own thread does every few seconds
        with pytest.raises(LeaseLost, match=r"control/lease/stream\.json was taken by elsewhere:7"):
            take(query, objects)
        query.tables.trades.open()
        assert versions(query) == before


@pytest.mark.long
def test_what_another_query_took_over_in_quarantine_is_repaired_by_the_trades_too(story: Story):
    objects = second(story)
    with story.driver() as query:
        query.start()
        take(query, objects)
        quarantine_a_trade(query.tables)
        query.tables.quarantine.open(accept=True)  # as the query of another channel does it, and removes the doubled keys
        with pytest.raises(Foreign, match="quarantine: somebody else wrote, as another query has found"):
            take(query, objects)
        foreign.repair(query)
        take(query, objects)

"""Clients of the venues' REST halves, each within the budget of its market."""

from collections.abc import Sequence

from ingest.budget import Budget
from ingest.exchanges.exchange import Exchange
from ingest.link import World
from ingest.rest import Client, Purpose
from ingest.settings import Ingest


def budget(ingest: Ingest, exchange: Exchange) -> Budget:
    """What may be asked of a market, by all our processes."""
    assert exchange.rest is not None
    return Budget(ingest.limits.path / f"{exchange.venue}-{exchange.market}.json", exchange.rest.budget, exchange.rest.seconds)


def client(ingest: Ingest, exchange: Exchange, hosts: Sequence[str], purpose: Purpose, world: World) -> Client:
    """A client for one purpose."""
    assert exchange.rest is not None
    rest, own, clock = exchange.rest, budget(ingest, exchange), world.clock
    return Client(rest, hosts, own, purpose, get=world.get, clock=clock, random=world.random, stop=world.stop)

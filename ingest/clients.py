"""Clients of the venues' REST halves, each within the budget of its market."""

from collections.abc import Sequence

from ingest.budget import Budget
from ingest.exchanges.exchange import Exchange
from ingest.link import World
from ingest.rest import Client, Purpose
from ingest.settings import Ingest


def client(ingest: Ingest, exchange: Exchange, hosts: Sequence[str], purpose: Purpose, world: World) -> Client:
    """A client for one purpose."""
    rest = exchange.rest
    assert rest is not None
    path = ingest.limits.path / f"{exchange.venue}-{exchange.market}.json"
    own = Budget(path, rest.budget, rest.seconds)
    return Client(rest, hosts, own, purpose, get=world.get, clock=world.clock, random=world.random, stop=world.stop)

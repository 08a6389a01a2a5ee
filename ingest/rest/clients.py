"""Clients of the venues' REST halves, each within the budget of its market."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.clock import Clock
from ingest.exchanges.exchange import Exchange
from ingest.rest.budget import budget
from ingest.rest.client import Client, Get, Purpose
from ingest.settings import Ingest


class World(Protocol):
    """What asking needs of the world."""

    @property
    def clock(self) -> Clock: ...
    @property
    def get(self) -> Get: ...
    @property
    def random(self) -> Callable[[], float]: ...
    @property
    def stop(self) -> threading.Event: ...


def client(ingest: Ingest, exchange: Exchange, hosts: Sequence[str], purpose: Purpose, world: World) -> Client:
    """A client for one purpose."""
    assert exchange.rest is not None
    account = budget(ingest.limits.path, exchange)
    return Client(exchange.rest, hosts, account, purpose, get=world.get, clock=world.clock, random=world.random, stop=world.stop)

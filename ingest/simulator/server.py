"""The simulated venues on one port."""

import asyncio
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ingest.simulator.counter import Counter
from ingest.simulator.protocols import route
from ingest.simulator.simulation import Simulation
from ingest.simulator.truth import Truth
from ingest.simulator.worlds import World


async def run(  # noqa: PLR0913 - by keyword
    world: World,
    truth: Truth,
    *,
    port: int,
    wait_for: int,
    stays: bool,
    stop: asyncio.Event,
    ready: Callable[[int], None],
    limits: float | None = 1.0,
) -> None:
    """Open the venues on 127.0.0.1, play the world, close politely when all was sent or `stop` is set."""
    simulation = Simulation(world, truth, wait_for)
    counter = Counter(world, simulation.script, limits)

    async def answer(connection: ServerConnection, request: Request) -> Response | None:
        where, now = route(request.path), simulation.now
        return await counter.answer(connection, request, now) if where is None else counter.refusal(where, now)

    async with serve(
        simulation.client, "127.0.0.1", port, compression=None, process_request=answer, ping_timeout=60, open_timeout=600
    ) as server:
        ready(next(iter(server.sockets)).getsockname()[1])
        stopping = asyncio.create_task(stop.wait())
        playing = asyncio.create_task(simulation.play())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if playing.done():
                playing.result()  # what went wrong there goes wrong here
                if stays:
                    await stopping
        finally:
            counter.stop()
            simulation.let_go(server)
            for task in (playing, stopping):
                task.cancel()
    counter.close()
    truth.close()

"""Work beside the market: in a thread that nobody has to wait for when the venues close."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Product = TypeVar("Product")


class ClosingError(Exception):
    """The venues close; what was asked for will not be made."""


async def aside(work: Callable[[], Product], closing: asyncio.Event) -> Product:
    """The product of the work, while the market goes on; ClosingError when the venues close before."""
    loop = asyncio.get_running_loop()
    product: asyncio.Future[Product] = loop.create_future()

    def settle(done: Callable[[], None]) -> None:
        if not product.done():
            done()

    def run() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for it
            failure = error
            done: Callable[[], None] = lambda: product.set_exception(failure)  # noqa: E731 - it closes over the failure
        else:
            done = lambda: product.set_result(found)  # noqa: E731 - it closes over the product
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, done)

    threading.Thread(target=run, name="aside", daemon=True).start()
    end = asyncio.create_task(closing.wait())
    either: set[asyncio.Future[Any]] = {product, end}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    if not product.done():
        product.cancel()
        raise ClosingError
    return product.result()

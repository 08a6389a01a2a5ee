"""Connections for HTTP that are kept: directly, or through a proxy where the host and port of an address have one."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

NO_PROXIES: Mapping[str, str] = {}


def pools(proxies: Mapping[str, str], **options: Any) -> Callable[[str], urllib3.PoolManager]:  # noqa: ANN401 - urllib3's
    """Address -> the pool for it."""
    directly = urllib3.PoolManager(**options)
    through = {proxy: urllib3.ProxyManager(proxy, **options) for proxy in set(proxies.values())}
    return lambda address: through.get(proxies.get(urlsplit(address).netloc, ""), directly)

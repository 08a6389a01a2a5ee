"""What is published, page by page as S3 lists it."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from ingest.rest.download import Downloads, Refusal

MOST = 10_000_000  # bytes of a page: a thousand keys are half a megabyte


class ListingError(Exception):
    """The venue does not say what it publishes."""


class Key(NamedTuple):
    """A file, or a folder, which ends with a slash."""

    path: str
    bytes: int = 0  # 0: it does not say


def listed(downloads: Downloads, prefix: str, after: str = "") -> Iterator[Key]:
    """Files and folders right below a folder, in order, behind `after`. Paths begin with a slash, as those of files do."""
    marker = after.removeprefix("/")
    while True:
        query = {"prefix": prefix.removeprefix("/"), "delimiter": "/", **({"marker": marker} if marker else {})}
        page = _page(downloads, query)
        space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
        found = [_key(one, space) for one in [*page.iter(f"{space}Contents"), *page.iter(f"{space}CommonPrefixes")]]
        found.sort()
        yield from found
        if page.findtext(f"{space}IsTruncated") != "true":
            return
        last = page.findtext(f"{space}NextMarker") or (found[-1].path.removeprefix("/") if found else "")
        if last <= marker:
            raise ListingError(f"the listing of {prefix} does not go on behind {marker!r}")
        marker = last


def _page(downloads: Downloads, query: Mapping[str, str]) -> ET.Element:
    found = downloads.text(f"?{urlencode(query)}", MOST)
    if isinstance(found, Refusal):
        raise ListingError(f"no listing of {query['prefix']}: {found.detail}")
    try:
        page = ET.fromstring(found)  # noqa: S314 - expat since 2.4.1 limits what entities may become, and reads no other files
    except ET.ParseError as error:
        raise ListingError(f"the listing of {query['prefix']} is {found[:100]!r}: {error}") from error
    if not page.tag.endswith("ListBucketResult"):
        raise ListingError(f"the listing of {query['prefix']} is a {page.tag!r}; a ListBucketResult would be right")
    return page


def _key(one: ET.Element, space: str) -> Key:
    path = one.findtext(f"{space}Key") or one.findtext(f"{space}Prefix") or ""
    size = one.findtext(f"{space}Size") or ""
    return Key(f"/{path}", int(size) if size.isdecimal() else 0)

"""Frames of each exchange as its documentation has them, and the rows they mean: tests/data/<venue>_<market>/.

Each file is JSON lines; `frames.jsonl` and `others.jsonl` begin with a header that names the documentation and its date.
A `line` counts from 1, header included, as editors do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ingest.exchanges.exchange import Exchange, Source
from tests.support.readings import Row

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Text:
    """A text in one kind's and one source's shape."""

    kind: str
    source: Source
    raw: str


def folder(exchange: Exchange) -> Path:
    """Where an exchange's files are."""
    return DATA / f"{exchange.venue}_{exchange.market}"


def header(exchange: Exchange, name: str) -> Mapping[str, str]:
    """What the texts of a file were written from."""
    return cast("Mapping[str, str]", _lines(exchange, name)[1])


def frames(exchange: Exchange) -> dict[int, str]:
    """The frames as received, by line."""
    texts = (folder(exchange) / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    return dict(enumerate(texts[1:], start=2))


def seen(exchange: Exchange) -> dict[int, dict[str, Any]]:
    """What `recognise` has to say of each frame, by the frame's line."""
    return {line.pop("line"): line for line in _lines(exchange, "seen.jsonl").values()}


def trades(exchange: Exchange) -> dict[int, list[tuple[str, Row]]]:
    """The pair and the row of each trade, by the frame's line. A row with a `reason` has an id and nothing else to compare."""
    found: dict[int, list[tuple[str, Row]]] = {}
    for line in _lines(exchange, "trades.jsonl").values():
        found.setdefault(line.pop("line"), []).append((line.pop("pair"), row(line)))
    return found


def others(exchange: Exchange) -> list[tuple[Text, list[Row]]]:
    """Response bodies and rows of dumps, with the rows they mean."""
    return [
        (
            Text(line["kind"], line["source"], json.dumps(line["raw"], separators=(",", ":"))),
            [row({"feed": line["kind"], **item}) for item in line["rows"]],
        )
        for number, line in _lines(exchange, "others.jsonl").items()
        if number > 1
    ]


def row(written: Mapping[str, Any]) -> Row:
    """A row as the files write it: decimals and times are texts."""
    values: dict[str, Any] = {field.name: written.get(field.name) for field in fields(Row)}
    for name in ("price", "quantity", "quote_quantity"):
        values[name] = Decimal(values[name] or 0)
    for name in ("ts", "event_ts"):
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    return Row(**values)


def _lines(exchange: Exchange, name: str) -> dict[int, dict[str, Any]]:
    texts = (folder(exchange) / name).read_text(encoding="utf-8").splitlines()
    return {number: json.loads(text) for number, text in enumerate(texts, start=1)}

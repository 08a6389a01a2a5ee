"""The documents say what there is: every key, command, job, exchange, table and column, enumerated from the code."""

import dataclasses
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.exchanges import EXCHANGES
from ingest.exchanges.exchange import Exchange
from ingest.settings import Settings, Size, load
from jobs.tables import IMPORTED, TABLES
from jobs.tables.quarantine import REASONS
from setup import docs
from tests.support.project import HOME

PAGES = [HOME / "README.md", HOME / "CONTRIBUTING.md", HOME / "CHANGELOG.md", *sorted(HOME.glob("docs/**/*.md"))]
CONFIGURATION = HOME / "docs/configuration.md"


def keys(kind: type, where: str = "") -> Iterator[tuple[str, str | None]]:
    """Every key of a section, with its default as a person writes it; None where a document puts it into words."""
    hints = typing.get_type_hints(kind)
    for item in dataclasses.fields(kind):
        name = f"{where}{item.metadata.get('key', item.name)}"
        sections, suffix = unwrap(hints[item.name])
        if not sections:
            yield name, written(item)
        else:
            if suffix:
                yield name, None
            for section in sections:
                yield from keys(section, f"{name}{suffix}.")


def unwrap(hint: object) -> tuple[list[Any], str]:
    """The sections within a type, one or one a kind, and how their place is written: a list's with [], a mapping's by names."""
    if dataclasses.is_dataclass(hint):
        return [hint], ""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Sequence:
        inner, suffix = unwrap(arguments[0])
        return inner, f"[]{suffix}"
    if typing.get_origin(hint) is Mapping:
        inner, suffix = unwrap(arguments[1])
        return inner, f".<name>{suffix}"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [section for argument in arguments for section in unwrap(argument)[0]], ""
    return [], ""


def written(item: dataclasses.Field[Any]) -> str | None:
    value = item.default
    if value is dataclasses.MISSING:
        return "required" if item.default_factory is dataclasses.MISSING else None
    if value is None or value == ():
        return None
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, Size):
        unit, size = max(
            (u for u in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1)) if value % u[1] == 0), key=lambda u: u[1]
        )
        return f"`{value // size}{unit}`"
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        unit, size = max((u for u in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % u[1] == 0), key=lambda u: u[1])
        return f"`{seconds // size}{unit}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


KEYS = dict(keys(Settings))


def documented() -> dict[str, str]:
    """Key -> default, from the page's tables. Names that a person chooses are written <…> there."""
    rows = re.findall(r"^\| `((?:lake|ingest|jobs|alerts)[^`]*)` \| (.*?) \|", CONFIGURATION.read_text(), re.MULTILINE)
    return {re.sub(r"<\w+>", "<name>", key): default for key, default in rows}


def test_every_key_is_documented_and_every_documented_key_is_there():
    assert sorted(documented()) == sorted(KEYS)


@pytest.mark.parametrize("key", sorted(key for key, default in KEYS.items() if default))
def test_the_documented_default_is_the_default(key: str):
    assert documented()[key].startswith(KEYS[key] or "")


@pytest.mark.parametrize("file", sorted(HOME.glob("conf/*.yaml")), ids=lambda path: path.name)
def test_every_configuration_that_we_ship_is_right(file: Path):
    if file.name != "jars.yaml":
        load(file)


def said(*command: str) -> str:
    return subprocess.run([sys.executable, *command, "--help"], cwd=HOME, capture_output=True, text=True, check=True).stdout


INGEST_COMMANDS = sorted(re.findall(r"^    ([a-z]+)\s", said("-m", "ingest"), re.MULTILINE))
JOBS = sorted(path.stem for path in (HOME / "jobs").glob("[a-z]*.py"))
PROSE = "\n".join(page.read_text() for page in PAGES if page.exists())


def test_the_commands_are_found():
    assert set(INGEST_COMMANDS) >= {"collect", "simulate"}


@pytest.mark.parametrize("command", INGEST_COMMANDS)
def test_every_ingest_command_is_documented_and_shows_an_example(command: str):
    assert re.search(rf"(ticklake-ingest|-m ingest) {command}\b", PROSE)
    assert re.search(rf"example:\s+python -m ingest {command} ", said("-m", "ingest", command))


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_documented_and_says_what_it_does(job: str):
    assert re.search(rf"spark-submit\.sh {job}\b", PROSE)
    assert "--conf" in said("-m", f"jobs.{job}")


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=lambda exchange: exchange.name)
def test_every_exchange_has_its_section_and_its_kinds_in_it(exchange: Exchange):
    page = (HOME / "docs/exchanges.md").read_text()
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    named = [text for title, text in sections.items() if f"`{exchange.venue} {exchange.market}`" in f"{title}\n{text}"]
    assert named, f"no section of docs/exchanges.md names `{exchange.name}`"
    for kind in [*exchange.feeds, *exchange.recorded]:
        assert any(f"`{kind}`" in text for text in named), f"{exchange.name}: {kind} is not in its section"


def test_whoever_is_on_call_finds_every_event_and_every_reason():
    page = (HOME / "docs/operations.md").read_text()
    events = {event for file in HOME.glob("jobs/**/*.py") for event in re.findall(r"event=\w+", file.read_text())}
    assert events
    assert not {event for event in events if f"`{event}`" not in page}
    assert not {reason for reason in REASONS if f"`{reason}`" not in page}


def test_the_page_of_tables_is_what_the_tables_say():
    assert (HOME / "docs/tables.md").read_text() == docs.tables_page([*TABLES.values(), *IMPORTED.values()]), (
        "`make docs` writes it again"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOME).as_posix())
def test_every_link_within_the_project_leads_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert not [target for target in targets if target and not (page.parent / target).exists()]


def test_every_make_target_that_is_named_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (HOME / "Makefile").read_text(), re.MULTILINE))
    assert not set(re.findall(r"`make ([a-z-]+)", PROSE)) - targets

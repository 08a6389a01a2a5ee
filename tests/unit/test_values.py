"""A YAML tree becomes values of the types that are written down; tests/unit/test_settings.py has every refusal by name."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.values import Reference, SettingsError, Size, read


@dataclass(frozen=True)
class Inner:
    n: int
    word: str | None = None


@dataclass(frozen=True)
class Round:
    kind: Literal["round"]
    radius: Decimal


@dataclass(frozen=True)
class Locked:
    kind: Literal["locked"]
    key: Reference


@dataclass(frozen=True)
class Outer:
    inner: Inner
    many: Sequence[Inner] = ()
    named: Mapping[str, Mapping[str, Inner]] = field(default_factory=dict)
    size: Size = field(default=Size(1))
    wait: timedelta = timedelta(0)
    at: datetime | None = None
    path: Path = Path()
    is_on: bool = False
    since: int = field(default=0, metadata={"key": "from"})
    shapes: Sequence[Round | Locked] = ()


def test_every_type_of_value():
    tree = {
        "inner": {"n": 1, "word": "x"},
        "many": [{"n": 2}, {"n": 3}],
        "named": {"a": {"b": {"n": 4}}},
        "size": "3kB",
        "wait": "250ms",
        "at": "2026-05-01T02:00:00+02:00",
        "path": "some/where",
        "is_on": True,
        "from": 5,
        "shapes": [{"kind": "locked", "key": "env:KEY"}, {"kind": "round", "radius": 0.1}],
    }
    assert read(Outer, tree, "") == Outer(
        Inner(1, "x"),
        (Inner(2), Inner(3)),
        {"a": {"b": Inner(4)}},
        Size(3000),
        timedelta(milliseconds=250),
        datetime(2026, 5, 1, tzinfo=UTC),
        Path("some/where"),
        is_on=True,
        since=5,
        shapes=(Locked("locked", Reference("env:KEY")), Round("round", Decimal("0.1"))),
    )


def test_a_place_deep_in_the_tree_is_named():
    with pytest.raises(SettingsError, match=r"^named\.a\.b\.n is '4': a whole number$"):
        read(Outer, {"inner": {"n": 1}, "named": {"a": {"b": {"n": "4"}}}}, "")
    with pytest.raises(SettingsError, match=r"^many\[1\]\.m is 3: no such key here; one of n, word$"):
        read(Outer, {"inner": {"n": 1}, "many": [{"n": 2}, {"n": 2, "m": 3}]}, "")


@pytest.mark.parametrize(
    "found", [7, "secret", ["secret"], {"kind": "locked", "key": "secret"}, {"kind": "locked", "lock": "secret"}]
)
def test_what_stands_in_a_section_chosen_by_its_kind_is_not_shown(found):
    with pytest.raises(SettingsError) as caught:
        read(Outer, {"inner": {"n": 1}, "shapes": [found]}, "")
    assert str(caught.value).startswith("shapes[0]")
    assert "secret'" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None  # a trace does not show it either


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["inner", "n", "many", "at", "shapes", 7]), inner, max_size=3)
        | st.fixed_dictionaries({"kind": st.just("round") | inner, "radius": inner})
    ),
)


@given(trees)
def test_whatever_stands_in_the_file_it_is_read_or_refused(tree):
    with contextlib.suppress(SettingsError):
        assert isinstance(read(Outer, tree, ""), Outer)

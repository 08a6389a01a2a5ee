"""docs/views.md and the leading comments in conf/views say what the views show."""

import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pytest

from jobs.tables import IMPORTED, TABLES
from tests.support.asking import QUESTIONS
from tests.support.project import HOME
from tests.support.views import VIEWS, in_duckdb

PAGE = (HOME / "docs/views.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
OF_TABLES = {column.name for table in (*TABLES.values(), *IMPORTED.values()) for column in table.columns}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Without a row."""
    with in_duckdb({}) as made:
        yield made


@pytest.fixture(scope="module")
def columns(database: duckdb.DuckDBPyConnection) -> Mapping[str, Sequence[str]]:
    return {name: [column for column, *_ in database.execute(f"DESCRIBE {name}").fetchall()] for name in VIEWS}


def test_the_page_has_the_views_that_there_are():
    assert VIEWS
    assert sorted(SECTIONS) == sorted(VIEWS)


@pytest.mark.parametrize("name", VIEWS)
def test_the_page_has_every_column_and_no_other(columns: Mapping[str, Sequence[str]], name: str):
    told = [cell for row in re.findall(r"^\| (`.*?) \|", SECTIONS[name], re.MULTILINE) for cell in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(columns[name])


@pytest.mark.parametrize("name", VIEWS)
def test_the_example_of_a_view_runs(database: duckdb.DuckDBPyConnection, name: str):
    (sql,) = re.findall(r"```sql\n(.*?)```", SECTIONS[name], re.DOTALL)
    assert f"FROM {name}\n" in sql
    assert database.execute(sql).fetchall() == []


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_one_select_behind_a_comment_that_explains_its_columns(columns: Mapping[str, Sequence[str]], name: str):
    comment = re.match(r"(--.*\n)+", VIEWS[name])
    assert comment, f"{name} begins without a comment"
    statement = VIEWS[name][comment.end() :]
    assert statement.startswith(("SELECT", "WITH"))
    assert not re.search(r"[;\"`]|--", statement)
    assert not {column for column in columns[name] if column not in OF_TABLES and not re.search(rf"\b{column}\b", comment[0])}
    assert max(map(len, VIEWS[name].splitlines())) <= 140


def test_the_page_of_readers_has_the_questions_that_are_asked():
    rows = re.findall(r"^\| (.*\?) \| yes \| yes \| yes \| yes \|$", (HOME / "docs/readers.md").read_text(), re.MULTILINE)
    assert rows == list(QUESTIONS)
    assert len(rows) == 12

"""Fixtures of the stories: a lake that a driver has begun."""

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.stories import Story, first, interpret


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    """A lake with a first batch done, to be copied."""
    interpret(spark)
    story = Story(spark, tmp_path_factory.mktemp("begun"))
    with story.driver() as query:
        query.start()
        story.batch(query, *first(story))
    return story.lake


@pytest.fixture
def story(begun: Path, spark: SparkSession, lake: Path) -> Story:
    interpret(spark)
    shutil.copytree(begun, lake, dirs_exist_ok=True)
    found = Story(spark, lake)
    found.tell(*first(found))
    return found

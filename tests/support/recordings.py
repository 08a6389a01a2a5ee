"""Recorded market data: a folder that the environment names. It is not part of the project, so a test that needs it may skip."""

import os
from pathlib import Path

import pytest

VARIABLE = "TICKLAKE_RECORDINGS"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder. Skips, saying why, where there is none; a folder that is named and not there is a failure."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"needs recorded market data: {VARIABLE} names no folder")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{VARIABLE} is {named}: no such folder", pytrace=False)
    return folder

"""docs/simulator.md is true: its fault script can be read and names every fault, and no endpoint or option is missing."""

import argparse
import re
from pathlib import Path

import pytest

from ingest.simulator import faults as language
from ingest.simulator.command import add_arguments
from ingest.simulator.faults import CONNECTIONS, FRAMES, HANDSHAKES, REQUESTS, SUBSCRIPTIONS, check, faults
from ingest.simulator.listings import LISTINGS, series
from ingest.simulator.rest import ENDPOINTS

PAGE = (Path(__file__).parents[2] / "docs/simulator.md").read_text()


def test_the_script_on_the_page_can_be_read_and_has_every_fault(tmp_path: Path):
    path = tmp_path / "faults.yaml"
    (script,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path.write_text(script)
    found = faults(path)
    check(found, [feed for listing in LISTINGS for feed in series(listing).values()])
    names = {name for group in (FRAMES, CONNECTIONS, SUBSCRIPTIONS, HANDSHAKES, REQUESTS) for name in group} | {"age"}
    assert sorted(fault.fault for fault in found) == sorted(names)


@pytest.mark.parametrize("key", sorted({key for keys in language._KEYS.values() for key in keys}))
def test_every_key_is_on_the_page(key: str):
    assert re.search(rf"`{key}`|[{{ ]{key}: ", PAGE)


@pytest.mark.parametrize("path", sorted({endpoint.path for endpoints in ENDPOINTS.values() for endpoint in endpoints}))
def test_every_endpoint_is_on_the_page(path: str):
    last = path.replace("{product}", "{id}").rpartition("/")[2]
    assert re.search(rf"[/`]{re.escape(last)}`", PAGE)


def test_every_option_is_on_the_page():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options if option not in PAGE} == {"--help"}

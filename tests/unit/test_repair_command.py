"""`repair` on the command line: what it says, and how it ends."""

import os
import threading

import pytest

from ingest.cli import main
from ingest.repair import command
from ingest.repair.run import Progress
from ingest.spool.spool import prepare

CONF = """
lake: {folder}/lake
ingest:
  collector: laptop
  spool: {{path: {folder}/spool}}
  {more}
"""


@pytest.fixture
def conf(tmp_path):
    def write(more=""):
        path = tmp_path / "conf.yaml"
        path.write_text(CONF.format(folder=tmp_path, more=more))
        return str(path)

    return write


def run(*arguments):
    """Without the signals of the command line, which belong to the process."""
    parser = command.argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments), threading.Event())


def test_help_has_an_example_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["repair", "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "python -m ingest repair --conf conf/local.yaml --once" in shown
    assert "3 a gap is left open" in shown


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("feeds: [{venue: kraken, market: spot, kind: trade, pairs: [A-B]}]", "repair: ingest.feeds[0]: exchange kraken spot: "),
        ("endpoints: {kraken: {spot: {rest: ['http://x']}}}", "repair: ingest.endpoints.kraken.spot: exchange kraken spot: "),
        ("repair: {weight_share: 2}", "conf.yaml: ingest.repair.weight_share is 2.0: above 0, at most 1"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(conf, more, message, capsys):
    assert run("--conf", conf(more), "--once") == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")


def test_nothing_open_is_exit_code_0_and_a_summary(conf, tmp_path, capsys):
    (tmp_path / "lake/control").mkdir(parents=True)
    (tmp_path / "lake/control/open-gaps.json").write_text('{"v":1,"as_of":null,"gaps":[]}')
    assert run("--conf", conf(), "--once") == 0
    assert capsys.readouterr().out == (
        "repair: 0 s, gaps=0 repaired=0 left_open=0 left_alone=0 rows=0 files=0 objects=0 text_bytes=0 waiting_segments=0\n"
    )


def test_no_list_is_exit_code_1_and_said(conf, capsys):
    """Whoever repairs by a timer is not to believe that nothing is missing."""
    assert run("--conf", conf(), "--once") == 1
    assert "; failed: control/open-gaps.json: not there; nothing has looked" in capsys.readouterr().out


def test_a_list_that_cannot_be_read_is_exit_code_1(conf, tmp_path, capsys):
    (tmp_path / "lake/control").mkdir(parents=True)
    (tmp_path / "lake/control/open-gaps.json").write_text("[]")
    assert run("--conf", conf(), "--once") == 1
    assert "; failed: control/open-gaps.json: b'[]'; an object with v 1" in capsys.readouterr().out


def test_a_second_one_says_so_and_ends_with_exit_code_1(conf, tmp_path, capsys):
    handle = prepare(tmp_path / "spool" / "repair", "repair")
    assert run("--conf", conf(), "--once") == 1
    os.close(handle)
    assert "repair: spool " in (said := capsys.readouterr().err)
    assert "used by another repair" in said


def progress(**changes):
    values = {"seconds": 12.3, "gaps": 7, "alone": 1, "ends": {"repaired": 4, "not_published": 2}, "rows": 1234, "files": 2}
    values |= {"objects": 3, "landed_bytes": 50, "spool_bytes": 2_500_000, "waiting": 0}
    return Progress(**{**values, **changes})


def test_the_summary_counts_what_became_of_the_gaps():
    assert command._summary(progress(failures=["upload: x"])) == (
        "repair: 12 s, gaps=7 repaired=4 left_open=2 left_alone=1 not_published=2 rows=1234 files=2 objects=3 text_bytes=50 "
        "waiting_segments=0; failed: upload: x"
    )


@pytest.mark.parametrize(("doing", "shown"), [((), ""), (("A-2024-11-06.zip",), ", reading A-2024-11-06.zip")])
def test_the_progress_is_one_line(doing, shown):
    assert command._progress(progress(doing=doing)) == (
        f"12 s: 7 gaps, 4 repaired, 2 open, 1,234 rows, 3 objects landed, 2.5 MB in the spool{shown}"
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ends": {"repaired": 6}}, 0),
        ({"gaps": 0, "alone": 0, "ends": {}}, 0),
        ({}, 3),
        ({"ends": {"repaired": 5, "absent": 1}}, 3),
        ({"ends": {}}, 3),
        ({"ends": {"repaired": 6}, "waiting": 1}, 1),
        ({"failures": ["x"]}, 1),
    ],
)
def test_exit_codes(changes, code):
    assert command.code(progress(**changes)) == code

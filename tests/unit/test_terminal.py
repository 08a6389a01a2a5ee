"""One line that overwrites itself, where somebody watches."""

import logging

import pytest

from ingest import terminal


@pytest.mark.parametrize(("is_watched", "shown"), [(True, "\r\033[K1 frame\r\033[K2 frames\n"), (False, "")])
def test_a_line_overwrites_itself_where_somebody_watches(monkeypatch, capsys, is_watched, shown):
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_watched)
    terminal.show("1 frame")
    terminal.show("2 frames")
    terminal.end("collect: 2 frames")
    found = capsys.readouterr()
    assert (found.err, found.out) == (shown, "collect: 2 frames\n")


@pytest.fixture
def root():
    """The root logger, as it was at the end."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield root
    root.level, root.handlers[:] = before


@pytest.mark.parametrize(("verbose", "level"), [(True, logging.INFO), (False, logging.WARNING)])
def test_the_log_says_what_goes_wrong_or_everything(root, verbose, level):
    terminal.log(verbose=verbose)
    assert (root.level, logging.getLogger("botocore").level) == (level, logging.WARNING)

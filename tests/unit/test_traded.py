"""What a market trades: told by the venue, remembered for a start without it, never less than was known by accident."""

import json

import pytest

from ingest.exchanges import find_exchange
from ingest.rest.traded import Traded
from ingest.values import SettingsError

COINBASE = find_exchange("coinbase", "spot")


def told(*pairs, status="online"):
    return json.dumps([{"id": pair, "status": status, "trading_disabled": status != "online"} for pair in pairs]).encode()


def answers(*texts):
    """A venue that answers with these, one after the other."""
    left = list(texts)

    def ask(_exchange, _request):
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_it_is_asked_once_and_then_what_it_tells_anew_counts(tmp_path):
    traded = Traded(tmp_path / "instruments", answers(told("ETH-USD", "BTC-USD")))
    assert [traded(COINBASE) for _ in range(2)] == [["BTC-USD", "ETH-USD"]] * 2
    traded.learn(COINBASE, told("SOL-USD"))
    assert traded(COINBASE) == ["SOL-USD"]


@pytest.mark.parametrize("nothing", [told(), told("BTC-USD", status="offline"), b"<html>", b"{}", OSError("away")])
def test_a_start_without_the_venue_or_while_it_rests_has_what_was_told_before(tmp_path, nothing):
    Traded(tmp_path, answers(told("BTC-USD")))(COINBASE)
    assert Traded(tmp_path, answers(nothing))(COINBASE) == ["BTC-USD"]


@pytest.mark.parametrize(
    ("nothing", "why"),
    [(told(), "what it told names no pair that is traded"), (OSError("HTTP 451"), "HTTP 451")],
)
def test_where_nobody_ever_told_it_is_refused(tmp_path, nothing, why):
    with pytest.raises(SettingsError, match=f"of what coinbase spot trades, and it cannot be had: {why}$"):
        Traded(tmp_path, answers(nothing))(COINBASE)


def test_a_market_at_rest_trades_what_it_traded(tmp_path, caplog):
    traded = Traded(tmp_path, answers(told("BTC-USD")))
    traded(COINBASE)
    traded.learn(COINBASE, told("BTC-USD", status="offline"))
    assert traded(COINBASE) == ["BTC-USD"]
    assert Traded(tmp_path, answers(OSError("away")))(COINBASE) == ["BTC-USD"]
    assert "event=instruments_empty exchange='coinbase spot'" in caplog.text


def test_a_disk_that_refuses_the_list_stops_nothing(tmp_path, caplog):
    (tmp_path / "instruments").write_text("a file where the folder is to be")
    traded = Traded(tmp_path / "instruments", answers(told("BTC-USD")))
    assert traded(COINBASE) == ["BTC-USD"]
    assert "event=instruments_not_kept" in caplog.text

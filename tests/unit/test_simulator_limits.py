"""The venues' limits, as steps on a clock that the test holds."""

import json

from ingest.simulator.rest.limits import PATIENCE, Attempts, Bucket, Lockout, Weight, attempts, limits

MINUTE = 29_000_000 * 60.0  # the first second of a minute


def test_weight_is_counted_in_each_minute_of_the_clock():
    weight = Weight(10)
    used = [weight.spend(MINUTE + second, 4).headers.get("X-MBX-USED-WEIGHT-1M") for second in (1, 59, 60, 61)]
    assert used == ["4", "8", "4", "8"]


def test_too_much_weight_is_refused_until_the_minute_is_over():
    weight = Weight(10)
    weight.spend(MINUTE, 10)
    refusal = weight.spend(MINUTE + 12.5, 1).refusal
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (
        429,
        {"X-MBX-USED-WEIGHT": "11", "X-MBX-USED-WEIGHT-1M": "11", "Retry-After": "48"},
    )
    assert json.loads(refusal.body) == {
        "code": -1003,
        "msg": "Too much request weight used; current limit is 10 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    }
    assert weight.spend(MINUTE + 60, 1).refusal is None


def test_who_goes_on_is_banned_ever_longer_up_to_three_days():
    weight, now, waits = Weight(1), MINUTE, []
    for _ in range(13):
        weight.spend(now, 1)
        refusals = [weight.spend(now, 1).refusal for _ in range(PATIENCE + 1)]
        assert [refusal.status for refusal in refusals if refusal] == [429] * PATIENCE + [418]
        assert refusals[-1] is not None
        waits.append(int(refusals[-1].headers["Retry-After"]))
        still = weight.spend(now + waits[-1] - 0.5, 1).refusal
        assert still is not None
        assert (still.status, still.headers) == (418, {"Retry-After": "1"})
        assert json.loads(still.body)["msg"].startswith(
            f"Way too much request weight used; IP banned until {int(now + waits[-1])}000."
        )
        now += waits[-1]
    assert waits[:3] == [120, 240, 480]
    assert waits[-1] == 3 * 86_400


def test_the_bucket_of_coinbase_holds_fifteen_and_drips_ten_a_second():
    bucket = Bucket(10, 15)
    refused = [bucket.spend(MINUTE, 1).refusal is not None for _ in range(17)]
    assert refused == [False] * 15 + [True] * 2
    assert [bucket.spend(MINUTE + 0.125, 1).refusal is not None for _ in range(2)] == [False, True]
    assert [bucket.spend(MINUTE + 60, 1).refusal is not None for _ in range(16)] == [False] * 15 + [True]
    refusal = bucket.spend(MINUTE + 60, 1).refusal
    assert refusal is not None
    assert (refusal.status, json.loads(refusal.body)) == (429, {"message": "Public rate limit exceeded"})


def test_bitso_locks_out_for_a_minute_and_who_comes_back_so_five_times_for_a_day():
    lockout = Lockout(60)
    assert {lockout.spend(MINUTE + second, 1).refusal for second in range(120)} == {None}  # 60 in any minute
    now = MINUTE + 200.0
    for wait in (60, 60, 60, 60, 86_400):
        assert [lockout.spend(now, 1).refusal for _ in range(60)] == [None] * 60
        refusal = lockout.spend(now, 1).refusal
        assert refusal is not None
        assert (refusal.status, json.loads(refusal.body)) == (
            429,
            {"success": False, "error": {"code": "0200", "message": "Too many requests"}},
        )
        assert lockout.spend(now + wait - 1, 1).refusal is not None
        now += wait


def test_connections_are_counted_in_any_five_minutes():
    tries = Attempts(3)
    assert [tries.spend(MINUTE + second, 1).refusal for second in (0, 1, 2)] == [None] * 3
    refusal = tries.spend(MINUTE + 100, 1).refusal
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "201"})  # then the second is five minutes old
    assert tries.spend(MINUTE + 301, 1).refusal is None


def test_limits_can_be_scaled_and_left_out():
    spend = limits(0.01)["binance", "usdm"]
    assert [spend(MINUTE, 20).refusal is None for _ in range(2)] == [True, False]
    assert limits(None) == attempts(None) == {}

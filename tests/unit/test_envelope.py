"""The landing line: what arrived comes out as it went in."""

import base64
import hashlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.envelope import Origin, head, line, object_key

BTC = Origin("binance", "spot", "trades", "agg_trade", "BTC-USDT", "btcusdt@aggTrade", "ws", "laptop-1731000000000000000-1")
NOBODY = Origin("bitso", "spot", "events", "unknown", None, None, "ws", "laptop-1731000000000000000-2")


def is_json(raw):
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def received(wrapped, landed):
    """The frame, from a landing line: the text of `raw` where it stands in the line, or what the escapes hide."""
    assert landed.endswith(b"}\n")
    assert landed.count(b"\n") == 1
    assert b"\r" not in landed
    fields = json.loads(landed)
    assert {name: fields[name] for name in wrapped} == wrapped
    if "raw_b64" in fields:
        return base64.b64decode(fields["raw_b64"])
    if "raw_text" in fields:
        return fields["raw_text"].encode()
    return landed.split(b',"raw":', 1)[1].removesuffix(b"}\n")


def test_a_line_as_the_design_shows_it():
    assert line(head(BTC), 17, 1731000000000000000, b'{"a":1,"p":"0.10"}', is_json=True) == (
        b'{"v":1,"venue":"binance","market":"spot","channel":"trades","kind":"agg_trade","pair":"BTC-USDT",'
        b'"stream":"btcusdt@aggTrade","source":"ws","conn":"laptop-1731000000000000000-1",'
        b'"seq":17,"recv_ns":1731000000000000000,"raw":{"a":1,"p":"0.10"}}\n'
    )


@pytest.mark.parametrize(
    ("raw", "tail"),
    [
        (b'{"a" : 1.10, "a":2}', b'"raw":{"a" : 1.10, "a":2}}\n'),
        (b'{"a":\n1}', b'"raw_text":"{\\"a\\":\\n1}"}\n'),
        (b'{"a":1}\r\n', b'"raw_text":"{\\"a\\":1}\\r\\n"}\n'),
        (b'{"a":', b'"raw_text":"{\\"a\\":"}\n'),
        (b"NaN", b'"raw_text":"NaN"}\n'),
        ('"€'.encode(), '"raw_text":"\\"€"}\n'.encode()),
        (b"\xff\xfe", b'"raw_b64":"//4="}\n'),
        (b"", b'"raw_text":""}\n'),
    ],
)
def test_what_cannot_be_spliced_in_is_escaped(raw, tail):
    assert line(head(NOBODY), 0, 5, raw, is_json=is_json(raw)) == head(NOBODY) + b',"seq":0,"recv_ns":5,' + tail


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
frames = st.one_of(
    st.binary(),
    st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")),
)


@given(frames, st.integers(0, 2**40), st.integers(0, 2**62))
def test_any_bytes_come_out_as_they_went_in(raw, seq, recv_ns):
    landed = line(head(BTC), seq, recv_ns, raw, is_json=is_json(raw))
    fields = json.loads(landed)
    assert (fields["seq"], fields["recv_ns"], fields["stream"]) == (seq, recv_ns, "btcusdt@aggTrade")
    assert received(json.loads(head(BTC) + b"}"), landed) == raw


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_head_is_json_whatever_the_names(pair, stream):
    found = json.loads(head(Origin("v", "m", "c", "k", pair, stream, "ws", "x-1-1")) + b"}")
    assert (found["pair"], found["stream"], found["v"]) == (pair, stream, 1)


def test_the_key_names_the_content():
    key = object_key(
        channel="trades",
        venue="binance",
        market="spot",
        day="2024-11-07",
        first_recv_ns=17,
        collector="laptop",
        sha256=hashlib.sha256(b"a\n").hexdigest(),
    )
    assert key == "landing/channel=trades/venue=binance/market=spot/dt=2024-11-07/17-laptop-87428fc52280.jsonl.gz"

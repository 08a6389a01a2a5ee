"""What Prometheus scrapes, read by its own parser."""

from dataclasses import replace
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.watch.metrics import serve
from tests.support.vitals import FEED, LINK, VITALS


@pytest.fixture
def scraped():
    """Scrape a collector with these vitals: sample -> value."""
    stops = []

    def scrape(vitals):
        stop, port = serve("127.0.0.1:0", lambda: vitals)
        stops.append(stop)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples
        }, families

    yield scrape
    for stop in stops:
        stop()


PLACE = frozenset({("kind", "agg_trade"), ("market", "spot"), ("venue", "binance")})


def test_every_vital_is_there(scraped):
    samples, families = scraped(VITALS)
    assert {family.name for family in families if not family.name.startswith("ticklake_ingest_")} == set()
    assert all(family.documentation for family in families)
    assert samples["ticklake_ingest_frames_total", PLACE] == 1000
    assert samples["ticklake_ingest_bytes_total", PLACE] == 250_000
    assert samples["ticklake_ingest_connected", PLACE] == 1
    assert samples["ticklake_ingest_lag_seconds", PLACE | {("quantile", "0.99")}] == 0.02
    assert samples["ticklake_ingest_silence_seconds", PLACE | {("pair", "BTC-USDT"), ("stream", "btcusdt@aggTrade")}] == 0.2
    assert samples["ticklake_ingest_weight_used", PLACE - {("kind", "agg_trade")}] == 40
    assert samples["ticklake_ingest_clock_offset_seconds", PLACE - {("kind", "agg_trade")}] == 0.0125
    assert samples["ticklake_ingest_objects_total", frozenset()] == 3
    assert samples["ticklake_ingest_spool_max_bytes", frozenset()] == 100
    assert samples["ticklake_ingest_gaps_total", frozenset()] == 0
    assert samples["ticklake_ingest_uptime_seconds", frozenset()] == 3600


def test_two_connections_of_one_kind_are_told_together(scraped):
    other = replace(LINK, frames=10, lag_ms=(0.5, 50.0, 60.0, 70.0), is_connected=False)
    samples, _ = scraped(replace(VITALS, links=(LINK, other)))
    assert (samples["ticklake_ingest_links", PLACE], samples["ticklake_ingest_connected", PLACE]) == (2, 1)
    assert samples["ticklake_ingest_frames_total", PLACE] == 1010
    assert samples["ticklake_ingest_lag_seconds", PLACE | {("quantile", "0.5")}] == 0.05


def test_two_streams_of_one_pair_are_told_apart(scraped):
    """Candles of a minute and of an hour."""
    hours = replace(FEED, stream="btcusdt@kline_1h", heard_seconds=3.0)
    samples, _ = scraped(replace(VITALS, feeds=(FEED, hours)))
    place = PLACE | {("pair", "BTC-USDT")}
    assert samples["ticklake_ingest_silence_seconds", place | {("stream", FEED.stream)}] == 0.2
    assert samples["ticklake_ingest_silence_seconds", place | {("stream", hours.stream)}] == 3.0


def test_what_is_not_known_is_left_out(scraped):
    silent = replace(FEED, heard_seconds=None)
    samples, _ = scraped(replace(VITALS, feeds=(silent,), links=(replace(LINK, lag_ms=()),)))
    assert not [name for name, _ in samples if name in ("ticklake_ingest_silence_seconds", "ticklake_ingest_lag_seconds")]

"""The vitals of a healthy collector."""

from ingest.watch.vitals import FeedVitals, LinkVitals, MarketVitals, SpoolVitals, Vitals

FEED = FeedVitals(
    "binance",
    "spot",
    "agg_trade",
    "BTC-USDT",
    "btcusdt@aggTrade",
    17,
    heard_seconds=0.2,
    limit_seconds=10.0,
    holes=0,
    is_mute=False,
)
LINK = LinkVitals(
    "binance",
    "spot",
    "agg_trade",
    streams=1,
    frames=1000,
    trades=990,
    bytes=250_000,
    connections=1,
    is_connected=True,
    since_seconds=3600.0,
    mutes=0,
    lost=0,
    lost_seconds=None,
    given_up=None,
    lag_ms=(1.0, 5.0, 20.0, 25.0),
)
MARKET = MarketVitals(
    "binance",
    "spot",
    waiting=0,
    stuck=0,
    repaired=0,
    left=0,
    failed=0,
    rows=0,
    polls=0,
    polls_failed=0,
    polls_late=0,
    polls_failing=(),
    weight_used=40.0,
    weight_limit=6000.0,
    clock_ms=12.5,
)
SPOOL = SpoolVitals(
    bytes=0,
    max_bytes=100,
    is_full=False,
    waiting=0,
    oldest_seconds=0.0,
    objects=3,
    landed_bytes=240_000,
    failures=0,
    failing_seconds=0.0,
    conflicts=0,
    recent=("landing/a", "landing/b"),
)
VITALS = Vitals(
    "laptop", "laptop-5", 42, 1_731_000_000_000_000_000, 3600.0, (FEED,), (LINK,), (MARKET,), SPOOL, gaps=0, faults=()
)

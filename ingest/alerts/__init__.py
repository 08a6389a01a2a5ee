"""Tells people what is wrong, and when it is over. The rest of the project needs only these names."""

from ingest.alerts.alert import Key, Raised, Recovered, Report, Severity
from ingest.alerts.desk import Alerts, open_alerts
from ingest.alerts.spread import NOTHING_EXCEEDED, Exceeded, judge_spread, spread_pct

__all__ = [
    "NOTHING_EXCEEDED",
    "Alerts",
    "Exceeded",
    "Key",
    "Raised",
    "Recovered",
    "Report",
    "Severity",
    "judge_spread",
    "open_alerts",
    "spread_pct",
]

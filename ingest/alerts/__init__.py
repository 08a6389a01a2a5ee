"""Tells people what is wrong, and when it is over."""

from ingest.alerts.alert import Key, Severity

__all__ = ["Key", "Severity"]

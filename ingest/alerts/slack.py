"""Slack, by an incoming webhook; whoever knows its address may write."""

import functools
import re
from urllib.parse import urlsplit

from ingest.alert_settings import ADDRESS, is_address
from ingest.alerts.channel import Channel
from ingest.alerts.posting import Address, post
from ingest.alerts.wording import clipped
from ingest.values import refuse

_MOST = 12_000  # characters; Slack cuts at 40,000, in silence
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # the three that Slack asks for; without them <!channel> wakes everybody


def slack(name: str, url: str, where: str, seconds: float) -> Channel:
    """The channel that a webhook writes to."""
    if not is_address(url):
        refuse(where, None, f"the secret is not {ADDRESS}")
    path = urlsplit(url).path  # a server may repeat it in its answer, whole or in part
    return Channel(name, functools.partial(_send, Address(url, (url, path, path.rpartition("/")[2]), seconds)))


def _send(address: Address, title: str, text: str) -> None:
    whole = clipped(f"{title}\n{text}", _MOST)
    escaped = re.sub("[&<>]", lambda found: _ESCAPED[found[0]], whole)
    # mrkdwn: stars and underscores stay what they are
    post(address, {"text": escaped, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False})

"""Telegram, by a bot; whoever knows its token is the bot."""

import functools
import html
import json
import re

from ingest.alert_settings import Telegram
from ingest.alerts.channel import Channel, RefusedError, redacted
from ingest.alerts.posting import SHOWN, Address, post
from ingest.alerts.wording import clipped
from ingest.values import refuse

_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
_MOST = 3900  # UTF-16 units; Telegram refuses more than 4,096


def telegram(name: str, settings: Telegram, token: str, where: str, seconds: float) -> Channel:
    """The chat that a bot writes to."""
    if not _TOKEN.fullmatch(token):
        refuse(where, None, "the secret is no bot's token, which looks like 123456:ABC-DEF")
    address = Address(f"{settings.api.rstrip('/')}/bot{token}/sendMessage", (token, token.split(":")[1]), seconds)
    return Channel(name, functools.partial(_send, address, settings.chat))


def _send(address: Address, chat: str, title: str, text: str) -> None:
    whole = f"{title}\n{text}"
    beyond = sum(letter > "\uffff" for letter in whole)  # these take two units
    # <pre>: within it nothing becomes a link, a mention or a command
    escaped = f"<pre>{html.escape(clipped(whole, _MOST - min(beyond, _MOST)), quote=False)}</pre>"
    content = {"chat_id": chat, "text": escaped, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    answer = post(address, content)
    if not _is_ok(answer):
        raise RefusedError(redacted(f"not Telegram's answer: {answer}", address.secrets)[:SHOWN])


def _is_ok(answer: str) -> bool:
    try:
        return json.loads(answer)["ok"] is True
    except (ValueError, LookupError, TypeError):
        return False

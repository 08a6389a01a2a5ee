"""The channels of a configuration, with their secrets looked up."""

from collections.abc import Callable, Sequence

from ingest.alert_settings import AlertSettings, ChannelSettings, Email, Slack, Sns, Telegram
from ingest.alerts.channel import SECONDS, Channel
from ingest.alerts.mail import mail
from ingest.alerts.slack import slack
from ingest.alerts.sns import sns
from ingest.alerts.telegram import telegram
from ingest.secrets import secret
from ingest.values import Reference

Find = Callable[[Reference, str], str]  # a secret, by its reference and the key that needs it


def channels(settings: AlertSettings, find: Find = secret, seconds: float = SECONDS) -> Sequence[Channel]:
    """Every channel; refused by its key where a secret is not there or not what it should be."""
    return [_channel(f"alerts.channels[{number}]", found, find, seconds) for number, found in enumerate(settings.channels)]


def _channel(where: str, settings: ChannelSettings, find: Find, seconds: float) -> Channel:
    name = f"{where} {settings.kind}"
    match settings:
        case Slack():
            key = f"{where}.url"
            return slack(name, find(settings.url, key), key, seconds)
        case Telegram():
            key = f"{where}.token"
            return telegram(name, settings, find(settings.token, key), key, seconds)
        case Email():
            user = None if settings.user is None else find(settings.user, f"{where}.user")
            password = None if settings.password is None else find(settings.password, f"{where}.password")
            return mail(name, settings, user, password, seconds)
        case Sns():
            return sns(name, settings, seconds)

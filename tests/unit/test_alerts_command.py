"""`python -m ingest alerts --test`: what arrives, what is said of each channel, and how it ends."""

import re

import pytest

from ingest import cli
from tests.support.receivers import Answer, no_proxy, postbox, receiver  # noqa: F401 - one is a fixture

PATH = "/services/T000/B000/webhook-secret"


@pytest.fixture
def conf(tmp_path):
    def write(*channels):
        lines = [
            "lake: ./lake",
            "ingest: {collector: laptop}",
            "alerts:",
            "  channels:",
            *(f"    - {found}" for found in channels),
        ]
        path = tmp_path / "conf.yaml"
        path.write_text("\n".join(lines if channels else lines[:2]))
        return str(path)

    return write


def test_every_channel_gets_a_message_and_the_command_says_so(conf, capsys, monkeypatch):
    with receiver() as slack, receiver(Answer(text='{"ok": true}')) as telegram, postbox() as mail:
        monkeypatch.setenv("HOOK", slack.address + PATH)
        monkeypatch.setenv("BOT", "123:bot-secret")
        path = conf(
            "{kind: slack, url: env:HOOK}",
            f'{{kind: telegram, token: env:BOT, chat: "-1", api: "{telegram.address}"}}',
            f"{{kind: email, smtp: '{mail.address}', to: [desk@example.com]}}",
        )
        assert cli.main(["alerts", "--conf", path, "--test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "alerts.channels[0] slack: arrived",
        "alerts.channels[1] telegram: arrived",
        "alerts.channels[2] email: arrived",
        "alerts: 3 of 3 arrived",
    ]
    assert re.fullmatch(
        r"\[ticklake laptop\] test\nA test of alerts\.channels\[0\] slack, sent \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Nothing is wrong\.",
        slack.received[0].content["text"],
    )
    assert "A test of alerts.channels[1] telegram, sent " in telegram.received[0].content["text"]
    assert mail.mails[0]["Subject"] == "[ticklake laptop] test"


def test_a_channel_that_fails_is_exit_code_1_and_the_others_are_tried(conf, capsys, monkeypatch):
    with receiver() as gone:
        pass
    with receiver(Answer(404, f"no {PATH}")) as refusing, receiver() as good:
        for name, there in (("A", refusing), ("B", gone), ("C", good)):
            monkeypatch.setenv(name, there.address + PATH)
        path = conf(*(f"{{kind: slack, url: env:{name}}}" for name in "ABC"))
        assert cli.main(["alerts", "--conf", path, "--test"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "alerts.channels[0] slack: refused: HTTP 404: no …",
        "alerts.channels[1] slack: not reached: [Errno 111] Connection refused",
        "alerts.channels[2] slack: arrived",
        "alerts: 1 of 3 arrived",
    ]
    assert len(good.received) == 1


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ((), "alerts: {path}: alerts.channels: there is none to test; slack, telegram, email and sns are possible\n"),
        (
            ("{kind: slack, url: env:TICKLAKE_NOT_SET}",),
            "alerts: alerts.channels[0].url is 'env:TICKLAKE_NOT_SET': the environment variable TICKLAKE_NOT_SET is not set\n",
        ),
        (
            ("{kind: sms}",),
            "alerts: {path}: alerts.channels[0].kind is 'sms': no such kind; one of slack, telegram, email, sns\n",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(conf, capsys, channels, message):
    path = conf(*channels)
    assert cli.main(["alerts", "--conf", path, "--test"]) == 2
    assert capsys.readouterr() == ("", message.format(path=path))


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["alerts", "--test"], "--conf"), (["alerts", "--conf", "x"], "--test"), (["alerts"], "--conf, --test")],
)
def test_what_was_not_asked_properly_is_said_with_exit_code_2(arguments, missing, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err

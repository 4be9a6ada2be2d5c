"""config.toml and the environment: what is read and what is refused, everything wrong at once."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mailer import config
from mailer.config import Config, ConfigError
from mailer.config.sections import DkimKey
from mailer.core.errors import MailerError
from mailer.core.limits import Limits
from tests.config_keys import config_keys

EXAMPLE = Path(__file__).parent.parent / "config.toml"
LEAST = """
[site]
base_url = "https://news.example.org"
production = true
[organisation]
name = "The Friends"
postal_address = ["1 Example Street", "Exampleton"]
contact = "office@example.org"
privacy_notice_url = "https://example.org/privacy"
sender_name = "The Friends"
sender_address = "letters@example.org"
[smtp]
host = "relay.example.net"
[bounces]
domain = "bounces.example.org"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_text("a key")
    return tmp_path


def read(folder: Path, text: str = LEAST, environ: Mapping[str, str] | None = None) -> Config:
    source = folder / "config.toml"
    source.write_text(text, encoding="utf-8")
    return config.load(source, environ or {})


def complaints(folder: Path, text: str = LEAST, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as refusal:
        read(folder, text, environ)
    assert isinstance(refusal.value, MailerError)
    found = {complaint.key: complaint.message for complaint in refusal.value.complaints}
    assert len(found) == len(refusal.value.complaints), "a key is complained about twice"
    assert all(f"{key}: {message}" in str(refusal.value) for key, message in found.items())
    return found


def with_key(section: str, key: str, value: str, text: str = LEAST) -> str:
    """LEAST with one key set or replaced."""
    text = re.sub(rf"(?m)^{key} = .*\n", "", text)
    if f"[{section}]" not in text:
        text += f"[{section}]\n"
    return text.replace(f"[{section}]\n", f"[{section}]\n{key} = {value}\n")


def test_the_least_that_must_be_said_is_enough(folder: Path) -> None:
    read_config = read(folder)
    assert read_config.source == folder / "config.toml"
    assert read_config.site.host == "news.example.org"
    assert read_config.organisation.reply_to == "office@example.org"
    assert read_config.organisation.time_zone == "Europe/London"
    assert read_config.data.keys == folder / "var" / "keys"
    assert read_config.database.postgres is None
    assert (read_config.smtp.port, read_config.smtp.tls) == (587, "starttls-required")
    assert read_config.smtp.ehlo_name == "news.example.org"
    assert (read_config.sending.cool_off_minutes, read_config.sending.uncertain) == (10, "keep")
    assert read_config.dkim.keys == ()


def test_the_example_that_a_site_starts_from_is_good_and_shows_every_key_that_has_no_own_default() -> None:
    assert config.load(EXAMPLE, {}).organisation.name
    shown = {f"{section}.{key}" for section, keys in tomllib.loads(EXAMPLE.read_text()).items() for key in keys}
    optional = {
        "alerts.host",
        "alerts.password",
        "alerts.port",
        "alerts.tls",
        "alerts.user",
        "bounces.blocked_in_a_row",
        "bounces.complaints_at_least",
        "bounces.complaints_per_thousand",
        "bounces.disabled_letters",
        "bounces.hard_of_at_least",
        "bounces.hard_percent",
        "bounces.imap_ca_file",
        "bounces.imap_folder",
        "bounces.imap_host",
        "bounces.imap_password",
        "bounces.imap_port",
        "bounces.imap_tls",
        "bounces.imap_token_command",
        "bounces.imap_token_file",
        "bounces.imap_user",
        "bounces.keep_raw_days",
        "bounces.maildir",
        "bounces.provider",
        "bounces.settled_days",
        "bounces.soft_points",
        "bounces.soft_span_days",
        "bounces.webhook_secret",
        "dkim.keys.domain",
        "dkim.keys.file",
        "dkim.keys.selector",
        "smtp.ca_file",
        "smtp.password",
        "smtp.senders",
        "smtp.signs",
        "smtp.token_command",
        "smtp.token_file",
        "smtp.user",
    }
    known = {key for key in config_keys() if not key.startswith(("limits.domains.", "limits.relays.", "smtp.others."))}
    assert shown == known - optional


def test_the_file_is_the_one_that_is_named_or_the_one_in_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(folder)
    monkeypatch.chdir(folder)
    assert config.load(environ={}).source == folder / "config.toml"
    elsewhere = folder / "site"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert config.load(environ={"MAILER_CONFIG": "../config.toml"}).data.dir.resolve() == folder / "var"
    with pytest.raises(ConfigError, match=r"no such file; `mailer init` makes one"):
        config.load(environ={})


def test_the_environment_of_the_process_is_read_when_none_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(folder)
    monkeypatch.setenv("MAILER_CONFIG", str(folder / "config.toml"))
    monkeypatch.setenv("MAILER_ORGANISATION__NAME", "The Others")
    assert config.load().organisation.name == "The Others"


@pytest.mark.parametrize("text", ["[site", "a = ", "\x00"])
def test_what_is_not_toml_is_said_once(folder: Path, text: str) -> None:
    assert "this is not TOML" in complaints(folder, text)["config.toml"]


def test_what_is_not_text_or_not_readable_is_said_in_plain_words(folder: Path) -> None:
    (folder / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not TOML"):
        config.load(folder / "config.toml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(folder, {})


def test_a_byte_order_mark_does_no_harm(folder: Path) -> None:
    assert read(folder, "\ufeff" + LEAST).organisation.name == "The Friends"


def test_everything_wrong_is_said_at_once(folder: Path) -> None:
    text = LEAST.replace("name =", "nmae =", 1).replace("[bounces]", "[bounce]").replace("https://news", "http://news")
    text += "[smpt]\n"
    found = complaints(folder, text, {"MAILER_SMTP__PROT": "1", "MAILER_SMTP__PORT": "25"})
    assert set(found) == {
        "organisation.nmae",
        "organisation.name",
        "bounce",
        "bounces.domain",
        "site.base_url",
        "smpt",
        "MAILER_SMTP__PROT",
        "smtp.port",
    }
    assert "did you mean 'name'?" in found["organisation.nmae"]
    assert "did you mean 'bounces'?" in found["bounce"]
    assert "did you mean 'MAILER_SMTP__PORT'?" in found["MAILER_SMTP__PROT"]
    assert found["organisation.name"] == "missing, expected a line of text"
    assert found["smtp.port"].endswith("(set by MAILER_SMTP__PORT)")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("site", "base_url", '"http://news.example.org"'),
        ("site", "base_url", '"https://news.example.org/mailer"'),
        ("site", "base_url", '"https://user@news.example.org"'),
        ("site", "base_url", '"https://news.example.org:99999"'),
        ("site", "base_url", '"news.example.org"'),
        ("site", "base_url", '"https://n\u00e9ws.example.org"'),
        ("site", "production", '"yes"'),
        ("site", "trusted_proxies", '["10.0.0.1/8"]'),
        ("site", "trusted_proxies", '["proxy"]'),
        ("site", "allow_list", '["@nowhere"]'),
        ("site", "allow_list", '["anne@example.org", "anne@example.org"]'),
        ("organisation", "name", '"The Friends\\nBcc: all@example.org"'),
        ("organisation", "name", '" "'),
        ("organisation", "postal_address", "[]"),
        ("organisation", "contact", '"the office"'),
        ("organisation", "privacy_notice_url", '"/privacy"'),
        ("organisation", "privacy_notice_url", '"javascript:alert(1)"'),
        ("organisation", "sender_address", '"friends@gmail.com"'),
        ("organisation", "sender_address", '"friends@yahoo.co.uk"'),
        ("organisation", "sender_address", '"fr\u00e9@example.org"'),
        ("organisation", "time_zone", '"London"'),
        ("organisation", "time_zone", '"Europe"'),
        ("organisation", "time_zone", '"../etc/passwd"'),
        ("organisation", "imprint", '[""]'),
        ("data", "dir", "3"),
        ("database", "url", '"mysql://u:p@h/n"'),
        ("database", "url", '"postgresql://u:p@h"'),
        ("database", "url", '"postgresql://u:p@h:port/n"'),
        ("database", "url", '"postgresql://h/n?service=x"'),
        ("smtp", "host", '"relay example"'),
        ("smtp", "port", "0"),
        ("smtp", "port", "25"),
        ("smtp", "port", "true"),
        ("smtp", "tls", '"starttls"'),
        ("smtp", "ehlo_name", '"localhost"'),
        ("smtp", "ehlo_name", '"[300.1.1.1]"'),
        ("smtp", "ca_file", '"missing.pem"'),
        ("smtp", "password", '"alone"'),
        ("bounces", "domain", '"bounces.example.com"'),
        ("bounces", "domain", '"localhost"'),
        ("bounces", "imap_password", '"alone"'),
        ("bounces", "imap_ca_file", '"missing.pem"'),
        ("bounces", "provider", '"sendgrid"'),
        ("bounces", "webhook_secret", '"a secret without a provider"'),
        ("dkim", "keys", '[{selector = "a", domain = "example.com", file = "key.pem"}]'),
        ("dkim", "keys", '"key.pem"'),
        ("dkim", "keys", "[3]"),
        ("sending", "cool_off_minutes", "-1"),
        ("sending", "not_after_hours", "1"),  # less than the grace of two hours
        ("sending", "uncertain", '"forget"'),
        ("data", "keep_free_mb", "-1"),
        ("alerts", "addresses", '["anne"]'),
        ("alerts", "addresses", '["anne@example.org"]'),  # and no relay to tell her by
        ("alerts", "command", '"mail -s alarm"'),
        ("sending", "quiet_hours", '"21-8"'),
        ("sending", "quiet_hours", '"08:00-08:00"'),
        ("smtp", "senders", '["@example.org"]'),
        ("smtp", "senders", '["example.com"]'),  # nobody would send for the sender's own domain
        ("smtp", "others", '["spare"]'),
        ("smtp", "others", '[{name = "smtp", host = "spare.example.net"}]'),
        ("smtp", "others", '[{name = "a", host = "a.example.net"}, {name = "a", host = "b.example.net"}]'),
        ("smtp", "others", '[{name = "spare", host = "spare.example.net", tls = "none"}]'),
        ("smtp", "others", '[{name = "spare", host = "spare.example.net", port = 25}]'),
        ("smtp", "others", '[{name = "spare", host = "spare.example.net", user = "friends"}]'),
        ("smtp", "others", '[{name = "spare", host = "spare.example.net", ehlo_name = "localhost"}]'),
        ("limits", "relays", '[{name = "spare", per_day = 5}]'),
        ("limits", "relays", '[{name = "smtp", per_day = -5}]'),
        ("limits", "relays", '[{name = "smtp", per_day = 5}, {name = "smtp", per_hour = 5}]'),
        ("limits", "domains", '[{domain = "Example.com"}]'),
        ("limits", "domains", '[{domain = "example.com", connections = 3}]'),
        ("limits", "domains", '[{domain = "example.com", per_day = 5}, {domain = "example.com", per_hour = 5}]'),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(folder: Path, section: str, key: str, value: str) -> None:
    found = complaints(folder, with_key(section, key, value))
    assert list(found) == [f"{section}.{key}"]
    assert "expected" in found[f"{section}.{key}"]


def test_a_dkim_key_is_complained_about_part_by_part(folder: Path) -> None:
    found = complaints(folder, with_key("dkim", "keys", '[{selector = "a.b", domian = "example.org"}]'))
    for part in ("selector: expected", "domian: nobody knows", "domain: missing", "file: missing"):
        assert part in found["dkim.keys"]
    one = '{selector = "s1", domain = "example.org", file = "%s"}'
    missing = complaints(folder, with_key("dkim", "keys", f"[{one % 'key.pem'}, {one % 'none.pem'}]"))
    assert list(missing) == ["dkim.keys[2].file"]


SPARE = """
others = [
    {name = "spare", host = "spare.example.net", tls = "implicit", user = "friends", password_file = "word"},
    {name = "press", host = "press.example.net", senders = ["press.example.org"], signs = true, ca_file = "key.pem"},
]
"""


def test_other_relays_are_read_like_the_first(folder: Path) -> None:
    (folder / "word").write_text("s3cret\n")
    spare, press = read(folder, LEAST.replace("[bounces]", SPARE + "[bounces]")).smtp.others
    assert (spare.name, spare.port, spare.password, spare.senders) == ("spare", 465, "s3cret", ())
    assert (press.port, press.ehlo_name, press.signs) == (587, "news.example.org", True)
    assert (press.senders, press.ca_file) == (("press.example.org",), folder / "key.pem")


def test_the_password_file_of_another_relay_is_read_or_named(folder: Path) -> None:
    text = LEAST.replace("[bounces]", SPARE + "[bounces]")
    assert list(complaints(folder, text)) == ["smtp.others[1].password_file"]
    (folder / "word").write_text("s3cret")
    both = complaints(folder, text.replace("password_file", 'password = "s3cret", password_file'))
    assert both == {"smtp.others[1].password_file": "expected instead of password, not beside it"}
    assert list(complaints(folder, text.replace("key.pem", "none.pem"))) == ["smtp.others[2].ca_file"]


LOGIN = {"user": '"friends"', "password": '"s3cret"'}


@pytest.mark.parametrize(
    ("changes", "is_right"),
    [
        ({}, True),
        ({"password": "", "token_file": '"token"'}, True),
        ({"password": "", "token_command": '["give", "a", "token"]'}, True),
        ({"user": "", "password": ""}, True),
        ({"password": ""}, False),
        ({"token_file": '"token"'}, False),
        ({"token_command": '["give"]'}, False),
        ({"password": "", "token_file": '"token"', "token_command": '["give"]'}, False),
        ({"user": "", "password": "", "token_file": '"token"'}, False),
        ({"user": "", "password": "", "token_command": '["give"]'}, False),
    ],
)
def test_a_relay_is_logged_in_at_by_one_way(folder: Path, changes: dict[str, str], is_right: bool) -> None:
    keys = {key: value for key, value in {**LOGIN, **changes}.items() if value}
    first = LEAST
    for key, value in keys.items():
        first = with_key("smtp", key, value, first)
    spare = ", ".join(
        f"{key} = {value}" for key, value in {"name": '"spare"', "host": '"a.example.net"', **keys}.items()
    )
    other = with_key("smtp", "others", f"[{{{spare}}}]")
    if is_right:
        for relay in (read(folder, first).smtp, *read(folder, other).smtp.others):
            assert relay.token_file == (folder / "token" if "token_file" in keys else None)
            assert relay.token_command == (("give", "a", "token") if "token_command" in keys else ())
    else:
        assert list(complaints(folder, first)) == ["smtp.password"]
        assert list(complaints(folder, other)) == ["smtp.others"]


def test_a_token_and_a_password_file_are_one_too_many(folder: Path) -> None:
    (folder / "word").write_text("s3cret")
    both = SPARE.replace("password_file", 'token_file = "token", password_file')
    assert "expected alone" in complaints(folder, LEAST.replace("[bounces]", both + "[bounces]"))["smtp.others"]


def test_a_token_file_from_the_environment_is_named_and_not_read(folder: Path) -> None:
    environ = {"MAILER_SMTP__USER": "friends", "MAILER_SMTP__TOKEN_FILE": "/run/token"}
    assert read(folder, LEAST, environ).smtp.token_file == Path("/run/token")


def test_other_relays_come_from_the_environment_too(folder: Path) -> None:
    others = '[{name = "spare", host = "spare.example.net", user = "friends", password = "s3cret"}]'
    assert read(folder, LEAST, {"MAILER_SMTP__OTHERS": others}).smtp.others[0].password == "s3cret"


@pytest.mark.parametrize(
    "others",
    [
        '[{name = "spare", host = "a b", user = "friends", password = "hunter2"}]',
        '[{name = "spare", host = "a.example.net", user = "", password = "hunter2"}]',
        '[{name = "spare", host = "a.example.net", password = "hunter2"}]',
        '[{name = "spare", host = "a.example.net", password = ["hunter2"]}]',
        '[{name = "smtp", host = "a.example.net", user = "friends", password = "hunter2"}]',
        '[{host = "a.example.net", user = "friends", pasword = "hunter2"}]',
        '["hunter2"]',
        '"hunter2"',
    ],
)
def test_the_password_of_another_relay_is_never_shown(folder: Path, others: str) -> None:
    for text, environ in ((with_key("smtp", "others", others), {}), (LEAST, {"MAILER_SMTP__OTHERS": others})):
        assert "hunter2" not in "".join(complaints(folder, text, environ).values())
    good = '[{name = "spare", host = "a.example.net", user = "friends", password = "hunter2"}]'
    assert "hunter2" not in repr(read(folder, with_key("smtp", "others", good)))


def test_a_limit_that_is_not_named_is_none(folder: Path) -> None:
    assert read(folder).limits.relays == read(folder).limits.domains == ()
    text = with_key("limits", "relays", '[{name = "smtp", per_minute = 100, connections = 4}]')
    text = with_key("limits", "domains", '[{domain = "example.com", per_day = 400}]', text)
    found = read(folder, text).limits
    assert found.relays[0].limits == Limits(per_minute=100, connections=4)
    assert found.domains[0].limits == Limits(per_day=400)


def test_quiet_hours_are_read(folder: Path) -> None:
    assert str(read(folder).sending.quiet_hours) == "none"
    assert str(read(folder, with_key("sending", "quiet_hours", '"21:00-08:00"')).sending.quiet_hours) == "21:00-08:00"


def test_a_section_that_is_no_section_is_refused(folder: Path) -> None:
    assert complaints(folder, "sending = 3\n" + LEAST) == {"sending": "expected a section, found 3"}


def test_paths_are_taken_from_the_folder_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = with_key("dkim", "keys", '[{selector = "s1", domain = "example.org", file = "key.pem"}]')
    text = with_key("bounces", "maildir", '"/srv/mail/bounces"', text)
    text = with_key("smtp", "ca_file", '"~/ca.pem"', text)
    monkeypatch.setenv("HOME", str(folder))
    (folder / "ca.pem").write_text("an authority")
    read_config = read(folder, text)
    assert read_config.dkim.keys == (DkimKey("s1", "example.org", folder / "key.pem"),)
    assert read_config.bounces.maildir == Path("/srv/mail/bounces")
    assert read_config.smtp.ca_file == folder / "ca.pem"


def test_an_imprint_that_is_required_cannot_be_empty(folder: Path) -> None:
    text = with_key("organisation", "imprint_required", "true")
    assert list(complaints(folder, text)) == ["organisation.imprint"]
    filled = read(folder, with_key("organisation", "imprint", '"Promoted by A.\\nFor B."', text))
    assert filled.organisation.imprint == ("Promoted by A.", "For B.")


MAILBOX = {"imap_host": '"imap.example.org"', "imap_user": '"b"', "imap_password": '"secret"'}


@pytest.mark.parametrize(
    ("changes", "complained"),
    [
        ({}, set()),
        ({"imap_password": "", "imap_token_file": '"token"'}, set()),
        ({"imap_password": "", "imap_token_command": '["give", "a", "token"]'}, set()),
        ({"imap_user": ""}, {"bounces.imap_host"}),
        ({"imap_password": ""}, {"bounces.imap_password"}),
        ({"imap_token_file": '"token"'}, {"bounces.imap_password"}),
        ({"imap_tls": '"none"'}, {"bounces.imap_tls"}),
        ({"provider": '"postmark"'}, {"bounces.webhook_secret"}),
        ({"provider": '"postmark"', "webhook_secret": '"fifteen letters"'}, {"bounces.webhook_secret"}),
        ({"provider": '"postmark"', "webhook_secret": '"sixteen letters!"'}, set()),
    ],
)
def test_a_mailbox_is_described_whole_and_opened_by_one_key(
    folder: Path, changes: dict[str, str], complained: set[str]
) -> None:
    text = LEAST
    for key, value in {**MAILBOX, **changes}.items():
        text = with_key("bounces", key, value, text) if value else text
    if complained:
        assert set(complaints(folder, text)) == complained
    else:
        assert read(folder, text).bounces.imap_port == 993


def test_loopback_needs_neither_tls_nor_a_name(folder: Path) -> None:
    text = with_key("smtp", "host", '"127.0.0.1"', with_key("smtp", "tls", '"none"'))
    text = with_key("smtp", "ehlo_name", '"localhost"', text)
    assert read(folder, text).smtp.port == 25
    assert read(folder, with_key("smtp", "tls", '"implicit"')).smtp.port == 465


def test_a_relay_elsewhere_is_spoken_to_in_tls_and_not_on_port_25(folder: Path) -> None:
    assert list(complaints(folder, with_key("smtp", "tls", '"none"'))) == ["smtp.tls", "smtp.port"]


RELAY_OF_ALERTS = LEAST + '[alerts]\nhost = "other.example.net"\n'
ALERTS = with_key("alerts", "addresses", '["anne@example.org"]', RELAY_OF_ALERTS)


def test_alarms_have_a_relay_of_their_own(folder: Path) -> None:
    alerts = read(folder, ALERTS).alerts
    assert (alerts.addresses, alerts.host, alerts.port) == (("anne@example.org",), "other.example.net", 587)
    assert list(complaints(folder, ALERTS.replace("other.example.net", "relay.example.net"))) == ["alerts.host"]
    assert list(complaints(folder, RELAY_OF_ALERTS)) == ["alerts.addresses"]


@pytest.mark.parametrize(
    ("key", "value", "complained"),
    [
        ("tls", '"none"', ["alerts.tls", "alerts.port"]),
        ("port", "25", ["alerts.port"]),
        ("password", '"alone"', ["alerts.password"]),
    ],
)
def test_what_holds_for_a_relay_holds_for_that_of_the_alarms(
    folder: Path, key: str, value: str, complained: list[str]
) -> None:
    assert list(complaints(folder, with_key("alerts", key, value, ALERTS))) == complained


def test_a_command_may_say_a_word_twice(folder: Path) -> None:
    text = with_key("alerts", "command", '["/bin/tell", "-v", "-v"]')
    assert read(folder, text).alerts.command == ("/bin/tell", "-v", "-v")


def test_the_password_for_alarms_is_a_secret_too(folder: Path) -> None:
    text = with_key("alerts", "user", '"alarms"', ALERTS)
    (folder / "password").write_text("hunter2\n")
    found = read(folder, text, {"MAILER_ALERTS__PASSWORD_FILE": str(folder / "password")})
    assert found.alerts.password == "hunter2"
    assert "hunter2" not in repr(found)


def test_in_production_the_site_is_not_this_machine(folder: Path) -> None:
    found = complaints(folder, with_key("site", "base_url", '"http://127.0.0.1:8000"'))
    assert list(found) == ["site.base_url", "smtp.ehlo_name"]


def test_off_production_the_site_may_be_this_machine(folder: Path) -> None:
    text = with_key("site", "base_url", '"http://[::1]:8000/"', LEAST.replace("production = true", ""))
    text = with_key("smtp", "ehlo_name", '"mail.example.org"', text)
    assert read(folder, text).site.base_url == "http://[::1]:8000"


def test_any_key_comes_from_the_environment(folder: Path) -> None:
    read_config = read(
        folder,
        LEAST,
        {
            "MAILER_SITE__PRODUCTION": "false",
            "MAILER_SITE__ALLOW_LIST": "@example.org, anne@example.net",
            "MAILER_ORGANISATION__POSTAL_ADDRESS": "1 Long Road, Upper Floor\nExampleton\n",
            "MAILER_SMTP__PORT": "465",
            "MAILER_SMTP__TLS": "implicit",
            "MAILER_SMTP__USER": "friends",
            "MAILER_SMTP__PASSWORD": "secret, indeed",
            "MAILER_DKIM__KEYS": '[{selector = "s1", domain = "example.org", file = "key.pem"}]',
            "MAILER_SENDING__UNCERTAIN": "resend",
            "MAILER_TEST_DATABASE": "not ours",
            "PATH": "/bin",
        },
    )
    assert not read_config.site.production
    assert read_config.site.allow_list == ("@example.org", "anne@example.net")
    assert read_config.organisation.postal_address == ("1 Long Road, Upper Floor", "Exampleton")
    assert (read_config.smtp.port, read_config.smtp.tls, read_config.smtp.password) == (
        465,
        "implicit",
        "secret, indeed",
    )
    assert read_config.dkim.keys[0].file == folder / "key.pem"
    assert read_config.sending.uncertain == "resend"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAILER_SITE__PRODUCTION", "yes"),
        ("MAILER_SMTP__PORT", "5e2"),
        ("MAILER_DKIM__KEYS", "[{"),
        ("MAILER_SITE__TRUSTED_PROXIES", "10.0.0.1,nonsense"),
    ],
)
def test_a_wrong_value_from_the_environment_names_the_variable(folder: Path, name: str, value: str) -> None:
    (message,) = complaints(folder, LEAST, {name: value}).values()
    assert message.endswith(f"(set by {name})")


def test_a_secret_comes_from_a_file_without_its_line_end(folder: Path) -> None:
    (folder / "password").write_text("s3cret \r\n")
    environ = {"MAILER_SMTP__USER": "friends", "MAILER_SMTP__PASSWORD_FILE": str(folder / "password")}
    assert read(folder, LEAST, environ).smtp.password == "s3cret "


def test_a_named_file_that_cannot_be_read_is_fatal_even_where_the_key_has_a_value(folder: Path) -> None:
    text = with_key("smtp", "password", '"old"', with_key("smtp", "user", '"friends"'))
    (folder / "bytes").write_bytes(b"\xff")
    for file in (folder / "none", folder / "bytes", folder):
        found = complaints(folder, text, {"MAILER_SMTP__PASSWORD_FILE": str(file)})
        assert list(found) == ["smtp.password"]
        assert str(file) in found["smtp.password"]


def test_a_key_that_ends_in_file_is_itself_and_not_a_file_to_be_read(folder: Path) -> None:
    read_config = read(folder, LEAST, {"MAILER_SMTP__CA_FILE": str(folder / "key.pem")})
    assert read_config.smtp.ca_file == folder / "key.pem"


def test_a_value_and_a_file_for_the_same_key_are_one_too_many(folder: Path) -> None:
    (folder / "name").write_text("The File")
    environ = {
        "MAILER_ORGANISATION__NAME": "The Text",
        "MAILER_ORGANISATION__NAME_FILE": str(folder / "name"),
    }
    assert "not both" in complaints(folder, LEAST, environ)["organisation.name"]


def test_no_secret_is_ever_shown(folder: Path) -> None:
    text = with_key("smtp", "password", '"hunter2"', with_key("smtp", "user", '"friends"'))
    text = with_key("database", "url", '"postgresql://mailer:hunter2@db/mailer"', text)
    assert "hunter2" not in repr(read(folder, text))
    assert "hunter2" not in repr(read(folder, text).database.postgres)
    wrong = with_key("database", "url", '"postgres:hunter2"', with_key("smtp", "password", '["hunter2"]', text))
    assert "hunter2" not in "".join(complaints(folder, wrong).values())


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "postgresql://mailer:p%40ss@db.example.org:5433/news",
            ("news", "mailer", "p@ss", "db.example.org", 5433),
        ),
        ("postgresql:///news?host=/run/postgresql", ("news", "", "", "/run/postgresql", None)),
        ("postgresql://mailer@%2Frun%2Fpostgresql/news", ("news", "mailer", "", "/run/postgresql", None)),
        ("postgresql://[::1]/news", ("news", "", "", "::1", None)),
    ],
)
def test_a_postgresql_address_is_taken_apart(folder: Path, url: str, parts: tuple[object, ...]) -> None:
    found = read(folder, with_key("database", "url", f'"{url}"')).database.postgres
    assert found is not None
    assert (found.name, found.user, found.password, found.host, found.port) == parts


def test_tls_options_reach_postgresql(folder: Path) -> None:
    found = read(folder, with_key("database", "url", '"postgresql://db/news?sslmode=require"')).database.postgres
    assert found is not None
    assert found.options == (("sslmode", "require"),)

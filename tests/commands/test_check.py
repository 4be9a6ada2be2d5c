"""Whatever is wrong is named with an id, a place and what to do; nothing is sent and nothing is changed."""

import base64
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer import checks, config
from mailer.checks import Fault
from mailer.house import House
from mailer.models import guards
from tests.commands.site import Site
from tests.transport.imap_wire import ImapWire
from tests.transport.misbehaviours import strips_starttls
from tests.transport.wire import Wire
from tests.world import NOW

Mailer = Callable[..., Result]


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "site"
    Site(folder.parent).done("init", str(folder))
    return folder


@pytest.fixture
def folder(new_site: Path, tmp_path: Path) -> Path:
    shutil.copytree(new_site, tmp_path / "site")
    return tmp_path / "site"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def found(folder: Path) -> list[checks.Finding]:
    return checks.of_files(config.load(folder / "config.toml", {}))


def sign_with(folder: Path, pem: bytes) -> None:
    """Name the only key of selector `a`."""
    (folder / "dkim.pem").write_bytes(pem)
    change(folder / "config.toml", "keys = []", 'keys = [{selector = "a", domain = "example.org", file = "dkim.pem"}]')


def test_a_new_site_has_nothing_wrong_in_its_files(folder: Path) -> None:
    assert found(folder) == []


def test_a_list_file_a_template_and_a_key_are_complained_of_all_at_once(folder: Path) -> None:
    change(folder / "lists/local-notices.toml", "regional = true", "regional = maybe")
    (folder / "var/keys/suppression.key").unlink()
    told = found(folder)
    assert {each.id for each in told} == {"mailer.E001", Fault.KEYS}
    assert all(each.file and each.message for each in told)


def test_a_template_that_does_not_compile_is_named(folder: Path) -> None:
    change(folder / "templates/email/newsletter/body.mjml", "{{ blocks_of", "<mj-tekst>x</mj-tekst>{{ blocks_of")
    told = found(folder)
    assert told
    assert {(each.id, each.file) for each in told} == {(Fault.TEMPLATE, "templates/email/newsletter")}


@pytest.mark.parametrize(
    ("old", "new"),
    [("subject = ", "Subject = "), ("subject = ", "subject == "), ("[list]", "[lists]"), ('title = "', 'titel = "')],
)
def test_example_data_that_cannot_be_used_is_named(folder: Path, old: str, new: str) -> None:
    change(folder / "templates/email/newsletter/sample.toml", old, new)
    assert {(each.id, each.file) for each in found(folder)} == {
        (Fault.TEMPLATE, "templates/email/newsletter/sample.toml")
    }


def test_a_template_without_example_data_is_named(folder: Path) -> None:
    (folder / "templates/email/newsletter/sample.toml").unlink()
    assert [each.id for each in found(folder)] == [Fault.TEMPLATE]


def test_a_dkim_key_that_is_none_is_named_and_never_shown(folder: Path) -> None:
    sign_with(folder, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    (told,) = found(folder)
    assert told.id == Fault.DKIM_KEY
    assert "c2VjcmV0" not in str(told)


@pytest.fixture
def away(folder: Path) -> Path:
    """A site whose relay is another machine."""
    for key, value in (("host", "mail.example.org"), ("tls", "starttls-required"), ("ehlo_name", "mail.example.org")):
        Site(folder).set("smtp", **{key: f'"{value}"'})
    Site(folder).set("smtp", port="587")
    return folder


def test_letters_that_nobody_signs_are_complained_of(away: Path) -> None:
    assert [each.id for each in found(away)] == [Fault.UNSIGNED]


def test_a_relay_that_signs_cannot_be_proved_and_that_is_said(away: Path) -> None:
    change(away / "config.toml", "[smtp]", "[smtp]\nsigns = true")
    assert found(away) == []
    (told,) = checks.unproved(config.load(away / "config.toml", {}))
    assert "dkim=pass" in told


def test_the_record_of_each_key_is_shown_as_the_dns_must_have_it(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    sign_with(folder, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (told,) = checks.unproved(config.load(folder / "config.toml", {}))
    assert "a._domainkey.example.org" in told
    assert told.endswith(f"v=DKIM1; k=ed25519; p={base64.b64encode(key.public_key().public_bytes_raw()).decode()}")


def test_a_key_that_cannot_be_used_has_no_record(folder: Path) -> None:
    sign_with(folder, b"no key")
    assert list(checks.unproved(config.load(folder / "config.toml", {}))) == []


def test_a_configuration_that_cannot_be_read_is_told_key_by_key(tmp_path: Path, folder: Path) -> None:
    change(folder / "config.toml", "[site]", "[site]\nbase_ulr = 1")
    change(folder / "config.toml", "port = 2525", "port = 99999")
    ended = Site(folder).call("check", "--json")
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert told["ok"] is False
    assert [(each["id"], each["file"], each["key"]) for each in told["complaints"]] == [
        ("mailer.E020", "config.toml", "site.base_ulr"), ("mailer.E020", "config.toml", "smtp.port"),
    ]  # fmt: skip
    assert all(set(each) == {"id", "file", "key", "message", "hint"} for each in told["complaints"])


def test_before_the_first_migration_the_check_says_so_and_makes_no_tables(folder: Path) -> None:
    ended = Site(folder).call("check", "--json")
    assert ended.returncode == 1
    assert [each["id"] for each in json.loads(ended.stdout)["complaints"]] == [Fault.NOT_MIGRATED]


def test_a_site_in_order_is_told_so(site: Site) -> None:
    assert site.told("check") == {"ok": True, "complaints": [], "unproved": []}


@pytest.mark.django_db
class TestDatabase:
    """Asked of the tests' own database."""

    def of(self, house: House) -> list[checks.Finding]:
        return list(checks.of_database(house, NOW))

    def test_all_is_well(self, house: House) -> None:
        assert self.of(house) == []

    def test_a_missing_guard_is_named(self, house: House) -> None:
        guards.remove()
        told = self.of(house)
        assert {each.id for each in told} == {Fault.GUARD_MISSING, Fault.GUARD_ASLEEP}
        assert "guard_mailer_event_update_row" in [each.key for each in told]

    def test_a_key_that_the_database_does_not_know_is_named(self, house: House) -> None:
        other = dataclasses.replace(house, keys=dataclasses.replace(house.keys, suppression=b"x" * 32))
        assert [(each.id, each.file) for each in self.of(other)] == [(Fault.OTHER_KEYS, "suppression.key")]

    def test_files_that_were_not_adopted_are_named(self, house: House) -> None:
        other = dataclasses.replace(house, library=dataclasses.replace(house.library, digest="f" * 64))
        assert [each.id for each in self.of(other)] == [Fault.NOT_ADOPTED]

    def test_files_that_contradict_what_was_promised_are_named_as_ever(self, house: House) -> None:
        lists = dict(house.library.lists)
        news = lists["chairs-newsletter"]
        words = dataclasses.replace(news.wording, text="Other words.")
        lists["chairs-newsletter"] = dataclasses.replace(news, wording=words)
        library = dataclasses.replace(house.library, lists=lists, digest="f" * 64)
        (told,) = self.of(dataclasses.replace(house, library=library))
        assert (told.id, told.file, told.key) == ("mailer.E010", "lists/chairs-newsletter.toml", "wording.text")
        assert told.hint

    def test_live_greets_the_relay_and_sends_nothing(
        self, mailer: Mailer, wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = wire(users={"anne": "s3cret-word"})
        monkeypatch.setenv("MAILER_SMTP__PORT", str(server.port))
        monkeypatch.setenv("MAILER_SMTP__USER", "anne")
        monkeypatch.setenv("MAILER_SMTP__PASSWORD", "s3cret-word")
        result = mailer("check", "--live", "--json")
        assert result.exit_code == 0, result.output
        assert server.logins == ["anne"]
        assert [line.split()[0] for line in server.commands] == ["EHLO", "AUTH", "EHLO", "QUIT"]
        assert server.messages == []

    def test_live_opens_the_mailbox_and_reads_nothing(
        self, mailer: Mailer, wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAILER_SMTP__PORT", str(wire().port))
        for secret, complaints in (("s3cret-word", []), ("another", [Fault.MAILBOX_FAULT])):
            with ImapWire({1: b"Subject: x"}, secrets=[secret]) as mailbox:
                account = mailbox.account(password="s3cret-word")
                for key in ("host", "port", "tls", "user", "password"):
                    monkeypatch.setenv(f"MAILER_BOUNCES__IMAP_{key.upper()}", str(getattr(account, key)))
                result = mailer("check", "--live", "--json")
            assert [each["id"] for each in json.loads(result.stdout)["complaints"]] == complaints
            assert not {"SEARCH", "FETCH", "STORE"} & {said.partition(" ")[0] for said in mailbox.commands}
            assert "s3cret-word" not in result.output

    def test_a_relay_that_fails_is_named_and_the_password_never(
        self, mailer: Mailer, wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = wire(strips_starttls(), users={"anne": "other"})
        monkeypatch.setenv("MAILER_SMTP__PORT", str(server.port))
        monkeypatch.setenv("MAILER_SMTP__USER", "anne")
        monkeypatch.setenv("MAILER_SMTP__PASSWORD", "s3cret-word")
        result = mailer("check", "--live")
        assert result.exit_code == 1
        assert Fault.RELAY_FAULT in result.stdout
        assert "s3cret-word" not in result.output


def test_every_fault_has_its_row_in_the_documents() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
    for fault in Fault:
        assert f"| `{fault}` |" in text, fault

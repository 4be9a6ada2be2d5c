"""Hostile names and words through the whole story, judged by what comes out (M1, S6, F18)."""

import re
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from tempfile import TemporaryDirectory

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailer.core.dkim import Signer
from mailer.house import House
from mailer.models import Copy
from mailer.transport.journal import Journal
from tests.actions.office import Office
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db
_WANTED = {
    "from", "to", "reply-to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post",
    "list-help", "list-owner", "list-post", "precedence", "mime-version", "content-type", "dkim-signature",
}  # fmt: skip
_NASTY = (
    "=?utf-8?q?a=0D=0ABcc:_evil@example.net?=",
    "{{ 7*7 }} {% raw %} {{ config }}",
    "Ann <script>alert(1)</script> & \"Co\"",
    "x" * 190,
    "Zoë \U0001f389\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627",
    ".", "..", ".\u00a0.", "From here", "--=_", "%s %n {0}", "Ann, Bob; <evil@example.net>", 'Ann" <evil@example.net>',
    "evil@example.net", "=20=3D=", "<!-- segment -->", "a\\", "(comment", "=?utf-8?b?Pz8=?=",
)  # fmt: skip
_NAMES = st.one_of(
    st.sampled_from(_NASTY),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zl", "Zp", "Cf")), min_size=1, max_size=60).filter(
        lambda name: name.strip() == name and name
    ),
)


def check(payload: bytes, address: str) -> None:
    """What every letter must be, whoever gets it."""
    assert payload.endswith(b"\r\n")
    assert b"\r" not in payload.replace(b"\r\n", b"")
    assert b"\n" not in payload.replace(b"\r\n", b"")
    assert b"\0" not in payload
    assert not re.search(rb"(^|\r\n)\.", payload)
    assert max(map(len, payload.split(b"\r\n"))) <= 998
    letter = message_from_bytes(payload, policy=SMTP)
    assert not letter.defects
    names = [name.lower() for name in letter]
    assert set(names) <= _WANTED
    assert len(set(names) - {"dkim-signature"}) == len([n for n in names if n != "dkim-signature"])
    (to,) = letter["To"].addresses
    assert to.addr_spec == address
    (sender,) = letter["From"].addresses
    assert sender.addr_spec == "letters@example.org"
    assert "evil@example.net" not in [a.addr_spec for h in ("To", "From", "Reply-To") for a in letter[h].addresses]
    parts = [part.get_content_type() for part in letter.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.usefixtures("house_of_the_class")
class TestHostileMembers(TestCase):
    """hypothesis.extra.django rolls back after each example."""

    house: House

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(names=st.lists(_NAMES, min_size=1, max_size=4))
    @example(names=list(_NASTY[:7]))
    @example(names=list(_NASTY[7:14]))
    @example(names=list(_NASTY[14:]))
    def test_no_name_makes_a_header_a_part_or_a_script(self, names: list[str]) -> None:
        news = stream(self.house)
        with TemporaryDirectory() as folder:
            office = Office(self.house, Journal(Path(folder), "w"))
            for n, name in enumerate(names):
                join(self.house, name, f"m{n}@example.org", consents=[news])
                join(self.house, name, "home@example.org", consents=[news])
            office.begun(anne())
            office.send_all()
        # A name that no header can hold waits for a person, and says so.
        held = list(Copy.unscoped.filter(state="held").values_list("reply_text", flat=True))
        assert all(text.startswith("Not sent: ") for text in held)
        assert len(office.relay.caught) + len(held) == len(names) + 1
        if not any("=?" in name for name in names):
            assert held == []
        for envelope in office.relay.caught:
            check(envelope.payload, envelope.recipient)
            letter = message_from_bytes(envelope.payload, policy=SMTP)
            html = letter.get_body(("html",)).get_content()
            assert "<script" not in html
            assert "alert(1)</script>" not in html
            assert "49" not in letter.get_body(("plain",)).get_content()


_HOSTILE_LETTERS = {
    "word": "x" * 2000,
    "dots": ".\n\n..\n\n.\r\n",
    "smuggled": "End.\r\n.\r\nMAIL FROM:<evil@example.net>\r\n",
    "template": "{{ 7*7 }} {% for x in y %} <mj-raw> </mj-text>",
    "html": "<script>alert(1)</script> <img src=x onerror=alert(1)>",
    "boundary": "--=_QZX\n\n--=_\n\nContent-Type: text/html",
    "marks": "<!-- segment:first --> QZXabcXZQ",
    "rtl": "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 \U0001f389",
}


@pytest.mark.parametrize("body", _HOSTILE_LETTERS)
def test_no_words_of_an_author_break_the_letter(office: Office, body: str) -> None:
    from mailer.actions.schedule_mailing import schedule
    from mailer.actions.write_issue import new_issue
    from mailer.core.errors import MailerError

    house, chair = office.house, anne()
    join(house, "Ann Smith", "ann@example.org", consents=[stream(house)])
    text = f"---\nsubject: Hostile\npreheader: Words.\n---\n\nDear friends,\n\n{_HOSTILE_LETTERS[body]}\n\nBye.\n"
    try:
        issue = new_issue(
            chair, house, "chairs-newsletter", text, region=None, now=office.now, draw_word=office.draw.word
        )
    except MailerError:
        return  # refused when it is written is as good
    schedule(chair, house, issue.number, "2026-11-20 11:00", now=office.now)
    from datetime import timedelta

    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    (envelope,) = office.relay.caught
    check(envelope.payload, "ann@example.org")
    letter = message_from_bytes(envelope.payload, policy=SMTP)
    html = letter.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)
    assert "Bye." in letter.get_body(("plain",)).get_content()


@pytest.mark.parametrize("header", ["subject", "preheader"])
@pytest.mark.parametrize(
    "evil", ["x\\r\\nBcc: evil@example.net", "=?utf-8?q?a=0D=0ABcc:_evil@example.net?=", "{{ 7*7 }}"]
)
def test_no_subject_of_an_author_makes_a_header(office: Office, header: str, evil: str) -> None:
    from datetime import timedelta

    from mailer.actions.schedule_mailing import schedule
    from mailer.actions.write_issue import new_issue
    from mailer.core.errors import MailerError

    house, chair = office.house, anne()
    join(house, "Ann Smith", "ann@example.org", consents=[stream(house)])
    front = {"subject": "Fine", "preheader": "Fine too."} | {header: f'"{evil}"'}
    text = "---\n" + "".join(f"{k}: {v}\n" for k, v in front.items()) + "---\n\nDear friends, hello.\n"
    try:
        issue = new_issue(
            chair, house, "chairs-newsletter", text, region=None, now=office.now, draw_word=office.draw.word
        )
    except MailerError:
        return
    schedule(chair, house, issue.number, "2026-11-20 11:00", now=office.now)
    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    check(office.relay.caught[0].payload, "ann@example.org")


def _keys() -> tuple[tuple[Signer, bytes], ...]:
    encoding, formats = serialization.Encoding, serialization.PrivateFormat
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ed_key = ed25519.Ed25519PrivateKey.generate()
    import base64

    public_rsa = rsa_key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_ed = ed_key.public_key().public_bytes(encoding.Raw, serialization.PublicFormat.Raw)
    made = []
    for name, key, kind, public in (("r", rsa_key, b"rsa", public_rsa), ("e", ed_key, b"ed25519", public_ed)):
        pem = key.private_bytes(encoding.PEM, formats.PKCS8, serialization.NoEncryption())
        record = b"v=DKIM1; k=" + kind + b"; p=" + base64.b64encode(public)
        made.append((Signer.from_pem(pem, domain="example.org", selector=name), record))
    return tuple(made)


def test_every_letter_of_a_mailing_is_signed_by_both_keys(office: Office) -> None:
    made = _keys()
    office.signers = [signer for signer, _ in made]
    records = {b"r._domainkey.example.org.": made[0][1], b"e._domainkey.example.org.": made[1][1]}
    for n, name in enumerate(("Ann Smith", "Zoë \U0001f389", "x" * 150)):
        join(office.house, name, f"m{n}@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    assert len(office.relay.caught) == 3
    for envelope in office.relay.caught:
        verifier = dkim.DKIM(envelope.payload)
        for index in (0, 1):
            assert verifier.verify(index, dnsfunc=lambda name, **_: records[name])
        spoilt = dkim.DKIM(envelope.payload.replace(b"Dear", b"Dead", 1))
        assert not _verifies(spoilt, records)


def _verifies(verifier: dkim.DKIM, records: dict[bytes, bytes]) -> bool:
    try:
        return bool(verifier.verify(0, dnsfunc=lambda name, **_: records[name]))
    except dkim.DKIMException:
        return False

"""A provider's webhook acts like any report: by our own signature, once; what a stranger sends is answered 400."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.core.configkind import Provider
from mailer.models import Bounce, Copy, Mailbox
from mailer.web.hooks import listener
from tests.actions.comes_back import GWEN, HAL, caught
from tests.actions.office import Office

pytestmark = pytest.mark.django_db
SECRET = "a secret of the tests"
AUTH = "Basic " + base64.b64encode(f"mailer:{SECRET}".encode()).decode()
GONE = "550 5.1.1 <gwen@example.org>: Recipient address rejected: User unknown"


def message_id(office: Office, address: str = GWEN) -> str:
    """The Message-ID of a letter, without its brackets."""
    return caught(office, address).payload.partition(b"Message-ID: <")[2].partition(b">")[0].decode()


def signed(event: dict[str, Any]) -> dict[str, Any]:
    """As Mailgun signs."""
    token, timestamp = "5e11b5a4b2f0", "1795200000"
    signature = hmac.new(SECRET.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}


def hear(provider: Provider, body: object, auth: str = AUTH) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RequestFactory().post(
        f"/hooks/{provider}", content, content_type="application/json", headers={"authorization": auth}
    )
    return listener(provider, SECRET)(request)


def refusal(provider: Provider, ours: str) -> object:
    """The shape in which each provider tells of a dead address; `ours` is what it repeats of our letter."""
    match provider:
        case Provider.BREVO:
            return {
                "event": "hard_bounce", "email": "gwen@example.org", "id": 26224, "date": "2026-11-20 12:05:01",
                "ts": 1795177501, "message-id": f"<{ours}>", "ts_event": 1795177501, "subject": "News", "tag": "",
                "sending_ip": "192.0.2.1", "ts_epoch": 1795177501000, "reason": GONE,
            }  # fmt: skip
        case Provider.MAILGUN:
            return signed({
                "event": "failed", "severity": "permanent", "reason": "bounce", "id": "G9Bn5sl1TC6nu79C8C0bwg",
                "timestamp": 1795177501.5, "log-level": "error", "recipient": "gwen@example.org", "tags": [],
                "user-variables": {}, "flags": {"is-routed": False}, "recipient-domain": "example.org",
                "delivery-status": {"attempt-no": 1, "message": GONE, "code": 550, "description": ""},
                "envelope": {"transport": "smtp", "sender": "x@example.org", "targets": "gwen@example.org"},
                "message": {"headers": {"to": "gwen@example.org", "message-id": ours, "subject": "News"}, "size": 500},
            })  # fmt: skip
        case Provider.MAILJET:
            return [{
                "event": "bounce", "time": 1795177501, "MessageID": 13792286917004336, "Message_GUID": "1ab23cd4",
                "email": "gwen@example.org", "mj_campaign_id": 0, "mj_contact_id": 0, "customcampaign": "",
                "CustomID": ours, "Payload": "", "blocked": True, "hard_bounce": True, "error_related_to": "recipient",
                "error": "user unknown", "comment": GONE,
            }]  # fmt: skip
        case Provider.POSTMARK:
            return {
                "RecordType": "Bounce", "ID": 4323372036854775807, "Type": "HardBounce", "TypeCode": 1, "Tag": "",
                "Name": "Hard bounce", "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "ServerID": 23,
                "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
                "Details": f"smtp;{GONE}", "Email": "gwen@example.org", "From": "letters@example.org",
                "BouncedAt": "2026-11-20T12:05:01Z", "DumpAvailable": True, "Inactive": True, "CanActivate": True,
                "Subject": "News", "Content": f"Return-Path: <>\r\n\r\nMessage-ID: <{ours}>\r\n", "Metadata": {},
            }  # fmt: skip
        case Provider.RESEND:
            return {
                "type": "email.bounced", "created_at": "2026-11-20T12:05:01.126Z",
                "data": {
                    "created_at": "2026-11-20T12:00:01Z", "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
                    "from": "letters@example.org", "to": ["gwen@example.org"], "subject": "News",
                    "headers": [{"name": "Message-ID", "value": f"<{ours}>"}],
                    "bounce": {
                        "type": "Permanent", "subType": "General", "message": "It bounced.", "diagnosticCode": [GONE],
                    },
                },
            }  # fmt: skip


def complaint(provider: Provider, ours: str) -> object:
    event = refusal(provider, ours)
    match event:
        case [each]:
            return [{**each, "event": "spam", "source": "JMRPP"}]
        case {"RecordType": _}:
            return {**event, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}
        case {"event-data": data}:
            return signed({**data, "event": "complained", "severity": None, "reason": None})
        case {"event": _}:
            return {**event, "event": "spam"}
        case {"data": _}:
            return {**event, "type": "email.complained"}
    raise AssertionError(event)


def undeliverable() -> list[str]:
    return sorted(Mailbox.unscoped.filter(deliverability="undeliverable").values_list("normal", flat=True))


@pytest.mark.parametrize("provider", Provider)
def test_a_dead_address_is_undeliverable_and_no_other(sent: Office, provider: Provider) -> None:
    assert hear(provider, refusal(provider, message_id(sent))).status_code == 200
    assert undeliverable() == [GWEN]
    row = Bounce.unscoped.get()
    assert (row.source, row.kind, row.status, row.matched_by) == ("webhook", "hard", "5.1.1", "message_id")
    assert "User unknown" in row.diagnostic


@pytest.mark.parametrize("provider", Provider)
def test_a_complaint_silences_whoever_made_it(sent: Office, provider: Provider) -> None:
    assert hear(provider, complaint(provider, message_id(sent))).status_code == 200
    assert Bounce.unscoped.get().kind == "complaint"
    assert Copy.unscoped.get(mailbox__normal=GWEN).state == "complained"
    assert Copy.unscoped.get(mailbox__normal=HAL).state == "accepted"
    assert undeliverable() == []


@pytest.mark.parametrize("provider", Provider)
def test_the_same_event_acts_once(sent: Office, provider: Provider) -> None:
    for _ in range(3):
        assert hear(provider, refusal(provider, message_id(sent))).status_code == 200
    assert Bounce.unscoped.count() == 1


@pytest.mark.parametrize("provider", Provider)
def test_an_address_alone_changes_nothing(sent: Office, provider: Provider) -> None:
    forged = f"{'a' * 40}@example.org"
    for ours in ("", "56761188@example.org", forged, f"b+{forged}", message_id(sent).replace("@", "x@")):
        assert hear(provider, refusal(provider, ours)).status_code == 200
    assert undeliverable() == []
    assert not Bounce.unscoped.filter(copy__isnull=False).exists()


def test_our_return_path_names_the_letter_too(sent: Office) -> None:
    assert hear(Provider.MAILGUN, refusal(Provider.MAILGUN, caught(sent, GWEN).sender)).status_code == 200
    assert undeliverable() == [GWEN]
    assert Bounce.unscoped.get().matched_by == "return_path"


def test_many_events_at_once_are_all_heard(sent: Office) -> None:
    (gwen,) = refusal(Provider.MAILJET, message_id(sent))  # type: ignore[misc]
    (hal,) = refusal(Provider.MAILJET, message_id(sent, HAL))  # type: ignore[misc]
    assert hear(Provider.MAILJET, [gwen, hal]).status_code == 200
    assert undeliverable() == [GWEN, HAL]


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        (Provider.POSTMARK, {"RecordType": "Open"}),
        (Provider.POSTMARK, {"RecordType": "Delivery"}),
        (Provider.POSTMARK, {"Type": "Transient"}),
        (Provider.POSTMARK, {"Type": "AutoResponder"}),
        (Provider.BREVO, {"event": "unique_opened"}),
        (Provider.BREVO, {"event": "deferred"}),
        (Provider.BREVO, {"event": "delivered"}),
        (Provider.RESEND, {"type": "email.clicked"}),
    ],
)
def test_what_is_no_report_leaves_no_trace(sent: Office, provider: Provider, change: dict[str, str]) -> None:
    event = refusal(provider, message_id(sent))
    assert isinstance(event, dict)
    assert hear(provider, {**event, **change}).status_code == 200
    assert not Bounce.unscoped.exists()


@pytest.mark.parametrize("provider", Provider)
def test_without_the_secret_nobody_is_heard(sent: Office, provider: Provider) -> None:
    event = refusal(provider, message_id(sent))
    if provider is Provider.MAILGUN:
        event = {**event, "signature": {"timestamp": "1", "token": "x", "signature": "0" * 64}}  # type: ignore[dict-item]
    for auth in ("", "Basic " + base64.b64encode(b"mailer:guess").decode(), "Bearer x", "Basic ?"):
        assert hear(provider, event, auth).status_code == 400
    assert undeliverable() == []


@pytest.mark.parametrize("provider", Provider)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"3", b'"x"', b"\xff\xfe", b"[[]]", b"[null]", b"[3]", b"{}",
        b"[" * 100_000, b'{"signature": 3}', b'{"event": null}', b'{"type": []}', b'{"RecordType": {}}',
        b'{"data": {"headers": 3}, "type": "email.bounced"}', b'{"items": []}', b'[{"event": "bounce", "time": 1e400}]',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_400_and_never_500(provider: Provider, body: bytes) -> None:
    assert hear(provider, body).status_code in ((400,) if body in (b"", b"{", b"\xff\xfe") else (200, 400))
    assert not Bounce.unscoped.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), provider=st.sampled_from(Provider))
def test_whatever_stands_in_a_field_is_never_500(db: None, data: st.DataObject, provider: Provider) -> None:
    event = refusal(provider, f"{'a' * 40}@example.org")
    inner = event[0] if isinstance(event, list) else event.get("event-data", event)  # type: ignore[attr-defined]
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
    assert hear(provider, event).status_code in (200, 400)


def test_a_fault_of_ours_is_500_so_that_the_provider_comes_again(
    sent: Office, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = refusal(Provider.POSTMARK, message_id(sent))

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("the database is away")

    def post() -> int:
        return client.post(
            "/hooks/postmark", json.dumps(event), content_type="application/json", headers={"authorization": AUTH}
        ).status_code

    with monkeypatch.context() as patch:
        patch.setattr("mailer.web.hooks.act_on_event", away)
        assert post() == 500
    assert post() == 200
    assert undeliverable() == [GWEN]


def test_only_the_configured_provider_is_routed(client: Client) -> None:
    for provider in set(Provider) - {Provider.POSTMARK}:
        assert client.post(f"/hooks/{provider}", headers={"authorization": AUTH}).status_code == 404

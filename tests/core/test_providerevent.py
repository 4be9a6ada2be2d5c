"""A provider's event becomes the report that a mail server would have sent; hostile events change no line of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.bounce import Kind, match, read
from mailer.core.configkind import Provider
from mailer.core.providerevent import ProviderEvent, as_report
from mailer.core.providerwords import SAID, WORDS
from mailer.core.token import Keyring, message_id, read_message_id, read_return_path, return_path
from mailer.core.verdict import Class

RING = Keyring({0: bytes(range(32))})
OURS = message_id(RING, 7, "example.org")


def event(
    provider: Provider = Provider.POSTMARK, type_: str = "bounced", said: str = "", word: str = ""
) -> ProviderEvent:
    """As each provider writes it."""
    payload: dict[str, object] = {"somewhere": ["deep", {"in": f"Message-ID: {OURS}"}]}
    for path, text in ((SAID[provider][0], said), (WORDS[provider][0], word)):
        place = payload
        for key in path[:-1]:
            place = place.setdefault(key, {})  # type: ignore[assignment]
        place[path[-1]] = text
    return ProviderEvent(provider, type_, "gone@example.net", "e1", payload)


def classes(given_event: ProviderEvent) -> list[Class | None]:
    raw = as_report(given_event)
    assert raw is not None
    return [finding.klass for finding in read(raw).findings]


@pytest.mark.parametrize("provider", Provider)
def test_what_the_server_said_decides_whatever_the_provider_calls_it(provider: Provider) -> None:
    for word in ("HardBounce", "hard_bounce", "soft_bounce", "user unknown", "blocked"):
        assert classes(event(provider, said="552 5.2.2 Mailbox full", word=word)) == [Class.SOFT]
        assert classes(event(provider, said="550 5.1.1 User unknown", word=word)) == [Class.HARD]


@pytest.mark.parametrize(
    ("provider", "word", "klass"),
    [
        (Provider.BREVO, "hard_bounce", Class.UNCLASSIFIED_PERMANENT),
        (Provider.BREVO, "soft_bounce", Class.SOFT),
        (Provider.BREVO, "invalid_email", Class.HARD),
        (Provider.BREVO, "blocked", Class.UNCLASSIFIED_PERMANENT),
        (Provider.MAILGUN, "suppress-bounce", Class.UNCLASSIFIED_PERMANENT),
        (Provider.MAILJET, "user unknown", Class.HARD),
        (Provider.MAILJET, "no mail host", Class.HARD),
        (Provider.MAILJET, "mailbox inactive", Class.DISABLED),
        (Provider.MAILJET, "quota exceeded", Class.SOFT),
        (Provider.MAILJET, "content blocked", Class.MESSAGE),
        (Provider.MAILJET, "policy issue", Class.POLICY),
        (Provider.POSTMARK, "HardBounce", Class.UNCLASSIFIED_PERMANENT),
        (Provider.POSTMARK, "BadEmailAddress", Class.HARD),
        (Provider.POSTMARK, "SoftBounce", Class.SOFT),
        (Provider.POSTMARK, "DMARCPolicy", Class.POLICY),
        (Provider.RESEND, "NoEmail", Class.HARD),
        (Provider.RESEND, "MailboxFull", Class.SOFT),
        (Provider.RESEND, "Suppressed", Class.UNCLASSIFIED_PERMANENT),
    ],
)
def test_where_no_server_spoke_a_word_means_no_more_than_it_must(provider: Provider, word: str, klass: Class) -> None:
    assert classes(event(provider, word=word)) == [klass]


def test_a_server_that_takes_a_letter_for_spam_is_not_a_reader_who_complains() -> None:
    assert classes(event(type_="complained", word="SpamNotification")) == [Class.POLICY]
    assert classes(event(type_="complained", word="SpamComplaint")) == [Class.COMPLAINT]


def test_who_asks_a_provider_for_no_more_has_objected() -> None:
    raw = as_report(event(type_="unsubscribed"))
    assert raw is not None
    assert read(raw).kind is Kind.COMPLAINT


@pytest.mark.parametrize("type_", ["delivered", "opened", "clicked", "deferred", "queued", "autoresponded", "x", ""])
def test_what_is_no_report_makes_none(type_: str) -> None:
    assert as_report(event(type_=type_)) is None


def test_an_event_that_names_no_letter_makes_no_report() -> None:
    assert as_report(ProviderEvent(Provider.BREVO, "bounced", "gone@example.net", "", {"event": "hard_bounce"})) is None


def test_the_same_event_is_the_same_report_and_another_is_another() -> None:
    assert as_report(event()) == as_report(event())
    without = [ProviderEvent(Provider.BREVO, "bounced", "", "", {"id": OURS, "ts": ts}) for ts in (1, 1, 2)]
    one, same, other = map(as_report, without)
    assert one == same != other


def test_the_return_path_is_believed_first() -> None:
    path = return_path(RING, 9, "bounces.example.org")
    raw = as_report(ProviderEvent(Provider.MAILGUN, "bounced", "", "", {"a": OURS, "b": f"sender={path};x"}))
    found = match(
        read(raw or b""),
        lambda value: read_return_path(RING, value, "bounces.example.org"),
        lambda value: read_message_id(RING, value, "example.org"),
    )
    assert found is not None
    assert (found.handle, found.how) == (9, "return_path")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=60) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(Provider), st.sampled_from(["bounced", "complained", "x"]), st.text(max_size=80), st.text(), JSON
)
def test_nothing_that_a_stranger_writes_raises_or_adds_a_line(
    provider: Provider, type_: str, recipient: str, said: str, payload: object
) -> None:
    hostile = event(provider, type_, said=f"{said}\r\nX-Evil: 1\r\n\r\n--=_as-said-by-webhook\r\n")
    raw = as_report(ProviderEvent(provider, type_, f"{recipient}\r\nX-Evil: 1", "", [hostile.payload, payload]))
    if raw is None:
        assert type_ == "x"
        return
    assert b"\r\nX-Evil" not in raw
    assert raw.count(b"\r\n--=_as-said-by-webhook") == 3
    assert len(read(raw).findings) == 1

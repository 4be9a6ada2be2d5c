"""Tokens: what we made reads back, and nothing else does, whatever is thrown at it."""

import base64
import hmac
import random
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.core.errors import MailerError
from mailer.core.token import (
    MARKER,
    VERSION,
    Keyring,
    Purpose,
    TokenError,
    _derive,
    fingerprint,
    message_id,
    octets_of,
    read_message_id,
    read_return_path,
    redact,
    return_path,
)

KEYS = {key_id: bytes([key_id + 1]) * 32 for key_id in range(16)}
RING = Keyring({0: KEYS[0], 3: KEYS[3]})
HANDLE = 0x0123456789ABCDEF
MOST_HANDLE = 2**64 - 1
HANDLES = st.integers(0, MOST_HANDLE)
PURPOSES = st.sampled_from(Purpose)
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
AROUND = st.text(st.sampled_from(URL_SAFE + "%/?=&+@<>. \n\"'\u00e9"), max_size=60) | st.text(max_size=20)


@given(PURPOSES, HANDLES)
@example(Purpose.LEAVE, 0)
@example(Purpose.LEAVE, MOST_HANDLE)
def test_a_token_reads_back_as_its_handle(purpose: Purpose, handle: int) -> None:
    plain, folded = RING.sign(purpose, handle), RING.sign_folded(purpose, handle)
    assert RING.read(purpose, plain) == handle
    assert RING.read_folded(purpose, folded) == handle
    assert RING.read_folded(purpose, folded.upper()) == handle
    assert (len(plain), len(folded)) == (34, 40)


@given(PURPOSES, HANDLES)
def test_both_spellings_hold_the_octets_of_the_standard(purpose: Purpose, handle: int) -> None:
    head, eight = bytes([VERSION << 4 | 3]), handle.to_bytes(8, "big")
    label = purpose.value.encode()
    key = _derive(KEYS[3], b"mailer token " + label)
    raw = head + eight + hmac.digest(key, head + label + b"\0" + eight, "sha256")[:16]
    assert RING.sign(purpose, handle) == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert RING.sign_folded(purpose, handle) == base64.b32encode(raw).decode().lower()


def test_a_derived_key_is_hkdf_of_rfc_5869() -> None:
    info = b"mailer token leave"
    extracted = hmac.digest(bytes(32), KEYS[0], "sha256")
    assert _derive(KEYS[0], info) == hmac.digest(extracted, info + b"\x01", "sha256")


def test_tokens_already_in_mailboxes_keep_working() -> None:
    """Written out once: whoever changes the format strands every letter sent so far."""
    assert RING.sign(Purpose.LEAVE, HANDLE) == "EwEjRWeJq83viU85Z_asecCSagmCLowLbw"
    assert RING.sign_folded(Purpose.VERP, HANDLE) == "cmasgrlhrgv4332jttwoo5kbhcy3jqgnz2efkibn"


@pytest.mark.parametrize("made_for", Purpose)
@pytest.mark.parametrize("read_as", Purpose)
def test_only_its_own_purpose_reads_a_token(made_for: Purpose, read_as: Purpose) -> None:
    expected = HANDLE if made_for is read_as else None
    assert RING.read(read_as, RING.sign(made_for, HANDLE)) == expected
    assert RING.read_folded(read_as, RING.sign_folded(made_for, HANDLE)) == expected


@pytest.mark.parametrize("bit", range(200))
def test_every_flipped_bit_of_the_octets_fails(bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(RING.sign(Purpose.LEAVE, HANDLE) + "=="))
    raw[bit // 8] ^= 1 << bit % 8
    assert RING.read(Purpose.LEAVE, base64.urlsafe_b64encode(raw).decode().rstrip("=")) is None
    assert RING.read_folded(Purpose.LEAVE, base64.b32encode(raw).decode().lower()) is None


@given(st.integers(0, 34 * 8 - 1))
def test_every_flipped_bit_of_the_text_fails(bit: int) -> None:
    text = bytearray(RING.sign(Purpose.LEAVE, HANDLE).encode())
    text[bit // 8] ^= 1 << bit % 8
    assert RING.read(Purpose.LEAVE, text.decode("latin-1")) is None


def test_a_token_has_one_spelling_only() -> None:
    token = RING.sign(Purpose.LEAVE, HANDLE)
    spare = [token[:-1] + URL_SAFE[URL_SAFE.index(token[-1]) + extra] for extra in range(1, 16)]
    odd = [token + "=", token + "==", " " + token, token + " ", token + "\n", token[:-1], token + "A"]
    other_alphabet = RING.sign(Purpose.LEAVE, next(h for h in range(999) if "_" in RING.sign(Purpose.LEAVE, h)))
    foreign = [other_alphabet.replace("_", "/"), token.swapcase(), "\uff25" + token[1:], "\ud800" * 34, ""]
    for text in spare + odd + foreign:
        assert RING.read(Purpose.LEAVE, text) is None, text


def test_a_folded_token_has_no_spelling_but_case() -> None:
    token = next(t for t in (RING.sign_folded(Purpose.VERP, h) for h in range(999)) if "k" in t and "s" in t)
    kelvin, long_s = token.replace("k", "\u212a"), token.replace("s", "\u017f")
    for text in (
        kelvin,
        long_s,
        token + "=",
        token[:-1],
        token + "a",
        token + "\n",
        " " + token,
        "",
        "1" * 40,
    ):
        assert RING.read_folded(Purpose.VERP, text) is None, text


@given(PURPOSES, st.text() | st.text(st.sampled_from(URL_SAFE), min_size=34, max_size=40))
def test_no_text_makes_reading_raise_or_is_taken_for_a_token(purpose: Purpose, text: str) -> None:
    assert RING.read(purpose, text) is None
    assert RING.read_folded(purpose, text) is None
    assert read_return_path(RING, text, "example.org") is None
    assert read_message_id(RING, text, "example.org") is None


def test_a_hundred_thousand_random_tokens_are_all_refused() -> None:
    guess = random.Random(8058).randbytes
    for _ in range(100_000):
        raw = bytes([VERSION << 4 | 3]) + guess(24)
        assert RING.read(Purpose.LEAVE, base64.urlsafe_b64encode(raw).decode().rstrip("=")) is None


def test_a_token_under_the_key_that_signs_nothing_is_refused() -> None:
    forged = RING._nobody.token(HANDLE.to_bytes(8, "big"))
    assert RING.read(Purpose.LEAVE, base64.urlsafe_b64encode(forged).decode().rstrip("=")) is None


def test_the_newest_key_signs_and_old_ones_still_read() -> None:
    before, after = Keyring({7: KEYS[7]}), Keyring({9: KEYS[9], 7: KEYS[7]})
    old, new = before.sign(Purpose.LEAVE, HANDLE), after.sign(Purpose.LEAVE, HANDLE)
    assert after.read(Purpose.LEAVE, old) == after.read(Purpose.LEAVE, new) == HANDLE
    assert before.read(Purpose.LEAVE, new) is None
    assert after.key_ids == (7, 9)


def test_another_site_with_the_same_key_id_reads_nothing() -> None:
    assert Keyring({3: KEYS[5]}).read(Purpose.LEAVE, RING.sign(Purpose.LEAVE, HANDLE)) is None


@pytest.mark.parametrize("keys", [{}, {16: KEYS[0]}, {-1: KEYS[0]}, {0: b"short"}, {0: b"x" * 33}])
def test_a_keyring_that_cannot_be_right_is_refused(keys: dict[int, bytes]) -> None:
    with pytest.raises(TokenError) as refusal:
        Keyring(keys)
    assert isinstance(refusal.value, MailerError)


@pytest.mark.parametrize("handle", [-1, MOST_HANDLE + 1])
def test_a_handle_that_does_not_fit_is_refused(handle: int) -> None:
    with pytest.raises(TokenError, match="64 bits"):
        RING.sign(Purpose.LEAVE, handle)


def test_no_key_is_shown() -> None:
    assert repr(RING) == "Keyring(key_ids=(0, 3))"
    assert len({fingerprint(key) for key in KEYS.values()}) == len(KEYS)
    assert fingerprint(KEYS[0]) not in {
        KEYS[0].hex()[:32],
        _derive(KEYS[0], b"mailer token leave").hex()[:32],
    }


def test_a_return_path_reads_back_in_any_case_at_our_domain_only() -> None:
    path = return_path(RING, HANDLE, "bounce.example.org")
    assert len(path.partition("@")[0]) <= 64
    assert read_return_path(RING, path, "bounce.example.org") == HANDLE
    assert read_return_path(RING, path.upper(), "bounce.example.org") == HANDLE
    assert read_return_path(RING, path, "bounce.example.net") is None
    assert read_return_path(RING, path.replace("b+", "c+"), "bounce.example.org") is None
    assert read_return_path(RING, path + "@bounce.example.org", "bounce.example.org") is None


def test_a_message_id_reads_back_and_is_the_same_each_time() -> None:
    value = message_id(RING, HANDLE, "example.org")
    assert value == message_id(RING, HANDLE, "example.org")
    assert read_message_id(RING, value, "Example.ORG") == HANDLE
    assert read_message_id(RING, value, "example.net") is None
    assert read_message_id(RING, value[1:-1], "example.org") is None


def test_a_return_path_and_a_message_id_are_no_use_for_each_other() -> None:
    path, value = return_path(RING, HANDLE, "example.org"), message_id(RING, HANDLE, "example.org")
    assert read_message_id(RING, f"<{path[2:]}>", "example.org") is None
    assert read_return_path(RING, "b+" + value[1:-1], "example.org") is None


def test_a_million_message_ids_would_differ_as_their_handles_do() -> None:
    assert len({message_id(RING, handle, "example.org") for handle in range(20_000)}) == 20_000


@given(PURPOSES, HANDLES, AROUND, AROUND, st.booleans())
@example(Purpose.WEB, HANDLE, "100%", "", False)
@example(Purpose.WEB, HANDLE, "%4", "", True)
def test_no_token_survives_redaction(purpose: Purpose, handle: int, before: str, after: str, folded: bool) -> None:
    token = RING.sign_folded(purpose, handle) if folded else RING.sign(purpose, handle)
    for spelling in (token, *([token.upper()] if folded else [])):
        shown = redact(before + spelling + after)
        assert spelling[-22:] not in shown
        assert MARKER in shown
        assert redact(shown) == shown


@given(HANDLES, st.sets(st.integers(0, 33)), st.booleans())
def test_no_percent_encoded_token_survives_redaction(handle: int, encoded: set[int], lower: bool) -> None:
    token = RING.sign(Purpose.LEAVE, handle)
    form = "%{:02x}" if lower else "%{:02X}"
    spelt = "".join(form.format(ord(c)) if place in encoded else c for place, c in enumerate(token))
    assert unquote(spelt) == token
    assert redact(f"GET /u/{spelt}?x=1 404") == f"GET /u/{MARKER}?x=1 404"


@given(st.integers(0, 15), HANDLES, AROUND)
def test_two_tokens_without_a_gap_both_go(key_id: int, handle: int, around: str) -> None:
    ring = Keyring({key_id: KEYS[key_id]})
    plain, folded = ring.sign(Purpose.LEAVE, handle), ring.sign_folded(Purpose.VERP, handle)
    assert redact(folded + plain) == redact(plain + folded) == MARKER
    for text in (folded + plain, plain + folded, around + folded + plain):
        shown = redact(text)
        assert plain[-22:] not in shown
        assert folded[-22:] not in shown


def test_redaction_leaves_the_rest_of_a_log_line_alone() -> None:
    plain, folded = RING.sign(Purpose.LEAVE, HANDLE), RING.sign_folded(Purpose.VERP, HANDLE)
    line = "GET /archive/{}/chairs-newsletter-of-december-2026-with-a-long-name 200 {}"
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    assert redact(line.format(plain, uuid)) == line.format(MARKER, uuid)
    assert redact(f"to <b+{folded}@bounce.example.org>") == f"to <b+{MARKER}@bounce.example.org>"


@given(PURPOSES, st.lists(HANDLES, max_size=9))
def test_many_tokens_are_what_each_would_be_by_itself(purpose: Purpose, handles: list[int]) -> None:
    octets = octets_of(handles)
    assert [token.decode() for token in RING.sign_all(purpose, octets)] == [RING.sign(purpose, h) for h in handles]
    folded = [token.decode() for token in RING.sign_all_folded(purpose, octets)]
    assert folded == [RING.sign_folded(purpose, handle) for handle in handles]


@pytest.mark.parametrize("handle", [-1, MOST_HANDLE + 1])
def test_one_handle_of_many_that_does_not_fit_is_refused(handle: int) -> None:
    with pytest.raises(TokenError, match="64 bits"):
        octets_of([HANDLE, handle])

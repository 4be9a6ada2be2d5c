import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core import header
from mailer.core.characters import unsafe_in_line
from mailer.core.header import HeaderError
from tests.core.lettering import hostile_text, read

MOST_HOSTILE = "=?utf-8?q?a=0D=0ABcc:_evil@example.net?="


def lines_are_lawful(field: bytes) -> None:
    """F2, F3, F12: short lines, one field, encoded-words whole and short."""
    assert field.endswith(b"\r\n")
    assert field.isascii()
    lines = field[:-2].split(b"\r\n")
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    for line in lines:
        assert b"\r" not in line
        assert b"\n" not in line
        assert len(line) <= (76 if b"=?" in line else 78)
    for word in re.findall(rb"=\?[^ ]*?\?=", field):
        assert len(word) <= 75


def unfolded(field: bytes) -> str:
    return field.decode().replace("\r\n", "").partition(": ")[2]


printable = st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=120)


@given(printable | st.text("Aa b,=?\"'é😀", min_size=1, max_size=300))
def test_a_subject_comes_back_on_lawful_lines(text: str) -> None:
    if unsafe_in_line(text):
        return
    field = header.unstructured("Subject", text)
    lines_are_lawful(field)
    assert str(make_header(decode_header(unfolded(field)))) == text


@given(hostile_text)
def test_a_hostile_subject_is_refused_or_stays_one_field(text: str) -> None:
    try:
        field = header.unstructured("Subject", text)
    except HeaderError:
        return
    assert read(field + b"\r\n").keys() == ["Subject"]
    assert unsafe_in_line(str(make_header(decode_header(unfolded(field))))) is None


@pytest.mark.parametrize(
    "value",
    [
        "a\rb", "a\nb", "a\r\nBcc: evil@example.net", "a\x00b", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb",
        MOST_HOSTILE, "=?UTF-8?B?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQ=?=", "=?utf-8?b?DQo?=", "=?utf-7?q?+AA0ACg-?=",
        "=?utf-16?b?DQAKAA==?=", "=?latin-1?Q?=0a?=", "x=?utf-8?q?=0d?=y", "=?utf-8*en?q?=0A?=", "=?nonsense?q?=0A?=",
        "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0A=3F=3D?=",
    ],
)  # fmt: skip
def test_what_could_end_a_header_now_or_after_decoding_is_refused(value: str) -> None:
    for write in (
        lambda: header.unstructured("Subject", value),
        lambda: header.mailbox("From", value, "a@example.org"),
        lambda: header.mailbox("From", "Ann", f"{value}@example.org"),
        lambda: header.uris("List-Help", [f"https://example.org/{value}"]),
        lambda: header.token("Precedence", value),
        lambda: header.date(value),
        lambda: header.message_id(value),
    ):
        with pytest.raises(HeaderError):
            write()


def test_text_that_looks_like_a_harmless_encoded_word_is_shown_as_it_was_typed() -> None:
    field = header.unstructured("Subject", "=?utf-8?q?Caf=C3=A9?=")
    assert str(make_header(decode_header(unfolded(field)))) == "=?utf-8?q?Caf=C3=A9?="
    assert "=?utf-8?q?Caf=C3=A9?=" not in unfolded(field)


def test_encoded_words_hold_whole_characters() -> None:
    field = header.unstructured("Subject", "\U0001f600" * 60 + "é" * 60)
    for word in re.findall(r"=\?utf-8\?q\?([^ ]*?)\?=", field.decode()):
        assert bytes.fromhex(word.replace("=", "")).decode("utf-8")


@pytest.mark.parametrize(
    ("display", "field"),
    [
        ("Riverside Group", b"From: Riverside Group <a@example.org>\r\n"),
        ("", b"From: a@example.org\r\n"),
        ("Smith, Ann", b'From: "Smith, Ann" <a@example.org>\r\n'),
        ('The "Group" \\ <us>', b'From: "The \\"Group\\" \\\\ <us>" <a@example.org>\r\n'),
        ("ann@example.net", b'From: "ann@example.net" <a@example.org>\r\n'),
        ("J. Smith", b'From: "J. Smith" <a@example.org>\r\n'),
        ("Zoë", b"From: =?utf-8?q?Zo=C3=AB?= <a@example.org>\r\n"),
        ("A  b", b"From: =?utf-8?q?A__b?= <a@example.org>\r\n"),
    ],
)
def test_a_display_name_is_quoted_or_encoded(display: str, field: bytes) -> None:
    assert header.mailbox("From", display, "a@example.org") == field


@given(printable)
def test_a_display_name_comes_back_and_names_nobody_else(name: str) -> None:
    if unsafe_in_line(name) or not name.strip():
        return
    field = header.mailbox("To", name, "a@example.org")
    lines_are_lawful(field)
    (mailbox,) = read(field + b"\r\n")["To"].addresses
    assert mailbox.addr_spec == "a@example.org"
    shown = unfolded(field).rpartition(" <")[0]
    if shown.startswith('"'):
        shown = re.sub(r"\\(.)", r"\1", shown[1:-1])
    # Not mailbox.display_name: the library puts a space between encoded-words that belong together.
    assert str(make_header(decode_header(shown))) == name.strip()


def test_list_fields_fold_only_before_an_angle_bracket() -> None:
    """M2: the library would make encoded-words of a long address, and nobody could leave."""
    url = "https://letters.example.org/u/" + "A" * 34
    assert header.uris("List-Unsubscribe", [url]) == f"List-Unsubscribe:\r\n <{url}>\r\n".encode()
    assert header.uris("List-Help", [url]) == f"List-Help: <{url}>\r\n".encode()
    two = header.uris("List-Unsubscribe", [url, "mailto:leave+abc@example.org?subject=leave"])
    assert two == (f"List-Unsubscribe:\r\n <{url}>,\r\n <mailto:leave+abc@example.org?subject=leave>\r\n".encode())


def test_a_list_field_that_is_too_long_is_refused() -> None:
    with pytest.raises(HeaderError, match="900 are the most"):
        header.uris("List-Unsubscribe", ["https://example.org/" + "a" * 900])


@pytest.mark.parametrize(
    "uri", ["https://example.org/a b", "https://example.org/>", "https://example.org/é", "<x>", ""]
)
def test_what_is_no_uri_is_refused_in_a_list_field(uri: str) -> None:
    with pytest.raises(HeaderError, match="not a URI"):
        header.uris("List-Help", [uri])


@pytest.mark.parametrize("value", ["", "a", "a@b c", "<a@example.org>", "a@b@c", "@example.org", "a..b@example.org"])
def test_what_is_no_message_id_is_refused(value: str) -> None:
    with pytest.raises(HeaderError):
        header.message_id(value)

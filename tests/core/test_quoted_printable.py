import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.quoted_printable import encode
from tests.core.lettering import HOSTILE

octet_text = st.lists(
    st.sampled_from([part for part in HOSTILE if part != "\ud800"]) | st.text(max_size=30), max_size=12
).map("".join)
plain_text = st.text(alphabet="ab .=\t\nFrom é", max_size=200)


def decoded(octets: bytes) -> str:
    return quopri.decodestring(octets.replace(b"\r\n", b"\n")).decode("utf-8")


def obeys_the_rules(octets: bytes) -> None:
    """RFC 2045 section 6.7 and what letters ask besides (F2-F7)."""
    assert octets.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
    assert octets == b"" or octets.endswith(b"\r\n")
    assert re.fullmatch(rb"(?:[!-<>-~ ]|=[0-9A-F]{2}|=?\r\n)*", octets)
    for line in octets.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith((b".", b"From "))
        assert b"  " not in line


@given(octet_text | plain_text)
def test_any_text_comes_back_and_keeps_every_rule(text: str) -> None:
    encoded = encode(text)
    obeys_the_rules(encoded)
    assert decoded(encoded) == text


@given(st.lists(octet_text | plain_text, max_size=5))
def test_pieces_join_to_what_their_texts_join_to(texts: list[str]) -> None:
    joined = b"".join(encode(text) for text in texts)
    obeys_the_rules(joined)
    assert decoded(joined) == "".join(texts)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", b""),
        ("Dear\n", b"Dear\r\n"),
        ("Ann", b"Ann=\r\n"),
        (".\n..\n.x\n", b"=2E\r\n=2E.\r\n=2Ex\r\n"),
        ("From me\n", b"=46rom me\r\n"),
        ("From", b"From=\r\n"),
        (".a", b"=2Ea=\r\n"),
        ("From a", b"=46rom a=\r\n"),
        ("a \n", b"a=20\r\n"),
        ("a ", b"a=20=\r\n"),
        ("a  b\tc\n", b"a =20b=09c\r\n"),
        ("a=b é\n", b"a=3Db =C3=A9\r\n"),
        ("\n\n", b"\r\n\r\n"),
        ("x" * 76 + "\n", b"x" * 75 + b"=\r\nx\r\n"),
        ("x" * 75 + ".\n", b"x" * 75 + b"=\r\n=2E\r\n"),
        ("x" * 75 + "From x\n", b"x" * 75 + b"=\r\n=46rom x\r\n"),
    ],
)
def test_the_rules_show_in_single_cases(text: str, encoded: bytes) -> None:
    assert encode(text) == encoded


def test_smuggling_sequences_leave_no_line_with_a_lone_dot() -> None:
    """SMTP smuggling, CVE-2023-51764 and its kin (F5)."""
    for end in ("\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\n", "\r\n\x00.\r\n"):
        encoded = encode(f"a{end}MAIL FROM:<evil@example.net>\n")
        assert b"." not in {line[:1] for line in encoded.split(b"\r\n")}

"""What stands behind an address is named by headers and recipients, and never guessed."""

import pytest

from mailer.core.behind import Behind, behind

OURS = "family@example.org"


@pytest.mark.parametrize(
    ("headers", "named", "found"),
    [
        ("", (), None),
        ("", (OURS,), None),
        ("", ("FAMILY@example.org",), None),
        ("", ("gwen@example.com",), Behind.FORWARDER),
        ("", ("gwen@example.com", "hal@example.com"), Behind.GROUP),
        ("", ("gwen@example.com", OURS), None),
        ("List-Id: <friends.example.org>\n", (), Behind.LIST),
        ("Resent-From: family@example.org\n", (), Behind.FORWARDER),
    ],
)
def test_what_stands_behind(headers: str, named: tuple[str, ...], found: Behind | None) -> None:
    assert behind(f"{headers}Subject: x\n\n".encode(), named, OURS) is found


def test_without_a_letter_of_ours_recipients_tell_nothing() -> None:
    assert behind(b"Subject: x\n\n", ("a@example.com", "b@example.com"), None) is None

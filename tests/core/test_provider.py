"""Domains that one provider counts together."""

import pytest

from mailer.core.provider import provider


@pytest.mark.parametrize(
    ("domain", "counted_as"),
    [
        ("gmail.com", "gmail.com"),
        ("googlemail.com", "gmail.com"),
        ("Hotmail.co.uk", "outlook.com"),
        ("yahoo.co.uk", "yahoo.com"),
        ("me.com", "icloud.com"),
        ("news.example.org.uk", "example.org.uk"),
        ("gmail.com.example.org", "example.org"),
    ],
)
def test_a_provider_counts_all_its_domains(domain: str, counted_as: str) -> None:
    assert provider(domain) == counted_as

"""Whose a domain is, as far as its name tells."""

import pytest

from mailer.core.domain import is_freemail, organisational, same_organisation


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("example.org", "example.org"),
        ("news.example.org", "example.org"),
        ("a.b.Example.ORG.", "example.org"),
        ("example.org.uk", "example.org.uk"),
        ("news.example.org.uk", "example.org.uk"),
        ("org.uk", "org.uk"),
        ("news.example.de", "example.de"),
        ("org.example.com", "example.com"),
    ],
)
def test_the_organisation_is_the_label_before_what_a_registry_sells(domain: str, registered: str) -> None:
    assert organisational(domain) == registered


def test_two_names_of_one_organisation_belong_together_and_neighbours_do_not() -> None:
    assert same_organisation("bounces.example.org.uk", "example.org.uk")
    assert not same_organisation("example.org.uk", "another.org.uk")


@pytest.mark.parametrize("domain", ["gmail.com", "mail.gmail.com", "yahoo.co.uk", "hotmail.fr", "gmx.net"])
def test_a_providers_domain_is_known_in_every_country(domain: str) -> None:
    assert is_freemail(domain)


@pytest.mark.parametrize("domain", ["example.org", "yahoofans.org", "gmail.example.org", "live.org.uk"])
def test_a_name_that_only_resembles_one_is_left_alone(domain: str) -> None:
    assert not is_freemail(domain)

"""Which mail provider stands behind a domain, as far as providers count the letters of a sender together (D13).

Only those that publish a number or are known to add their domains up; every other domain stands for itself.
"""

from mailer.core.domain import organisational

_FAMILIES = {
    "gmail.com": "googlemail.com",
    "outlook.com": "hotmail.com live.com msn.com hotmail.co.uk live.co.uk hotmail.fr hotmail.de",
    "yahoo.com": "aol.com rocketmail.com yahoo.co.uk yahoo.de yahoo.fr ymail.com",
    "icloud.com": "mac.com me.com",
}
_PROVIDER = {domain: provider for provider, domains in _FAMILIES.items() for domain in domains.split()}


def provider(domain: str) -> str:
    """The provider's first domain; of one that stands for itself, the part that one organisation registered."""
    primary = organisational(domain)
    return _PROVIDER.get(primary, primary)

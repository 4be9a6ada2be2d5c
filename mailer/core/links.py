"""What a link in a letter may lead to, and what it may say (standards D16, H5, H6, A5).

A letter links to http, https, mailto and tel, says where it leads, and never shows one host while leading
to another.
"""

import ipaddress
import re
from urllib.parse import unquote, urlsplit

from mailer.core.characters import unsafe_in_line

_SHORTENERS = frozenset(
    {"bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "ow.ly", "rb.gy", "rebrand.ly", "shorturl.at", "t.co"}
    | {"tiny.cc", "tinyurl.com"}
)
_SAYS_NOTHING = frozenset(
    {
        "click",
        "click here",
        "continue",
        "details",
        "find out more",
        "follow this link",
        "go",
        "here",
        "learn more",
        "link",
        "more",
        "read",
        "read more",
        "read on",
        "see here",
        "see more",
        "this",
        "this link",
        "this page",
    }
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]", re.IGNORECASE)
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?P<host>[A-Za-z0-9.-]+)")
_TELEPHONE = re.compile(r"\+?[0-9()., -]{3,24}")
_SHOWN_ADDRESS = re.compile(r"(?:https?://|\bwww\.)[^\s/?#]+|^(?:[a-z0-9-]+\.)+[a-z]{2,}(?=$|[/?#:])", re.IGNORECASE)
_SHOWN_AT_MOST = 56


def complaint_about_target(href: str) -> str | None:
    """What is wrong with an address as the target of a link, and what to do; None when nothing is."""
    if (found := unsafe_in_line(href)) or " " in href:
        return f"the address holds {found or 'a space'}; copy it again from the browser"
    scheme, _, rest = href.partition(":")
    if scheme.lower() in ("http", "https") and rest.startswith("//"):
        return _complaint_about_web_address(href)
    if scheme.lower() == "mailto":
        found_mailbox = _MAILBOX.fullmatch(unquote(rest))
        if found_mailbox is None or not _HOST.fullmatch(found_mailbox["host"]):
            return f"“{href}” is not one e-mail address; write mailto:name@example.org, without a subject"
        return None
    if scheme.lower() == "tel":
        return None if _TELEPHONE.fullmatch(rest) else f"“{href}” is not a telephone number"
    return f"“{href[:60]}” cannot be linked to; use an address that starts with https://, mailto: or tel:"


def _complaint_about_web_address(href: str) -> str | None:
    try:
        parts = urlsplit(href)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return f"“{href[:60]}” is not a web address; copy it again from the browser"
    if parts.username is not None or port is not None:
        return f"“{href[:60]}” holds a user name or a port; link to the page itself"
    if _is_ip_address(host) or not _HOST.fullmatch(host):
        return f"“{href[:60]}” does not name a public host; link to a page that members can open"
    if host.removeprefix("www.") in _SHORTENERS:
        return f"“{host}” shortens addresses and hides where they lead; link to the page itself"
    return None


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def complaint_about_words(href: str, words: str) -> str | None:
    """What is wrong with the words of a link, given where it leads; None when nothing is."""
    plain = " ".join(words.split()).strip()
    if not plain:
        return "a link without words; say where it leads"
    if plain.casefold().strip(" .…!»→>:") in _SAYS_NOTHING:
        return f"the link “{plain}” does not say where it leads; use the name of the page as its words"
    if (seen := _SHOWN_ADDRESS.search(plain)) and _bare_host(seen[0]) != _bare_host(href):
        return f"the link shows “{seen[0]}” but leads to “{href[:60]}”; show that address, or words"
    if _MAILBOX.fullmatch(plain) and href.lower() != f"mailto:{plain}".lower():
        return f"the link shows “{plain}” but leads to “{href[:60]}”; show that address, or words"
    return None


def _bare_host(address: str) -> str:
    if address.lower().startswith(("mailto:", "tel:")):
        return ""
    try:
        host = urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    except ValueError:
        return address
    return host.removeprefix("www.")


def shown(href: str) -> str:
    """The readable words of a link that has none of its own: host and path, never another host."""
    scheme, _, rest = href.partition(":")
    if scheme.lower() in ("mailto", "tel"):
        return unquote(rest)
    parts = urlsplit(href)
    host = parts.hostname or rest
    words = host + unquote(parts.path).rstrip("/")
    if unsafe_in_line(words):
        words = host + parts.path.rstrip("/")
    if len(words) <= _SHOWN_AT_MOST:
        return words
    last = words.rsplit("/", 1)[-1]
    room = max(_SHOWN_AT_MOST - len(host) - len("/…/"), 12)
    if len(last) > room:
        last = re.sub(r"[-_.+ ]+[^-_.+ ]*$", "", last[:room]) + "…"
    return f"{host}/…/{last}"

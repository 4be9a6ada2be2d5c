"""The kinds of value that config.toml holds beyond plain texts and numbers (standards T1, T14, D7)."""

import re
import tomllib
from enum import StrEnum
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from mailer.core import address
from mailer.core.domain import is_freemail
from mailer.core.kind import ADDRESS, DOMAIN, LINE, Kind, KindError, Shape, many, matching, one_of, refined
from mailer.core.quiet import quiet_hours


class Tls(StrEnum):
    """How the relay is spoken to (standards T14): inside TLS at once, after STARTTLS, or in the clear."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls-required"
    NONE = "none"


class Uncertain(StrEnum):
    """What becomes of a copy nobody can say of whether it arrived (design.md section 4)."""

    KEEP = "keep"
    RESEND = "resend"


class Provider(StrEnum):
    """Whose webhooks we understand; each tells what became of letters that its relay took."""

    BREVO = "brevo"
    MAILGUN = "mailgun"
    MAILJET = "mailjet"
    POSTMARK = "postmark"
    RESEND = "resend"


def is_loopback(host: str) -> bool:
    """Does the name or address lead back to this machine?"""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def from_text(text: str, shape: Shape) -> object:
    """The value that a text from the environment stands for; what does not fit stays a text and is refused.

    A list is a TOML array, or lines, or one line with commas.
    """
    if shape is Shape.FLAG:
        return {"true": True, "false": False}.get(text.lower(), text)
    if shape is Shape.NUMBER:
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text
    if shape is Shape.LIST:
        return _list_from_text(text)
    return text


def _list_from_text(text: str) -> object:
    if text.lstrip().startswith("["):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return [part.strip() for part in (text.splitlines() if "\n" in text else text.split(",")) if part.strip()]


def _base_url(text: str) -> str:
    parts = _split(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise KindError("it ends after the host")
    return text.rstrip("/").lower()


def _web_page(text: str) -> str:
    _split(text)
    return text


def _split(text: str) -> SplitResult:
    parts = urlsplit(text)
    host = parts.hostname or ""
    if not host or parts.username is not None or not text.isascii() or " " in text:
        raise KindError("it begins with https:// and a host, without user, password or blanks")
    _ = parts.port  # reading it refuses what is no port
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise KindError("http is for loopback addresses only")
    return parts


def _proxy(text: str) -> str:
    return str(ip_network(text, strict=True)) if "/" in text else str(ip_address(text))


def _sender(text: str) -> str:
    sender = ADDRESS.read(text)
    if not sender.isascii():
        raise KindError("relays that know no SMTPUTF8 refuse a letter from it: use ASCII letters")
    domain = sender.rpartition("@")[2]
    if is_freemail(domain):
        raise KindError(f"{domain} asks everyone to refuse what it did not send: use a domain of your own")
    return sender


def _allowed(text: str) -> str:
    return "@" + DOMAIN.read(text[1:]) if text.startswith("@") else ADDRESS.read(text)


def _host(text: str) -> str:
    if text.lower() == "localhost" or address.DOMAIN.fullmatch(text.lower()):
        return text.lower()
    return str(ip_address(text.strip("[]")))


def _ehlo_name(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        ip_address(text[1:-1].removeprefix("IPv6:"))
        return text
    return _host(text) if not text[:1].isdigit() else DOMAIN.read(text.lower())


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError) as error:
        raise KindError from error
    return text


def _lines(value: object) -> tuple[str, ...]:
    return _LINES.read(value.strip().splitlines() if isinstance(value, str) else value)


_LINES = many(LINE, "a list of lines")
LINES = Kind("a list of lines, or one text of several lines", _lines, Shape.LIST)
SOME_LINES = Kind(
    LINES.expected + ", at least one",
    lambda value: many(LINE, "lines", least=1).read(list(_lines(value))),
    Shape.LIST,
)
BASE_URL = refined(LINE, "an https address such as https://news.example.org", _base_url)
WEB_PAGE = refined(LINE, "an https address such as https://example.org/privacy", _web_page)
PROXY = refined(LINE, "an IP address or network such as 10.0.0.0/8", _proxy)
SENDER = refined(LINE, "an e-mail address in a domain of your own", _sender)
ALLOWED = refined(LINE, 'an e-mail address, or "@example.org" for a whole domain', _allowed)
HOST = refined(LINE, "a host name or an IP address", _host)
EHLO_NAME = refined(LINE, "the full name of this machine, or an address in square brackets", _ehlo_name)
TIME_ZONE = refined(LINE, "a time zone such as Europe/London", _time_zone)
SECRET = matching("a text without control characters", r"[^\x00-\x1f\x7f]+")
COMMAND = many(LINE, 'a command as a list of words, such as ["/usr/local/bin/tell-us", "--loud"]', twice=True)
TLS = one_of(Tls)
PROVIDER = one_of(Provider)
UNCERTAIN = one_of(Uncertain)
QUIET = refined(LINE, '"none", or hours such as "21:00-08:00"', quiet_hours)

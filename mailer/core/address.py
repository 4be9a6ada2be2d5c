"""What an e-mail address is here, in one strict grammar at every door and again at the wire.

Law of this file (standards S6, F17, P14, M10; RFC 5321 section 4.5.3.1, RFC 6531 section 3.3, RFC 5891):

* `local@domain`, the local part a dot-atom, never quoted; no comments, no display name, no address literal;
* the domain is kept as lower-case A-labels, the local part as typed (NFC): only its host may fold its case;
* what RCPT gets is what is stored, octet for octet. Client libraries *re-read* a hostile address and write to
  somebody else instead of refusing it, so nothing hostile may get as far as a client library;
* example.org, .net and .com are good domains: examples and the demo use them. `.test`, `.invalid`, `.local`,
  `.localhost` and `.onion` are refused: no letter can arrive there, so in a member list such an address is a
  slip of the pen, and on a server it is a way to aim mail at the host itself.

The normal form and the folded name feed keyed hashes that outlive erasure: to change either is to forget whom
we must not write to.
"""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from mailer.core.errors import MailerError

MOST_LOCAL = 64  # octets, RFC 5321 section 4.5.3.1.1
MOST_PATH = 254  # octets; the 256 of section 4.5.3.1.3 count the angle brackets

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_SPECIALS = frozenset('()<>[]:;@\\," ')

DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+{_LABEL}")
"""A lower-case domain of A-labels, two at least; for `fullmatch`."""

_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_ASCII_WIRE = re.compile(rf"(?=[^@]{{1,{MOST_LOCAL}}}@)(?=.{{1,{MOST_PATH}}}\Z){_DOT_ATOM.pattern}@{DOMAIN.pattern}")

_APOSTROPHES = re.compile(
    "['`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u2018\u2019\u201b\u2032\u2035\uff07\uff40]"
)


class AddressError(MailerError, ValueError):
    """This is not an address that mail can be sent to."""


class WireAddressError(AddressError):
    """This must not be put into MAIL FROM or RCPT TO."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox one may write to. It cannot be made from parts that the wire would refuse."""

    local: str
    domain: str

    def __post_init__(self) -> None:
        check_wire(self.text)

    @property
    def text(self) -> str:
        """What is stored and what RCPT gets, octet for octet."""
        return f"{self.local}@{self.domain}"


def parse(text: str) -> Address:
    """Read what a person typed or a file holds; white space around it is the caller's to strip."""
    if reason := _hostile(text):
        raise AddressError(reason)
    try:
        found = validate_email(
            text,
            allow_smtputf8=True,
            allow_empty_local=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,
            check_deliverability=False,
            test_environment=False,
            globally_deliverable=True,
        )
    except EmailNotValidError as error:
        raise AddressError(f"This is not an e-mail address one can write to. {error}") from None
    return Address(found.local_part, found.ascii_domain)


def check_wire(address: str) -> None:
    """The last gate before MAIL FROM and RCPT TO; the null sender is no address and does not come here."""
    if _ASCII_WIRE.fullmatch(address):
        return
    if reason := _hostile(address) or _unfit_parts(address):
        raise WireAddressError(f"{reason} Correct the stored address.")


def normal(address: Address) -> str:
    """The form that uniqueness and suppression compare: local part case-folded, both parts NFC (P14)."""
    folded = unicodedata.normalize("NFD", address.local).casefold()
    return f"{unicodedata.normalize('NFC', folded)}@{address.domain}"


def fold_name(name: str) -> str:
    """A person's name as matching sees it: O'Brien with any apostrophe or none, Mary-Jane and Mary Jane.

    Accents stay: whether two names that differ by one mean one person is for a person to say.
    """
    bare = _APOSTROPHES.sub("", name)
    folded = unicodedata.normalize("NFKC", bare).casefold()
    # Folding may leave NFKC and NFKC may bring capitals back, so both are done until they agree.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return " ".join("".join(_plain(character) for character in folded).split())


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cf", "Cc"} and not character.isspace():
        return ""
    if _APOSTROPHES.match(character):
        return ""
    return " " if category.startswith(("P", "Z")) else character


def _hostile(text: str) -> str | None:
    """What would let a client library read another address, command or header out of this one."""
    for character in text:
        if character.isspace() or unicodedata.category(character)[0] in "CZ":
            return f"An e-mail address holds no space or control character (U+{ord(character):04X} is here)."
    if text.count("@") != 1:
        return "An e-mail address has exactly one @."
    local, _, domain = text.partition("@")
    if special := sorted(_SPECIALS & {*unicodedata.normalize("NFKC", local), *domain}):
        return f"An e-mail address holds no quotes, brackets or comments ({special[0]} is here)."
    if len(local.encode()) > MOST_LOCAL:
        return f"The part before the @ is longer than {MOST_LOCAL} octets."
    if len(text.encode()) > MOST_PATH:
        return f"The address is longer than {MOST_PATH} octets."
    return None


def _unfit_parts(address: str) -> str | None:
    local, _, domain = address.partition("@")
    if not DOMAIN.fullmatch(domain):
        return "The part after the @ is not a lower-case domain name in ASCII."
    if unicodedata.normalize("NFC", local) != local:
        return "The part before the @ is not in normal form (NFC)."
    # RFC 6531 section 3.3 adds every character beyond ASCII to what an atom may hold.
    if not _DOT_ATOM.fullmatch("".join(character if character.isascii() else "x" for character in local)):
        return "The part before the @ holds a character, or a dot, where none may stand."
    return None

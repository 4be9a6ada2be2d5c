"""RFC 3464 delivery reports, and their internationalised twin of RFC 6533 (standards B1, B2, B4).

The fields are believed about who failed; what was said of him may stand only in the part for people, and some
programs write the fields into that part too.
"""

import re
from collections.abc import Callable
from functools import cache

from mailer.core.bounce.author import wrote_itself
from mailer.core.bounce.finding import Finding
from mailer.core.bounce.mail import REPORTED, Mail
from mailer.core.bounce.mime import Headers, fields, parse
from mailer.core.bounce.plain import addressed, naming, opened
from mailer.core.bounce.refusal import finding

NAME = "delivery_status"
MAX_RECIPIENTS = 100

_COMMENT = re.compile(r"\([^()]*\)")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_QUOTED = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_FIELD = re.compile(r"^[ \t]{0,8}(?=(?:final-recipient|original-recipient|action|status|diagnostic-code)[ \t]*:)",
                    re.IGNORECASE | re.MULTILINE)  # fmt: skip
_FINAL = re.compile(r"^[ \t]{0,8}final-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ACTION = re.compile(r"^[ \t]{0,8}(?:action|status)[ \t]*:", re.IGNORECASE | re.MULTILINE)


def find(mail: Mail) -> tuple[Finding, ...]:
    """One finding for each recipient; a delivery-status part without any tells nothing by itself."""
    found: dict[str | None, Finding] = {}
    failed = _recipient_blocks(mail)[:MAX_RECIPIENTS]
    said_of = cache(lambda: opened(mail))
    for block in failed:
        made = _finding(block, mail, said_of)
        found.setdefault(made.recipient.lower() if made.recipient else None, made)
    return tuple(found.values())


def find_forwarded(mail: Mail) -> tuple[Finding, ...]:
    """The report that a gateway passes on inside a report of its own, which names nobody."""
    if not wrote_itself(mail):
        return ()
    for part in mail.of_type("message/rfc822"):
        inner = Mail(parse(part.decoded()))
        if part is not mail.message and wrote_itself(inner) and (found := find(inner)):
            return found
    return ()


def blocks(text: str) -> list[Headers]:
    """The groups of fields that empty lines divide: one about the message, then one for each recipient."""
    return [fields(group) for group in re.split(r"\n[ \t]*\n", text, maxsplit=MAX_RECIPIENTS)]


def envelope_ids(mail: Mail) -> list[str]:
    return [
        value
        for part in mail.of_type(*REPORTED)
        for name, value in blocks(part.text())[0]
        if name == "original-envelope-id"
    ]


def _recipient_blocks(mail: Mail) -> list[Headers]:
    found = [block for part in mail.of_type(*REPORTED) for block in blocks(part.text()) if _is_recipient(block)]
    return found or [block for block in blocks(_fields_in_words(mail)) if _is_recipient(block)]


def _is_recipient(block: Headers) -> bool:
    return bool(_value(block, "final-recipient", "original-recipient") or _value(block, "action"))


def _fields_in_words(mail: Mail) -> str:
    """The same fields where a program wrote them into its text, or a broken one lost the part."""
    words = mail.words
    if "inal-" not in words and "INAL-" not in words:
        return ""
    words = _QUOTED.sub("", words)
    return _FIELD.sub("", words) if _FINAL.search(words) and _ACTION.search(words) else ""


def _finding(block: Headers, mail: Mail, said_of: Callable[[], dict[str, str]]) -> Finding:
    recipient = _recipient(block) or addressed(mail)
    said = _value(block, "diagnostic-code")
    kind, semicolon, words = said.partition(";")
    words = words.strip() if semicolon and " " not in kind.strip() else said
    action = _COMMENT.sub("", _value(block, "action")).strip().lower()

    def human() -> str:
        if recipient is None:
            return mail.words
        return said_of().get(recipient.lower(), "") + "\n" + naming(mail.words, recipient)

    return finding(
        recipient,
        words or human(),
        NAME,
        status=_value(block, "status"),
        action=action or "failed",
        beside=human,
        own=_value(block, "x-powermta-bouncecategory") == "bad-mailbox",
    )


def _recipient(block: Headers) -> str | None:
    """Final-Recipient names who failed; the original one may be what a list or an alias was called."""
    for name in ("final-recipient", "original-recipient", "x-actual-recipient"):
        kind, semicolon, address = _value(block, name).partition(";")
        address = (address if semicolon else kind).strip().strip("<>").strip()
        if "@" in address:
            return _ESCAPED.sub(_character, address)
    return None


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if 0x20 < number < 0xD800 or 0xE000 <= number <= 0x10FFFF else "\ufffd"


def _value(block: Headers, *names: str) -> str:
    return next((value for name in names for found, value in block if found == name), "")

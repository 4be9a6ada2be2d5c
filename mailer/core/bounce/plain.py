"""Who a report in plain words says has failed, and what was said of each.

Programs agree on a little: an address that failed opens a line, alone or with what was said of it, and the lines
that follow are about it until the next one. Formats that do otherwise bring a pattern of their own.
"""

import re
from itertools import islice

from mailer.core.bounce.mail import Mail

MAX_RECIPIENTS = 100
MAX_NAMING = 8
MAX_TO = 4000

_LOCAL = r"(?:[^\s<>()\[\],;:\"'@|\u3000-\uffee]{1,64}|\"[^\"\n]{1,64}\")"
ADDRESS = rf"{_LOCAL}@\w[\w.-]{{0,252}}(?<!\.)(?![\w@-]|\.\w)"

# An address at the beginning of a line, with what may follow it there.
_OPENS = re.compile(
    rf"\n[ \t>*|•-]{{0,20}}(?:\d{{1,3}}[.)] )?[<\"'\[]{{0,2}}(?P<who>{ADDRESS})[>\"'\]]{{0,2}}"
    r"(?:[ \t]*<(?:mailto:)?[^<>\s]{1,300}>)?"
    r"(?P<rest>[ \t]*(?:$|[:;,.(\[].*|-{1,2} .*|on (?:mon|tue|wed|thu|fri|sat|sun).*|(?:\.{3}|…).*"
    r"|(?:invalid|unknown|rejected|failed|error|user|mailbox|recipient|no|does|could|was|is|has)\b.*))",
    re.IGNORECASE | re.MULTILINE,
)
# What stands before the address where it does not open the line.
_LABELLED = re.compile(
    r"(?:\b(?:recipients?|recipient address|addressed to|error-for|unknown user|userid|mailbox|was addressed,"
    r"|permanent errors|failed \d{1,4} attempts|exceeds allowed size"
    r"|(?:rcpt|mail|messages?|deliver|delivery|delivered|delivering|undeliverable|sent|send|it|you) to"
    r"|(?:full|unknown|invalid|found|exist|rejected|failed|error|addresse?s?|recipient\(s\)|following)(?=[:\s]))"
    r"|^[ \t]*(?:to|for)(?=[:\s])|\(expanded from:|^[ \t]{0,20}[^\n<>@\[\]]{1,60}\[(?:smtp:)?)"
    rf"[ \t]?[:=]?\s{{0,8}}[<\"'\[]{{0,2}}(?P<who>{ADDRESS})",
    re.IGNORECASE | re.MULTILINE,
)
_ANY = re.compile(ADDRESS)
_IN_ANGLES = re.compile(rf"<({ADDRESS})>")
_NEVER = ("mailer-daemon@", "no-reply@", "noreply@")


def failures(mail: Mail, pattern: re.Pattern[str] | None = None, *, before: bool = False) -> dict[str, str]:
    """Each address that is said to have failed, with what was said of it: after it, or `before`."""
    words = mail.words
    opening = (_blocks(words, pattern, before=before) if pattern else {}) or _blocks(words, _OPENS)
    found = _but_ours(mail, opening) or dict.fromkeys(_named_in_headers(mail), words) or opening
    if not found:
        labelled = _blocks(words, _LABELLED)
        found = _but_ours(mail, labelled) or labelled
    if not found:
        who = addressed(mail)
        found = {who: words} if who else {}
    return {who: _enough(said, who, words) for who, said in found.items()}


def opened(mail: Mail) -> dict[str, str]:
    """What stands after each address that opens a line, by the address in lower case."""
    return {who.lower(): said for who, said in _blocks(mail.words, _OPENS).items()} if "@" in mail.words else {}


def naming(words: str, who: str) -> str:
    """The first lines that say something of an address, each with the line before it."""
    lowered, who, found, at = words.lower(), who.lower(), [], -1
    for _ in range(MAX_NAMING):
        at = lowered.find(who, at + 1)
        if at < 0:
            break
        start, end = words.rfind("\n", 0, at) + 1, words.find("\n", at)
        line = words[start : end if end >= 0 else len(words)]
        if len(line.strip()) > len(who) + 4:
            found.append(words[words.rfind("\n", 0, max(start - 1, 0)) + 1 : start] + line)
    return "\n".join(found)


def addressed(mail: Mail) -> str | None:
    """The one person to whom the returned letter was addressed."""
    for name in ("x-failed-recipients", "to", "x-envelope-to", "x-rcpt-to", "delivered-to", "apparently-to"):
        headers = mail.message.headers if name == "x-failed-recipients" else mail.returned
        people = {who for found, value in headers if found == name for who in _people(value)}
        if len(people) == 1:
            return people.pop()
    return None


def _people(value: str) -> list[str]:
    """The addresses of a header; a name may look like one, but stands outside the angles."""
    return _IN_ANGLES.findall(value[:MAX_TO]) or _ANY.findall(value[:MAX_TO])


def _but_ours(mail: Mail, found: dict[str, str]) -> dict[str, str]:
    """Without those to whom the report itself was sent: it greets them by their address."""
    ours = {address.lower() for value in mail.message.get_all("to") for address in _ANY.findall(value[:MAX_TO])}
    return {who: said for who, said in found.items() if who.lower() not in ours}


def _named_in_headers(mail: Mail) -> list[str]:
    values = mail.message.get_all("x-failed-recipients")
    return [address for value in values for address in _ANY.findall(value)][:MAX_RECIPIENTS]


def _blocks(words: str, pattern: re.Pattern[str], *, before: bool = False) -> dict[str, str]:
    """The text cut at each address that the pattern finds; what is said twice of one address is joined."""
    heads = [
        head for head in islice(pattern.finditer(words), MAX_RECIPIENTS) if not head["who"].lower().startswith(_NEVER)
    ]
    found: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for number, head in enumerate(heads):
        if before:
            said = words[heads[number - 1].end() if number else 0 : (words.find("\n", head.end()) + 1) or len(words)]
        else:
            said = words[head.end("who") : heads[number + 1].start() if number + 1 < len(heads) else len(words)]
        who = spelled.setdefault(head["who"].lower(), head["who"])
        found[who] = (found.get(who, "") + "\n" + said).strip()
    return found


def _enough(said: str, who: str, words: str) -> str:
    """What was said of it, or where that is nothing, the lines that name it, or all."""
    if any(letter.isalnum() for letter in said):
        return said
    return naming(words, who) or words

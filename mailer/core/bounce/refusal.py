"""What a server's words say: the codes in them, how far the dialogue had come, and the finding they amount to.

Every detector that has found a recipient and the words about it ends here, so that all formats are judged by the
same tables (standards B12).
"""

import re
from collections.abc import Callable

from mailer.core import phrases
from mailer.core.bounce.finding import KINDS, MAX_DIAGNOSTIC, Finding, Kind
from mailer.core.verdict import Stage, rule

MAX_SAID = 4000

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\d|\.\d)")
# In words a number of three parts may be a version; RFC 3463 knows the subjects 0 to 7.
_SPOKEN = re.compile(r"(?<![\d.])([45]\.[0-7]\.\d{1,3})(?!\d|\.\d)")
# What a relay quotes of the next server is nearer to the truth than its own summary before it.
_QUOTED = re.compile(
    r"[245]\.\d{1,3}\.\d{1,3}[^\n]{1,200}?(?:-'|<)(?:[245]\d\d[ -])?([245]\.\d{1,3}\.\d{1,3})(?![\d.])"
)
# A reply stands first on its line, after "said:" and the like, or before an enhanced code; others are ports and sizes.
_REPLY = re.compile(
    r"(?:^|\[|: |(?:said|says|respon[ds]e?d?|returned|was|with|failure|reason|error|code|<<<|>>>)[ \t:#=<'\"\[]{1,4})"
    r"([245]\d\d)(?=[ \t,;:<-]|\.(?!\d)|$)"
    r"|(?<![\d.])([245]\d\d)[ -](?=#?[245]\.\d{1,3}\.\d)",
    re.IGNORECASE | re.MULTILINE,
)
# Where each mail program writes how far it had come when it was refused.
_STAGES = re.compile(
    r"(?:in reply to|in response to|following|after|did not like our|>>>|<<<|\[|^(?=data[ \t]*$|rcpt[ \t]*$))[ \t]{0,4}"
    r"(?:the |our |final |end of |sending )?(rcpt|mail from|mail command|mail\b|data|text|message body"
    r"|initial connection|connect|helo|ehlo|banner|starttls)"
    r"|server for (text|data|mail|rcpt) command"
    r"|(does not like recipient|rejected recipient|recipient refused|progress was rcpt to|smtp:rcpt)"
    r"|(failed after i sent the message|failed on data command)"
    r"|(sender was rejected|my name was rejected|greeting failed)",
    re.IGNORECASE | re.MULTILINE,
)
_AT_DATA = frozenset({"data", "text", "message body"})


def finding(
    recipient: str | None,
    said: str,
    detector: str,
    *,
    status: str = "",
    action: str = "failed",
    beside: Callable[[], str] = str,
    own: bool = False,
) -> Finding:
    """The finding about one recipient: `said` is what was said of it, `status` the report's own field.

    `beside` are the other words of the report, asked where `said` tells nothing, or not how far the dialogue had come;
    `own`, that the program speaks of its own people, so that there was no dialogue.
    """
    said = said[:MAX_SAID]
    code, reply = status_in(status, said), reply_in(said)
    if not (code or reply or phrases.spoken(said, permanent=True)):
        said = beside()[:MAX_SAID] or said
    to = rule(
        reply, code, said, action=action, stage=lambda: Stage.RECIPIENT if own else stage_in(said) or stage_in(beside())
    )
    diagnostic = " ".join(said.split())[:MAX_DIAGNOSTIC]
    return Finding(recipient, code, reply, KINDS.get(to.klass, Kind.SOFT), to.reason, diagnostic, detector, to.klass)


def reply_in(said: str) -> int | None:
    found = _REPLY.search(said)
    return int(found[1] or found[2]) if found else None


def status_in(field: str, said: str) -> str | None:
    """The code that the refusing server wrote in its words, else the one the reporting server chose."""
    given = _STATUS.search(field)
    spoken = _QUOTED.search(said) or _SPOKEN.search(said)
    if spoken and (given is None or given[1][0] == spoken[1][0]):
        given = spoken
    return given[1] if given else None


def stage_in(said: str) -> Stage | None:
    """How far the dialogue had come; the recipient's turn counts most, for only there the address failed."""
    stages = {_stage(found) for found in _STAGES.finditer(said[:MAX_SAID])}
    return next((stage for stage in (Stage.RECIPIENT, Stage.DATA, Stage.EARLIER) if stage in stages), None)


def _stage(found: re.Match[str]) -> Stage:
    command = (found[1] or found[2] or "").lower()
    if found[3] or command == "rcpt":
        return Stage.RECIPIENT
    return Stage.DATA if found[4] or command in _AT_DATA else Stage.EARLIER

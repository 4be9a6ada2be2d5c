"""Reports in words, each of a mail program or a provider: a table, one row a format (standards B9).

Law of the file: a row says how its format is recognised and, where it does not keep to what programs agree on
(`plain`), where the one who failed stands. Every row has a specimen in tests/core/bounce/specimens. A mail is of a
format when a mail system wrote it, or the sender of the row did, and everything that the row gives is there.
"""

import re
from dataclasses import dataclass

from mailer.core.bounce.author import still_trying, wrote_itself
from mailer.core.bounce.finding import Finding
from mailer.core.bounce.mail import Mail
from mailer.core.bounce.plain import ADDRESS, failures
from mailer.core.bounce.refusal import finding


@dataclass(frozen=True, slots=True)
class Format:
    """One of the phrases of `opening` stands in the first words; `header` is there; `subject` and `sender` agree.

    `who` finds the recipients where they do not open a line. `own` is true of a program that speaks of its own
    people: what it does not know is not there. `before` is true where the reason stands above the recipient.
    """

    name: str
    opening: tuple[str, ...]
    subject: str = ""
    sender: str = ""
    header: str = ""
    who: re.Pattern[str] | None = None
    own: bool = False
    before: bool = False


def _who(pattern: str) -> re.Pattern[str]:
    """The place of a recipient; WHO stands for the address."""
    return re.compile(pattern.replace("WHO", f"(?P<who>{ADDRESS})"), re.IGNORECASE | re.MULTILINE)


FORMATS: tuple[Format, ...] = (
    # mail programs
    Format(
        "qmail",
        ("this is the qmail-send program", "deliver your message to the following address", "mail delivery agent at"),
    ),
    Format(
        "exim_malformed",
        ("recipient addresses that were incorrectly constructed",),
        who=_who(r"^ +[^\n]*malformed address: <WHO>"),
    ),
    Format(
        "exim",
        (
            "created automatically by mail delivery software",
            "created automatically by the mail delivery software",
            "created automatically by the smtp relay",
            "a message that you sent",
            "a message sent by",
        ),
        who=_who(r"^ {1,4}WHO(?=[ \t]*$|:)"),
    ),
    Format("postfix", ("this is the postfix", "this is the mail system at host")),
    Format(
        "sendmail",
        (
            "following addresses had permanent",
            "following addresses had delivery",
            "following addresses had transient",
            "following addresses had fatal",
        ),
    ),
    Format(
        "sendmail_v5",
        ("transcript of session follows",),
        who=_who(r"^\d{3}[ -](?:\d\.\d\.\d )?<?WHO>?\.\.\."),
        before=True,
    ),
    Format("courier", ("your message to the following recipients cannot be delivered",)),
    Format("opensmtpd", ("this is the mailer-daemon, please do not reply",)),
    Format("dragonfly", ("this is the dragonfly mail agent",), who=_who(r"delivering your mail to <?WHO")),
    Format("dovecot", ("was automatically rejected",), sender="mail delivery", who=_who(r"your message to <?WHO")),
    Format(
        "james",
        ("error message below:",),
        subject="[bounce]",
        who=_who(r"^[ \t]*rcpt to: <?WHO"),
        own=True,
        before=True,
    ),
    Format("mdaemon", ("which represent bcc", "session transcript:"), who=_who(r"^(?:failed address|to)[ \t]*: <?WHO")),
    Format(
        "mailenable",
        ("mailenable: message delivery", "message could not be delivered to some recipients"),
        who=_who(r"recipient:? ?\[(?:smtp:)?WHO"),
    ),
    Format(
        "imail",
        (
            "unknown user:",
            "user mailbox exceeds allowed size",
            "invalid final delivery userid",
            "undeliverable to ",
            "delivery failed ",
        ),
        subject="undeliverable mail",
        who=_who(r"[ \t]WHO[ \t]*$"),
    ),
    Format(
        "exchange",
        ("did not reach the following recipient(s)",),
        who=_who(r"^(?:[^\n]{0,120}smtp=)?WHO;? on (?=mon|tue|wed|thu|fri|sat|sun|\d)"),
    ),
    Format("groupwise", ("the message that you sent was undeliverable to the following",), own=True),
    Format("domino", ("was not delivered to:",), subject="delivery", who=_who(r"^[ \t]+WHO[ \t]*$")),
    Format("notes", ("failure reasons --",)),
    Format(
        "failed_recipient",
        ("could not deliver message to the following recipient(s)",),
        sender="system administrator",
        who=_who(r"^failed recipient:[ \t]*<?WHO"),
    ),
    Format("lsmtp", ("error-for:",), who=_who(r"^error-for:[ \t]*WHO")),
    Format("smail", ("message log follows", "failed addresses follow")),
    Format(
        "fml",
        ("duplicated message-id in", "loop alert", "security alert"),
        sender="-admin@",
        header="x-mlserver",
        who=_who(r"(?:in|by|from)[ \t]<WHO>"),
    ),
    # filters and gateways
    Format(
        "interscan",
        ("interscan", "unable to deliver message to <", "sent <<< rcpt to"),
        who=_who(r"(?:rcpt to:|message to )<?WHO"),
    ),
    Format("mailmarshal", ("could not be delivered because of",), who=_who(r"^[ \t]*WHO[ \t]*$"), before=True),
    Format("surfcontrol", ("your message could not be sent.",), who=_who(r"addressed to:[ \t]*<?WHO")),
    Format("mailfoundry", ("unable to deliver message to: <",), who=_who(r"message to: <WHO")),
    Format("barracuda", ("your message to:",), subject="blocked by our bulk email filter"),
    Format("mfilter", ("m-filter",), who=_who(r"^WHO[ \t]*$")),
    Format("x6", ("we had trouble delivering your message",), who=_who(r"(?:recipient|errors:) <?WHO")),
    # providers
    Format("gmail", ("delivery to the following recipient",)),
    Format("google_groups", ("google groups",), header="x-failed-recipients"),
    Format(
        "yahoo",
        (
            "unable to deliver your message to the following address",
            "unable to deliver message to the following address",
        ),
    ),
    Format("gmx", ("the following address failed:", "the following address(es) failed:")),
    Format("mail_ru", ("создано автоматически сервером",)),
    Format(
        "ezweb",
        ("each of the following recipients was rejected", "following recipients did not receive"),
        who=_who(r"^[ \t]*(?:recipient: )?<WHO>"),
    ),
    Format(
        "kddi",
        ("your mail sent on:", "your mail attempted to be delivered on"),
        who=_who(r"could not be delivered to: <WHO>"),
    ),
    Format("vzwpix", ("could not be delivered to mobile",), sender="mmsc"),
    Format("vtext", ("error:",), sender="post_master@", who=_who(r"rcpt to: <?WHO"), own=True, before=True),
    Format("facebook", ("created automatically by facebook",)),
)


def find(mail: Mail) -> tuple[Finding, ...]:
    """What the first format says that the mail is of."""
    row = next((row for row in FORMATS if _is_of(mail, row)), None)
    if row is None:
        return ()
    action = still_trying(mail)
    failed = failures(mail, row.who, before=row.before)
    return tuple(
        finding(who, said, row.name, action=action, beside=lambda: mail.words if len(failed) == 1 else "", own=row.own)
        for who, said in failed.items()
    )


def _is_of(mail: Mail, row: Format) -> bool:
    return (
        any(phrase in mail.opening for phrase in row.opening)
        and (row.sender in mail.sender.lower() if row.sender else wrote_itself(mail))
        and row.subject in mail.subject.lower()
        and (not row.header or bool(mail.message.get(row.header)))
    )

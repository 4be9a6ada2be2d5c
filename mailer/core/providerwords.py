"""Where each provider's webhook says what happened, and what its own words mean (standards 3.2, B9): data only.

Law of the table: what the receiving server said is read like in any report, and decides. A provider's own word is used
where no server spoke, and says that an address is gone only where the word can mean nothing else: "hard" is said of
blocked letters and of full mailboxes too. A provider that no longer tries (suppressed) leaves it to a person.
"""

from mailer.core.configkind import Provider

Place = tuple[str, ...]

#: The provider's word for what happened, the most exact first.
WORDS: dict[Provider, tuple[Place, ...]] = {
    Provider.BREVO: (("event",),),
    Provider.MAILGUN: (("event-data", "reason"), ("event-data", "severity")),
    Provider.MAILJET: (("error",), ("event",)),
    Provider.POSTMARK: (("Type",), ("SuppressionReason",)),
    Provider.RESEND: (("data", "bounce", "subType"), ("data", "bounce", "type")),
}
#: What the receiving server said. Not a provider's explanation of its own words, which names all that it may mean.
SAID: dict[Provider, tuple[Place, ...]] = {
    Provider.BREVO: (("reason",),),
    Provider.MAILGUN: (("event-data", "delivery-status", "message"), ("event-data", "delivery-status", "description")),
    Provider.MAILJET: (("comment",), ("smtp_reply",)),
    Provider.POSTMARK: (("Details",),),
    Provider.RESEND: (("data", "bounce", "diagnosticCode"), ("data", "bounce", "message")),
}

#: The status that a word stands for, in small letters; of others nothing is known but that it failed.
STATUSES: dict[str, str] = {
    **dict.fromkeys(("user unknown", "noemail"), "5.1.1"),
    **dict.fromkeys(("invalid domain", "no mail host"), "5.1.2"),
    **dict.fromkeys(("bademailaddress", "invalid_email", "typofix"), "5.1.3"),
    "mailbox inactive": "5.2.1",
    **dict.fromkeys(("quota exceeded", "mailboxfull"), "5.2.2"),
    "messagetoolarge": "5.2.3",
    **dict.fromkeys(("contentrejected", "attachmentrejected", "content blocked", "virusnotification"), "5.6.0"),
    **dict.fromkeys(
        ("spamnotification", "dmarcpolicy", "sender blocked", "policy issue", "relay/access denied"), "5.7.1"
    ),
    **dict.fromkeys(("soft_bounce", "softbounce", "transient", "greylisted", "dnserror"), "4.0.0"),
}
FAILED = "5.0.0"

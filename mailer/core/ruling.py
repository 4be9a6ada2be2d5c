"""The words in which refusals are judged: at whose fault, for what reason, at which point of the dialogue."""

from dataclasses import dataclass
from enum import StrEnum


class Class(StrEnum):
    """What is at fault, or that nothing is."""

    HARD = "hard"
    DISABLED = "disabled"
    SOFT = "soft"
    POLICY = "policy"
    MESSAGE = "message"
    QUOTA = "quota"
    SENDER = "sender"
    INFORMATIONAL = "informational"
    SUCCESS = "success"
    COMPLAINT = "complaint"
    UNCLASSIFIED_PERMANENT = "unclassified_permanent"


class Reason(StrEnum):
    """Why, in words that a page can show; findings of the bounce room use the same vocabulary."""

    USER_UNKNOWN = "user_unknown"
    HOST_UNKNOWN = "host_unknown"
    NO_MAIL = "no_mail"
    BAD_ADDRESS = "bad_address"
    MOVED = "moved"
    DISABLED = "disabled"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_BUSY = "mailbox_busy"
    NETWORK = "network"
    SYSTEM = "system"
    MAILER = "mailer"
    EXPIRED = "expired"
    LOOP = "loop"
    RATE = "rate"
    BLOCKED = "blocked"
    SPAM = "spam"
    RELAYING = "relaying"
    AUTHENTICATION = "authentication"
    TOO_LARGE = "too_large"
    CONTENT = "content"
    PROTOCOL = "protocol"
    RELAY_QUOTA = "relay_quota"
    SENDER_REFUSED = "sender_refused"
    UNCLASSIFIED = "unclassified"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    ABUSE = "abuse"
    NOT_SPAM = "not_spam"
    OTHER_FEEDBACK = "other_feedback"
    MALFORMED = "malformed"
    AUTO_REPLY = "auto_reply"
    SAYS_GONE = "says_gone"
    READ_RECEIPT = "read_receipt"
    CHALLENGE = "challenge"


class Stage(StrEnum):
    """How far the dialogue had come when the refusal was said."""

    EARLIER = "earlier"
    RECIPIENT = "recipient"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Ruling:
    klass: Class
    reason: Reason

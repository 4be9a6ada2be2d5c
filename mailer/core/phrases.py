"""What servers say when they refuse, in the many ways they say it (standards 3.2, B9).

Law of the file: the first row that speaks wins, so what saves an address stands above what condemns it. A phrase
under a hard row is one that no living address is ever answered with. Addresses, hosts and links are taken out of
the words first, so that a server called spam.example.org says nothing about spam; an address leaves a `*`.
"""

import re

from mailer.core.ruling import Class, Reason, Ruling

MAX_TEXT = 4000

NO_MAIL = Ruling(Class.HARD, Reason.NO_MAIL)
HOST_UNKNOWN = Ruling(Class.HARD, Reason.HOST_UNKNOWN)
GONE = Ruling(Class.HARD, Reason.USER_UNKNOWN)
MOVED = Ruling(Class.HARD, Reason.MOVED)
DISABLED = Ruling(Class.DISABLED, Reason.DISABLED)
# "Unknown" said by a server that took the recipient first, or at a point nobody names: filters say that of living
# people too, so it counts only when it is said again.
DOUBTFUL = Ruling(Class.DISABLED, Reason.USER_UNKNOWN)
UNKNOWN_USER = Ruling(Class.HARD, Reason.USER_UNKNOWN)

_LINK = re.compile(r"(?:https?://|www\.)[^\s<>'\"]{1,2000}")
_LISTED = re.compile(r"spamhaus|spamcop|sorbs|barracuda|dnsbl|rbl|abuseat|blocklist|blacklist|sender-?score|senderbase")
_NO_LETTER = r"\s<>()\[\]'\",;:"
# Begun only where a word begins, or each letter of the text would be tried as the first of an address.
_ADDRESS = re.compile(rf"[<'\"(\[]?(?<![^{_NO_LETTER}])[^{_NO_LETTER}@]{{1,100}}@[^{_NO_LETTER}]{{1,255}}[>'\")\]]?")
_HOST = re.compile(r"(?<![\w.-])(?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,6}(?![\w-]|\.\w)")

# The domain itself says that it takes no mail; no status can mean otherwise.
ALWAYS: tuple[str, ...] = (
    "does not accept mail (nullmx)", "domain does not accept mail", "host does not accept mail", "null mx", "nullmx",
    "no mx record found for domain", "no mx found for domain", "domain does not accept any mail",
    "mx or srv record indicated no smtp service",
)  # fmt: skip

PHRASES: tuple[tuple[Ruling, tuple[str, ...]], ...] = (
    (Ruling(Class.QUOTA, Reason.RELAY_QUOTA), (
        "daily user sending limit", "sending quota", "sending limit exceeded", "daily message quota exceeded",
        "maximum sending rate exceeded", "exceeded the max emails per hour", "max defers and failures per hour",
    )),
    (Ruling(Class.SOFT, Reason.MAILBOX_FULL), (
        "mailbox full", "mailbox is full", "mailbox has exceeded", "mailbox exceed", "over quota", "overquota",
        "over the quota", "quota exceeded", "exceeded quota", "exceeds quota", "exceeded his quota",
        "exceeded its quota", "exceeding their quota", "exceeding its mailbox quota", "quota has been exceeded",
        "quota usage exceeded", "quota violation", "quota full", "disk quota", "disc quota",
        "exceeded storage allocation", "exceeded the storage", "exceeds allotted", "exceeds allowed size",
        "not enough storage", "insufficient storage", "storage limit exceeded", "storage quota", "out of storage",
        "space has been used up", "space limit", "not have enough space", "would exceed maximum allowed storage",
        "exceeded the local limit", "mailfolder is full", "mail box full", "mail box is full", "inbox is full",
        "inbox full", "full mailbox", "account is full", "mailbox size limit", "maximum mailbox size",
        "over the allowed quota", "is over limit", "mail file size exceeds the maximum", "receiving limits",
        "too much mail data", "too many messages", "has reached its limit", "quotaexceeded",
        "boite du destinataire pleine", "boîte pleine", "postfach ist voll", "postfach voll", "speicherplatz",
        "quota superata", "casella piena", "buzón lleno", "buzon lleno", "caixa de correio cheia",
        "caixa postal cheia", "mailbox vol", "postvak vol", "ящик переполнен", "переполнен почтовый ящик", "容量",
        "メールボックスがいっぱい", "邮箱已满", "信箱已滿",
    )),
    (Ruling(Class.MESSAGE, Reason.TOO_LARGE), (
        "message too large", "message too big", "exceeds size", "size limit", "message file too big",
        "maximum inbound message size", "max message size", "message length exceeds", "line limit exceeded",
        "exceeds the maximum size", "exceeds maximum message size", "message is too large",
        "message exceeds fixed maximum", "mail size", "size exceeds", "too big for system",
        "taille limite du message",
    )),
    (DISABLED, (
        "account disabled", "account is disabled", "account has been disabled", "mailbox disabled",
        "mailbox is disabled", "address disabled", "address is disabled", "recipient disabled", "disabled recipient",
        "user disabled", "user is disabled", "disabled or discontinued",
        "account that you tried to reach is disabled", "inactive user", "user is inactive", "account is inactive",
        "account inactive", "mailbox is inactive", "mailbox inactive", "temporarily inactive", "extended inactivity",
        "inactive account", "has been suspended", "is suspended", "account suspended", "user suspended",
        "mailbox suspended", "currently suspended", "temporarily suspended", "suspend the service", "suspended due",
        "account is locked", "account locked", "temporary locked", "temporarily locked", "mailbox locked",
        "mailbox is frozen", "mailbox frozen", "deactivated", "account expired", "account has expired",
        "account is not active", "not accepting messages", "recipient is not accepting", "is not accepting any mail",
        "mailbox unavailable or access denied", "boite du destinataire archivee", "account closed temporarily",
        "mailbox temporarily disabled", "konto ist gesperrt", "konto gesperrt", "postfach deaktiviert",
        "cuenta deshabilitada", "compte désactivé", "conta desativada", "ящик заблокирован", "аккаунт заблокирован",
    )),
    (MOVED, (
        "has been replaced by", "mailbox has moved", "has moved, no forwarding", "user has moved", "user moved",
        "address has changed", "recipient has moved", "no forwarding address", "new e-mail address of",
        "has a new address",
    )),
    # What the directory at the edge of Exchange Online says; other denials of access are policy.
    (GONE, (
        "recipient address rejected: access denied",
    )),
    (Ruling(Class.POLICY, Reason.RELAYING), (
        "relaying denied", "relay access denied", "relay denied", "relaying not allowed", "not permitted to relay",
        "relay not permitted", "unable to relay", "relaying mail to", "no relaying", "cannot relay",
        "not configured to relay", "as a relay", "not an open relay", "not allowed to relay", "relaying prohibited",
        "allowed rcpthosts", "we don't handle mail for", "not a gateway", "insecure mail relay",
        "relay is not allowed", "will not relay",
    )),
    (Ruling(Class.POLICY, Reason.SPAM), (
        "spam", "unsolicited", "bulk email", "bulk mail", "junk", "content rejected", "content filter",
        "unacceptable content", "rejected due to content", "message filtered", "virus", "malware", "infected",
        "banned content", "mail content denied", "recurrent pattern",
    )),
    (Ruling(Class.POLICY, Reason.AUTHENTICATION), (
        "dkim", "dmarc", "spf ", "spf)", "sender policy framework", "authentication required",
        "authentication failure", "not authenticated", "unauthenticated", "authentication is required",
        "smtp authentication", "authentication checks", "not authorized", "not authorised", "authrequired",
        "notauthorized", "starttls", "tls required", "must issue a", "ptr record", "reverse dns", "rdns",
        "no reverse", "reverse lookup", "resolve your address", "find your hostname", "name lookup failed",
    )),
    (Ruling(Class.POLICY, Reason.RATE), (
        "too many connections", "too many concurrent", "connection rate", "rate limit", "too many recipients",
        "too many errors", "too many messages from", "too many smtp sessions", "connection limit", "throttl",
        "unusual rate", "try again later, closing connection", "trop de connexions", "too many mails",
    )),
    (Ruling(Class.POLICY, Reason.BLOCKED), (
        "blocked", "blacklist", "black list", "blocklist", "block list", "denylist", "reputation", "policy",
        "recipient preferences", "banned", "listed at", "refused to talk to me", "not accepted from",
        "not accepting connections", "user reject", "rejected due to user rules", "sender not pre-approved",
        "access denied", "your access to submit", "greylist", "graylist", "only accepting mail from specific",
        "list of senders", "account is protected by", "recipient id refuse", "refuse to receive", "restricted",
        "not allowed to send", "not allowed to post", "members-only", "closed mailing list", "non-member",
        "administrative prohibition", "prohibited", "poor score", "user complaints", "go away", "bounced address",
        "previously bounced", "suppression list", "unsubscribed address", "smtp server of your isp", "open relay",
        "no access from", "batv", "backscatter", "third-party dsns", "header error", "message refused",
        "domain filter", "受信拒否", "dynamic ip", "not subscribed", "organizational settings",
        "sender is on", "not welcome", "mail from ip", "bad sender ip", "server requires confirmation",
    )),
    (Ruling(Class.SENDER, Reason.SENDER_REFUSED), (
        "sender address rejected", "sender verify failed", "sender rejected", "invalid sender", "unroutable sender",
        "sender address verification", "domain of sender address", "sender domain", "sender email address rejected",
        "null sender", "empty sender", "bogus mail from", "from: domain is invalid", "mail from not owned",
        "email address is not verified", "sender was rejected", "sender unknown", "unknown sender",
        "emetteur invalide", "sender is not", "envelope sender", "does not accept mail from", "send mail as",
    )),
    (Ruling(Class.SOFT, Reason.LOOP), (
        "too many hops", "mail loop", "loops back", "message looping", "routing loop", "hop count",
        "forwarding loop", "too many received", "loop was found", "duplicated message-id", "loop alert", "circular",
    )),
    (Ruling(Class.SOFT, Reason.EXPIRED), (
        "retry time not reached", "delivery time expired", "message expired", "envelope expired", "timed out",
        "connection timeout", "in the queue too long", "failing for a long time",
        "could not be delivered for more than", "could not deliver for the last", "cannot send message for",
        "multiple retries", "not been collected", "did not respond", "not responding",
        "within the allowed queue period", "still undelivered",
        "not delivered within", "已过期",
    )),
    (HOST_UNKNOWN, (
        "host unknown", "unknown host", "destination computer was not found", "address lookups failed permanently",
        "find the recipient domain", "dns server returned answer with no data",
        "host * not found", "domain not found", "domain * does", "domain '*' does", "domain * not found",
        "no such domain",
        "domain does not exist", "domain doesn't exist", "domain doesnt exist", "domain must exist",
        "host not found", "unknown domain", "domain unknown", "domain is not reachable", "name or service not known",
        "no such host", "unrouteable address", "unroutable address", "unrouteable mail domain", "unroutable domain",
        "couldn't find any host", "couldn't find a mail exchanger", "mail exchanger or ip address",
        "domain could not be found", "domain couldn't be found", "nonexistent domain", "non-existent domain",
        "non-existent host", "nxdomain", "no mail server for", "does not have any mx", "illegal host/domain",
        "account or domain may not exist", "address is unknown", "domain name not found",
        "dns records for the destination computer could not be found", "bad destination system", "unknown mail host",
        "serveur inconnu", "domaine inconnu", "domäne existiert nicht", "domain existiert nicht",
    )),
    # What a program says of its own people, and cannot say of a living one.
    (GONE, (
        "not listed in", "in name directory", "not unique in domino directory", "recipient name is not recognized",
        "recipnotfound", "recipientnotfound", "resolver.adr.recip", "address couldn't be found",
        "address could not be found",
       "address wasn't found",
        "address you entered couldn't be found", "*: user unknown", "dd this user doesn't have",
        "requested action not taken: mailbox unavailable (-", "5.1.0 address rejected", "5.1.0 - unknown address",
        "invalid final delivery userid", "unknown user: *", "no valid recipients for this mm", "no longer valid",
        "no longer exists", "no longer available", "no longer in use", "no longer active", "not a valid mailbox",
        "no one at this address", "no such person at this address", "destinataire inconnu", "utilisateur inconnu",
        "adresse inconnue", "empfänger unbekannt", "empfaenger unbekannt", "benutzer unbekannt", "adresse unbekannt",
        "existiert nicht", "konnte nicht gefunden werden", "no se ha encontrado", "no se encontr",
        "não foi encontrad", "introuvable", "non è stato trovato", "kan niet worden gevonden", "не найден",
        "nie znaleziono", "kunde inte hittas", "見つかりません", "見つからないか",
        "utente sconosciuto", "nessun utente simile",
        "usuario desconocido", "usuario inexistente", "no existe", "usuário desconhecido", "não existe",
        "onbekende gebruiker", "bestaat niet", "nie istnieje", "такого пользователя нет",
        "нет такого пользователя", "не существует", "несуществующ", "宛先不明", "存在しません",
        "ディレクトリのリストにありません", "不存在",
    )),
    (UNKNOWN_USER, (
        "user unknown", "unknown user", "unknow user", "user is unknown", "no such user", "no such recipient",
        "no such mailbox", "no such address", "no such account", "no such person", "no such local",
        "unknown recipient", "recipient unknown", "recipient is unknown", "unknown local", "unknown mailbox",
        "unknown address", "address unknown", "addressee unknown", "addressee not known", "unknown e-mail address",
        "unknown email address", "unknown account", "unknown virtual user", "user not found", "user not known",
        "not found recipient", "recipient not found", "mailbox not found", "mailbox not present",
        "address not found", "account not found", "not found in", "* not found", "was not found", "not exist",
        "doesn't exist", "doesn't have a", "doesnt exist", "don't exist", "nonexistent", "non-existent",
        "non existent", "invalid recipient", "invalid mailbox", "invalid address", "invalid user", "address invalid",
        "mailbox invalid", "recipient invalid", "bad recipient", "bad address", "bad destination mailbox",
        "no mailbox by that name", "no mailbox here by that name", "no mailbox found", "no account by that name",
        "no mail box available", "recipient address rejected: undeliverable", "recipient address rejected.",
        "recipient rejected", "recipient refused", "server rejected recipients", "recipient not ok",
        "recipient not accepted", "not a valid recipient", "not a valid user", "not a known user", "is not a known",
        "not a local", "not local", "not an active address", "not our customer", "badrcptto",
        "envelope recipient has been denied", "validrcptto", "badrecipientto", "can't accept user", "no recipient",
        "no valid recipient", "user missing home", "not known here", "no matches to nameserver query",
        "this user doesn", "is unavailable", "mailbox unavailable", "unknown or illegal alias", "name not found",
        "email address is wrong", "not present in directory", "archived recipient", "rejected: account unavailable",
        "couldn't be found", "could not be found", "this address no longer accepts",
        "destination addresses were unknown", "e-mail users", "unknown or not available",
    )),
    (Ruling(Class.MESSAGE, Reason.CONTENT), (
        "mime", "8-bit data", "header size", "malformed message", "attachment", "base64", "message header",
        "illegal character",
    )),
    (Ruling(Class.SOFT, Reason.MAILER), (
        "command died", "command output", "command failed", "procmail", "maildrop", "mailer error", "pipe to",
        "exit status", "mail system full",
    )),
    (Ruling(Class.SOFT, Reason.NETWORK), (
        "connection refused", "connection reset", "no route to host", "network is unreachable",
        "host is unreachable", "host unreachable", "lookup failure", "try again", "connection dropped",
        "lost connection", "connection was dropped", "couldn't connect", "could not connect",
        "wasn't able to establish", "dns lookup failed", "did not accept our requests to connect", "socket error",
        "not reachable", "deferred",
    )),
    (Ruling(Class.SOFT, Reason.SYSTEM), (
        "internal error", "system error", "configuration error", "local error", "temporary",
        "service currently unavailable", "misconfigured", "write error",
        "encountered an error while being processed", "it would create a mail loop", "config error",
        "service unavailable", "on hold", "system not accepting",
    )),
)  # fmt: skip


def spoken(text: str, *, permanent: bool) -> Ruling | None:
    """The first row that speaks; a refusal that is not permanent cannot mean that an address is gone."""
    said = _plain(text)
    for ruling, phrases in PHRASES:
        if permanent or ruling.klass not in (Class.HARD, Class.DISABLED):
            for phrase in phrases:
                if phrase in said:
                    return ruling
    return None


def never_takes_mail(text: str) -> bool:
    said = " ".join(text[:MAX_TEXT].lower().split())
    return any(phrase in said for phrase in ALWAYS)


def _plain(text: str) -> str:
    said = text[:MAX_TEXT].lower().replace("\u2019", "'")
    if "://" in said or "www." in said:
        said = _LINK.sub(_link, said)
    if "@" in said:
        said = _ADDRESS.sub("*", said)
    return " ".join(_HOST.sub("*", said).split())


def _link(match: re.Match[str]) -> str:
    """A link to a list of senders says as much as a word."""
    return " blocklist " if _LISTED.search(match[0]) else " "

"""A report in no format we know: the last resort, and guarded, since other letters speak of failures too.

Three things must come together: a mail system wrote it, its first words say that something was not delivered, and
an address stands where such reports put it.
"""

import re

from mailer.core.bounce.author import still_trying, wrote_itself
from mailer.core.bounce.automatic import replies
from mailer.core.bounce.finding import Finding
from mailer.core.bounce.mail import RETURNED, Mail
from mailer.core.bounce.plain import failures
from mailer.core.bounce.refusal import finding
from mailer.core.verdict import Reason

NAME = "unknown"

# What a failure is called, in the subject or in the first words.
_FAILED = re.compile(
    r"(?:un|non[- ]?)deliver(?:ed|able|y)|not (?:be )?(?:yet )?(?:been )?(?:re)?delivered"
    r"|fail(?:ed|ure) (?:permanently|mail)"
    r"|(?:deliver[a-z]*|mail|message|transmission|sending|transaction)[ :.-]{1,3}"
    r"(?:has |have |was |permanently |system )?(?:fail|error|problem|delay|status)"
    r"|(?:fail|error|problem|trouble|unable|attempt)[a-z]*(?: in| while| with| to| occurred while)? (?:attempting to )?"
    r"(?:deliver|send|process)"
    r"|(?:can(?:'|no)?t|could ?n[o']t) be (?:deliver|sent)|not (?:able to (?:be )?(?:deliver|send)|reach the following)"
    r"|unknown (?:user|address|recipient|local)"
    r"|(?:user|address|recipient|mailbox|host) (?:is )?(?:unknown|not (?:found|known))"
    r"|no such (?:user|address|recipient)|no valid recipients|mailbox (?:is )?full|over quota"
    r"|returned (?:mail|permanent)|mail returned|return(?:ed|ing) (?:(?:message|mail) )?to sender|failure notice"
    r"|permanent(?:ly)? (?:fatal )?(?:error|fail)|delivery incomplete"
    r"|rejected (?:by|your|recipient)|was rejected|has been (?:rejected|blocked|refused|returned)|blocked by"
    # the same in the languages of Europe and Asia
    r"|non remis|[eé]chec de la remise|pas pu [eê]tre (?:d[eé]livr|remis|envoy)|unzustellbar|nicht zugestellt"
    r"|konnte nicht zu|fehler bei der nachrichten|no (?:se ha podido|se pudo|se puede|ha podido) |error al entregar"
    r"|no entregad|non recapitabile"
    r"|mancat[ao] (?:consegna|recapito)|impossibile recapitare|niet (?:worden )?(?:af|be)(?:zorgd|geleverd)"
    r"|onbestelbaar|n[aã]o (?:foi poss[ií]vel|[eé] poss[ií]vel|p[oô]de ser|entregue)|falha na entrega|niedostarcz"
    r"|kan (?:inte|ikke) lever|nedoru[cč]iteln|k[eé]zbes[ií]thetetlen|toimitus ep[aä]onnistui|teslim edilemedi"
    r"|недоставл|не достав|не может быть доставлен|送信できません|送信に失敗|配信でき|配送でき|届きません"
    r"|配信不能|退信|退回|无法|無法|失败|失敗|반송|전송 실패"
)


def find(mail: Mail) -> tuple[Finding, ...]:
    if not wrote_itself(mail) or replies(mail) or not _FAILED.search(mail.opening):
        return ()
    failed, action = failures(mail), still_trying(mail)
    found = tuple(
        finding(who, said, NAME, action=action, beside=lambda: mail.words if len(failed) == 1 else "")
        for who, said in failed.items()
    )
    return found if _is_about_a_letter(mail, found) else ()


def _is_about_a_letter(mail: Mail, found: tuple[Finding, ...]) -> bool:
    """A postmaster announces maintenance too; his report has a telling subject, or a reason, or the letter."""
    return (
        "postmaster" not in mail.sender.lower()
        or _FAILED.search(mail.subject.lower()) is not None
        or any(one.reason is not Reason.UNCLASSIFIED or one.reply_code for one in found)
        or bool(mail.returned or mail.of_type(*RETURNED))
    )

"""Answers on their way to whoever answers for a list, and one-off letters that did not arrive, for the desk."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from mailer.core.delivery import OPEN, CopyState
from mailer.core.matter import MatterKind
from mailer.core.passing_on import PassedOn
from mailer.models.copy import Notice
from mailer.models.desk import open_matter
from mailer.models.matter import Matter
from mailer.models.member import Mailbox
from mailer.models.outbox import move, signed

#: Every end but arriving.
_FAILED = frozenset(CopyState) - {*OPEN, CopyState.ACCEPTED}


def post_answer(handle: int, bounce_id: int, mailbox: Mailbox, letter: PassedOn, now: datetime) -> None:
    """Queue an answer: the database refuses to queue it twice."""
    Notice.unscoped.create(
        handle=signed(handle),
        kind=Notice.Kind.ANSWER,
        mailbox=mailbox,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        reply_to=letter.reply_to,
        bounce_id=bounce_id,
        created_at=now,
    )


def passed_on_since(moment: datetime, author: str, copy_id: int) -> int:
    """How many answers of this author, or to this letter, have been passed on since then."""
    rows = Notice.unscoped.filter(kind=Notice.Kind.ANSWER, created_at__gt=moment)
    return int(rows.filter(Q(reply_to__iexact=author) | Q(bounce__copy=copy_id)).count())


def answer_of(handle: int) -> int | None:
    """The answer passed on by the letter with this handle."""
    row = Notice.unscoped.filter(handle=signed(handle), kind=Notice.Kind.ANSWER).first()
    return row and row.pk


def came_back(notice_id: int, state: CopyState) -> None:
    """A report says that it did not arrive."""
    move(Notice.unscoped.filter(pk=notice_id), state, next_attempt_at=None)


def failed() -> list[Notice]:
    """Answers that did not arrive and farewells in doubt, of which the desk does not know yet."""
    lost = Q(kind=Notice.Kind.ANSWER, state__in=_FAILED) | Q(kind=Notice.Kind.FAREWELL, state=CopyState.UNCERTAIN)
    known = Exists(Matter.unscoped.filter(notice=OuterRef("pk")))
    return list(Notice.unscoped.filter(lost, ~known).select_related("bounce__copy").order_by("pk"))


def put_on_desk(notice: Notice, now: datetime) -> None:
    """Ask a person to do what the letter was to do."""
    answer = notice.bounce
    if answer is None:
        open_matter(
            MatterKind.FAREWELL, now=now, mailbox_id=notice.mailbox_id, said=notice.reply_text, notice_id=notice.pk
        )
        return
    # It concerns those whom the letter was for that was answered.
    open_matter(
        MatterKind.NOT_PASSED_ON,
        now=now,
        mailbox_id=answer.copy.mailbox_id if answer.copy else None,
        copy_id=answer.copy_id,
        bounce_id=answer.pk,
        said=answer.diagnostic,
        sender=notice.reply_to,
        notice_id=notice.pk,
    )


def forget_answers(before: datetime) -> None:
    """Drop what people wrote, of answers that are no longer on their way (B14)."""
    rows = Notice.unscoped.filter(kind=Notice.Kind.ANSWER, created_at__lt=before).exclude(state__in=OPEN)
    rows.exclude(text="").update(subject="", text="", html="", reply_to="")

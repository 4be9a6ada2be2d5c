"""From an issue to its compiled letter: rendered for a look, or stored with a mailing and built by its senders."""

from collections.abc import Callable, Sequence
from datetime import datetime

from mailer.core import blocks
from mailer.core.batch import Copier, Marks
from mailer.core.compile import compile_letter
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.core.letter import Letter
from mailer.core.listfile import ListFile, Stream, stream_number
from mailer.core.message import LetterHeaders, Signs
from mailer.core.personalise import Builder
from mailer.core.seal import Seal
from mailer.core.written import Written
from mailer.house import LANGUAGE, House
from mailer.models import Issue, Revision

#: Gives a random word of letters and digits, in which slots are hidden from the engines.
DrawWord = Callable[[], str]


class ListGone(MailerError, LookupError):
    """The list files no longer have what an issue was written for."""


def list_of(house: House, issue: Issue) -> ListFile:
    """The list file of an issue."""
    found = house.library.lists.get(issue.mailing_list.slug)
    if found is None:
        raise ListGone(f"There is no file lists/{issue.mailing_list.slug}.toml any more: put it back, or cancel.")
    return found


def stream_of(house: House, issue: Issue) -> Stream:
    """The stream an issue is written for: the list, or its region."""
    found = house.library.streams.get(stream_number(issue.mailing_list_id, issue.region_id))
    if found is None:
        raise ListGone("The list files no longer have the region it was written for: put it back, or cancel.")
    return found


def written(revision: Revision) -> Written:
    """What the author wrote, as values."""
    return Written(revision.subject, revision.preheader, blocks.from_json(revision.blocks))


def compile_for(house: House, listfile: ListFile, stream: Stream, text: Written, word: str) -> Letter:
    """Compile a letter of a list, or raise with the reason why it cannot be sent."""
    return compile_letter(
        text,
        template=listfile.template,
        sources=house.library.templates,
        sender=house.sender,
        list_facts=house.facts(listfile, stream),
        language=LANGUAGE,
        word=word,
    )


def builder(
    house: House, issue: Issue, letter: Letter, signers: Sequence[Signer], clock: Callable[[], datetime]
) -> Builder:
    """What puts a letter and one copy's values together."""
    listfile = list_of(house, issue)
    organisation = house.config.organisation
    headers = LetterHeaders(
        from_name=listfile.sender_name or organisation.sender_name,
        from_address=organisation.sender_address,
        reply_to=listfile.reply_to or organisation.reply_to,
        facts=house.facts(listfile, stream_of(house, issue)),
    )
    return Builder(letter, headers, _seal(signers, clock))


def copier(
    house: House, issue: Issue, letter: Letter, signers: Sequence[Signer], clock: Callable[[], datetime]
) -> Copier:
    """What makes the copies of a mailing for its sender, a claim at a time.

    `batch = copier.batch(copies)` once a claim, and `places = batch.add(copies)` for what changed since: of each copy
    it wants `address`, `names`, unsigned `handle` and `segments`, as `Claimed` has them. Then `return_path, parts =
    batch.letter(place, date)` for the copy at that place, all octets, with `format_date` of its hand-over. A copy that
    cannot be written raises there, and it alone.
    """
    marks = Marks(
        keyring=house.tokens,
        mail_domain=house.mail_domain,
        bounce_domain=house.config.bounces.domain,
        leave_prefix=house.leave_prefix,
        # An address that nobody reads would be a way to leave that leads nowhere (standards L10).
        leave_by_mail=house.config.bounces.maildir is not None or bool(house.config.bounces.imap_host),
    )
    return Copier(builder(house, issue, letter, signers, clock), marks)


def signing(signers: Sequence[Signer], clock: Callable[[], datetime]) -> list[Signs]:
    """What signs a message at the time of its hand-over, with all keys."""
    seal = _seal(signers, clock)
    return [seal] if seal else []


def _seal(signers: Sequence[Signer], clock: Callable[[], datetime]) -> Seal | None:
    return Seal(tuple(signers), lambda: int(clock().timestamp())) if signers else None

"""What a process holds from start to end: configuration, list files, keys, and what follows from the three.

Doors open it once and pass it down; nothing below them reads a file of settings.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from mailer import keys, library
from mailer.config import Config
from mailer.core.address import normal, parse
from mailer.core.audience import AllowList
from mailer.core.compile import Notice, compile_notice
from mailer.core.leave_address import leave_mailto
from mailer.core.letter import ListFacts, Sender
from mailer.core.listfile import ListFile, Stream
from mailer.core.returning import Bounds
from mailer.core.token import Keyring, Purpose, message_id, return_path
from mailer.core.verdict import Limits
from mailer.keys import Keys
from mailer.library import Library

#: Until members choose a language, letters are in the organisation's.
LANGUAGE = "en-GB"


@dataclass(frozen=True)
class House:
    """Configuration, library and keys of one site."""

    config: Config
    library: Library
    keys: Keys

    @cached_property
    def tokens(self) -> Keyring:
        """Signs and reads the tokens of links, return paths and Message-IDs."""
        return Keyring(self.keys.token)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(self.config.organisation.time_zone)

    def today(self, now: datetime) -> date:
        """The date in the organisation's zone: what dated regions and offices are compared with."""
        return now.astimezone(self.zone).date()

    @cached_property
    def allow_list(self) -> AllowList | None:
        """Off production, who may be mailed; None in production (standards P24)."""
        if self.config.site.production:
            return None
        entries = self.config.site.allow_list
        return AllowList(
            frozenset(entry[1:].lower() for entry in entries if entry.startswith("@")),
            frozenset(normal(parse(entry)) for entry in entries if not entry.startswith("@")),
        )

    @property
    def journals(self) -> Path:
        """Where workers keep their journals, and where the site's counters are mirrored."""
        return self.config.data.dir / "journal"

    @cached_property
    def sender(self) -> Sender:
        """Who answers for what is sent."""
        organisation = self.config.organisation
        return Sender(
            organisation=organisation.name,
            postal_address=organisation.postal_address,
            contact=organisation.contact,
            imprint=" ".join(organisation.imprint),
            privacy_notice_url=organisation.privacy_notice_url,
        )

    def facts(self, listfile: ListFile, stream: Stream) -> ListFacts:
        """What a letter says of its list, or of one region of it."""
        return ListFacts(
            title=stream.title,
            reason=listfile.reason,
            list_id=f"{stream.label}.{self.mail_domain}",
            owner=listfile.reply_to or self.config.organisation.reply_to,
            help_url=self.config.organisation.privacy_notice_url,
        )

    @property
    def mail_domain(self) -> str:
        """The domain of From: Message-IDs and List-Ids live in it."""
        return self.config.organisation.sender_address.rpartition("@")[2]

    def title(self, slug: str, region: str | None) -> str:
        """A list's title as people know it, with its region if it has one."""
        listfile = self.library.lists.get(slug)
        title = listfile.title if listfile else slug
        return f"{title}: {region}" if region else title

    def message_id(self, handle: int) -> str:
        """The Message-ID of a copy, without angle brackets: the same at every try (standards F14)."""
        return message_id(self.tokens, handle, self.mail_domain).strip("<>")

    def return_path(self, handle: int) -> str:
        """Where reports about a copy come back to (standards L16)."""
        return return_path(self.tokens, handle, self.config.bounces.domain)

    def leave_url(self, handle: int) -> str:
        """The link in a letter, for its header and for its footer (standards U1)."""
        return self.leave_prefix + self.tokens.sign(Purpose.LEAVE, handle)

    @property
    def leave_prefix(self) -> str:
        """The link to leave up to its token."""
        return f"{self.config.site.base_url}/u/"

    def leave_mailto(self, handle: int) -> str:
        """The address to leave by, as a mail program wants it for its own button (standards L10)."""
        return leave_mailto(self.tokens, handle, self.config.bounces.domain)

    @property
    def example_leave_url(self) -> str:
        """The link in a test letter or an example: its page says so, and changes nothing (standards U16)."""
        return f"{self.leave_prefix}example"

    @cached_property
    def mailbox_limits(self) -> Limits:
        """What a mailbox may have against it before it is given up (standards 3.3)."""
        bounces = self.config.bounces
        return Limits(bounces.disabled_letters, bounces.soft_points, bounces.soft_span_days, bounces.settled_days)

    @cached_property
    def bounds(self) -> Bounds:
        """How much may come back before a mailing stops by itself (standards 3.3)."""
        bounces = self.config.bounces
        return Bounds(
            bounces.hard_percent,
            bounces.hard_of_at_least,
            bounces.complaints_per_thousand,
            bounces.complaints_at_least,
            bounces.blocked_in_a_row,
        )

    def undo_url(self, token: str) -> str:
        """The link of an offer to undo."""
        return f"{self.config.site.base_url}/back/{token}"

    def farewell(self, title: str, people: Iterable[tuple[str, str]]) -> Notice:
        """The letter to a shared mailbox after somebody left: each person's name, and a link to undo it."""
        offers = [{"name": name, "undo_url": url} for name, url in people]
        data, links = {"left": title, "people": offers}, [offer["undo_url"] for offer in offers]
        return compile_notice(
            "farewell", self.library.templates, data, sender=self.sender, language=LANGUAGE, own_links=links
        )

    def mailbox_hash(self, normal: str) -> str:
        """How suppression knows a mailbox after its address is erased (standards P14)."""
        return self._suppression_hash("mailbox", normal)

    def person_hash(self, normal: str, folded_name: str) -> str:
        """How suppression knows one person at a mailbox that others may share."""
        return self._suppression_hash("person", normal, folded_name)

    def _suppression_hash(self, *parts: str) -> str:
        return hmac.new(self.keys.suppression, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def open_house(config: Config) -> House:
    """Read list files, templates and keys for a configuration; raises with everything that is wrong."""
    lists = library.load(library.root(config.source.parent), config.organisation.name)
    return House(config, lists, keys.load(config.data.keys))

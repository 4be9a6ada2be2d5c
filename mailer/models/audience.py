"""`core.audience.decide`, compiled to SQL, so that a million members are judged by set (standards P8).

The property test `tests/models/test_audience.py` holds this equal to the rule in core on both databases: change one,
change the other. Each fact of a member is asked once; then the questions of the rule are put to the facts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Value

from mailer.core.audience import AllowList, Reason, Rule, Standing, SubscriptionState
from mailer.core.delivery import GOT, Outcome
from mailer.models.consent import Suppression, SuppressionKind
from mailer.models.copy import THEIR_COPIES
from mailer.models.member import Deliverability, Member

#: Stands for "left" where the lowest stream is looked for: higher than the number of any stream.
_LEFT = 1 << 40
#: Materialised, or each fact would be asked again wherever the verdict names it. `+ 0` keeps a planner from looking
#: up each of a list's values for each member, where the member's few rows are what is to be looked up.
_DECIDED = f"""WITH asked AS MATERIALIZED (
    SELECT m.id AS member_id, m.mailbox_id, m.language, m.standing, m.standing IN {{standings}} AS has_standing,
        EXISTS (SELECT 1 FROM mailer_suppression p WHERE p.kind = '{SuppressionKind.PERSON}'
            AND p.hash = m.person_hash AND m.person_hash <> '') AS is_suppressed,
        (SELECT MIN(CASE WHEN u.state = '{SubscriptionState.ACTIVE}' THEN u.stream_id ELSE {_LEFT} END)
            FROM mailer_subscription u WHERE u.member_id = m.id AND {{reaching}}) AS lowest,
        EXISTS (SELECT 1 FROM mailer_suppression p WHERE p.kind = '{SuppressionKind.MAILBOX}'
            AND p.hash = b.hash AND b.hash <> '') AS mailbox_is_suppressed,
        b.deliverability, {{allowed}} AS is_allowed
    FROM mailer_member m LEFT JOIN mailer_mailbox b ON b.id = m.mailbox_id
    WHERE {{candidates}} AND {{members}}
), judged AS (
    SELECT member_id, mailbox_id, language, lowest, CASE
        WHEN standing = '{Standing.CLAIMED}' THEN '{Reason.NOT_CONFIRMED}'
        WHEN NOT has_standing THEN '{Reason.WRONG_STANDING}'
        WHEN is_suppressed THEN '{Reason.SUPPRESSED}'
        WHEN lowest = {_LEFT} THEN '{Reason.LEFT}'
        WHEN mailbox_id IS NULL THEN '{Outcome.UNMAILABLE}'
        WHEN lowest IS NULL THEN '{Reason.NO_CONSENT}'
        WHEN mailbox_is_suppressed THEN '{Reason.MAILBOX_SUPPRESSED}'
        WHEN deliverability = '{Deliverability.UNDELIVERABLE}' THEN '{Reason.UNDELIVERABLE}'
        WHEN NOT is_allowed THEN '{Reason.NOT_ON_ALLOW_LIST}'
        ELSE '' END AS verdict
    FROM asked
) SELECT member_id, mailbox_id, language,
    CASE verdict WHEN '' THEN '{Outcome.CARRIED}' WHEN '{Outcome.UNMAILABLE}' THEN verdict
        ELSE '{Outcome.EXCLUDED}' END AS outcome,
    CASE verdict WHEN '{Outcome.UNMAILABLE}' THEN '' ELSE verdict END AS reason,
    CASE verdict WHEN '' THEN lowest END AS stream_id
FROM judged"""  # noqa: S608 - words of our own; every value is a parameter
_LIVES = "r.member_id = m.id AND r.starts <= %s AND (r.ends IS NULL OR r.ends > %s)"
_LIVES_IN = f"EXISTS (SELECT 1 FROM mailer_memberregion r WHERE {_LIVES} AND {{regions}})"  # noqa: S608
_LIVES_THERE = f"""EXISTS (SELECT 1 FROM mailer_memberregion r JOIN mailer_stream s ON s.region_id = r.region_id
    WHERE {_LIVES} AND s.number = u.stream_id)"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of SQL with the values of its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


EVERYONE = Part("1 = 1")


class Verdict(NamedTuple):
    """What the rule says of one candidate: an `Outcome`, a `Reason` or "", and the stream of who is carried."""

    member_id: int
    mailbox_id: int | None
    language: str
    outcome: str
    reason: str
    stream_id: int | None


@dataclass(frozen=True, slots=True)
class Decided(Part):
    """A query for a `Verdict` on each candidate."""

    def rows(self) -> list[Verdict]:
        """What it answers."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.params)
            return list(map(Verdict._make, cursor.fetchall()))

    def count(self) -> list[tuple[str, str, int]]:
        """How many fall where: (outcome, reason, number)."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT outcome, reason, COUNT(*) FROM ({self.sql}) AS decided"  # noqa: S608 - its own words
                " GROUP BY outcome, reason ORDER BY outcome, reason",
                self.params,
            )
            return cursor.fetchall()  # type: ignore[no-any-return]


class Range(NamedTuple):
    """The members with ids over `after`, up to `until`."""

    after: int
    until: int


def next_range(after: int, most: int) -> Range | None:
    """The next range, in which somebody is; None if nobody is left."""
    first = Member.unscoped.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True).first()
    return None if first is None else Range(first - 1, first - 1 + most)


def within(after: int, until: int) -> Part:
    """The members with ids over `after`, up to `until`."""
    return Part("m.id > %s AND m.id <= %s", (after, until))


def among(members: Iterable[int]) -> Part:
    """These members."""
    return _in("m.id", members)


def decided(rule: Rule, today: date, allow_list: AllowList | None, members: Part = EVERYONE) -> Decided:
    """What the rule says today of every candidate, or of those candidates among these members."""
    parts = {
        "standings": _values(sorted(map(str, rule.standings))),
        "reaching": _reaching(rule, _as_value(today)),
        "allowed": _allowed(allow_list),
        "candidates": _candidates(rule, _as_value(today)),
        "members": members,
    }
    # In the order in which they stand in the text.
    return Decided(
        _DECIDED.format(**{name: part.sql for name, part in parts.items()}),
        tuple(value for part in parts.values() for value in part.params),
    )


def _as_value(day: date) -> Any:
    return connection.ops.adapt_datefield_value(day)


def _candidates(rule: Rule, today: Any) -> Part:
    """The members a mailing is for: those who live today in the rule's regions, and got what it corrects."""
    lives, got = _living_in(rule.regions, today), _having_got(rule.got)
    return Part(f"{lives.sql} AND {got.sql}", (*lives.params, *got.params))


def _living_in(regions: frozenset[int] | None, today: Any) -> Part:
    if regions is None:
        return EVERYONE
    where = _in("r.region_id + 0", regions)
    return Part(_LIVES_IN.format(regions=where.sql), (today, today, *where.params))


def _having_got(mailing: int | None) -> Part:
    """Those who have, or may have, the letter of a mailing."""
    if mailing is None:
        return EVERYONE
    states = _values(map(str, GOT))
    return Part(
        # No EXISTS: PostgreSQL would turn it into a join, and read that whole mailing for every range of this one.
        f"1 = (SELECT 1 FROM mailer_delivery d {THEIR_COPIES} WHERE d.mailing_id = %s"  # noqa: S608 - our own words
        f" AND d.member_id = m.id AND d.outcome = '{Outcome.CARRIED}' AND c.state IN {states.sql})",
        (mailing, *states.params),
    )


def _reaching(rule: Rule, today: Any) -> Part:
    """The subscriptions, active or left, that could carry the mailing to where the member lives."""
    anywhere = _in("u.stream_id + 0", [stream for stream, region in rule.streams.items() if region is None])
    regional = _in("u.stream_id + 0", [stream for stream, region in rule.streams.items() if region is not None])
    return Part(
        f"({anywhere.sql} OR {regional.sql} AND {_LIVES_THERE})", (*anywhere.params, *regional.params, today, today)
    )


def _allowed(allow_list: AllowList | None) -> Part:
    if allow_list is None:
        return EVERYONE
    domains, addresses = _in("b.domain", allow_list.domains), _in("b.normal", allow_list.addresses)
    return Part(f"({domains.sql} OR {addresses.sql})", (*domains.params, *addresses.params))


def _in(name: str, values: Iterable[Any]) -> Part:
    found = _values(sorted(values))
    return Part(f"{name} IN {found.sql}", found.params) if found.params else Part("1 = 0")


def _values(values: Iterable[Any]) -> Part:
    params = tuple(values)
    return Part(f"({', '.join(['%s'] * len(params))})", params)


def on_allow_list(allow_list: AllowList | None) -> Q:
    """Whether the mailbox of a row may be written to on this site; None is everyone."""
    if allow_list is None:
        return Q(ExpressionWrapper(Value(True), output_field=BooleanField()))
    return Q(mailbox__domain__in=sorted(allow_list.domains)) | Q(mailbox__normal__in=sorted(allow_list.addresses))


def suppressions(kind: SuppressionKind, path: str) -> QuerySet[Suppression]:
    """Suppressions of the hash at this path of a row."""
    rows: QuerySet[Suppression] = Suppression.unscoped.filter(kind=kind, hash=OuterRef(path))
    return rows.exclude(hash="")

"""The tables of standards 3.2 and 3.3: every status has a row, and members are not blamed for our faults."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core import phrases
from mailer.core.verdict import (
    EFFECTS,
    Class,
    Effect,
    Limits,
    MailboxRecord,
    Reason,
    Ruling,
    Stage,
    Verdict,
    classify,
    judge_mailbox,
    rule,
    table_rows,
)

# RFC 3463 sections 3.1 to 3.8 (details by subject), RFC 7372 (x.7.20 to 26) and RFC 7505 (x.1.10).
DETAILS = {
    0: [0],
    1: [*range(9), 10],
    2: range(5),
    3: range(6),
    4: range(8),
    5: range(6),
    6: range(6),
    7: [*range(8), *range(20, 27)],
}
DAY = date(2026, 1, 5)
C = Class

# One line a row of standards 3.2, and the fall-backs of T13: reply, status, text, class.
ROWS = [
    *((550, status, "", C.HARD) for status in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4")),
    (556, None, "Domain does not accept mail", C.HARD),
    (550, None, "User unknown", C.HARD),
    (551, None, "User not local; no such user", C.HARD),
    (553, None, "sorry, no mailbox here by that name", C.HARD),
    (550, "5.2.1", "", C.DISABLED),
    *((None, status, "", C.SOFT) for status in ("4.2.2", "5.2.2", "4.2.1", "4.4.1", "4.3.2", "5.4.6", "4.4.7")),
    *((code, None, "try again later", C.SOFT) for code in (421, 450, 451, 452, 475)),
    *((None, status, "", C.POLICY) for status in ("5.7.1", "4.7.1", "5.7.20", "5.7.26", "5.7.515", "4.7.650")),
    *((code, None, "authentication", C.POLICY) for code in (432, 454, 530, 534, 535, 538)),
    (552, None, "message exceeds fixed maximum", C.MESSAGE),
    *((None, status, "", C.MESSAGE) for status in ("5.3.4", "5.2.3", "5.6.1", "5.6.7", "5.5.2")),
    (552, None, "Requested action aborted: mailbox full", C.SOFT),
    (550, "5.4.5", "", C.QUOTA),
    (550, None, "Daily user sending limit exceeded", C.QUOTA),
    *((None, status, "", C.SENDER) for status in ("5.1.7", "5.1.8", "4.1.8")),
    (250, "2.1.5", "OK", C.SUCCESS),
    (250, "5.1.1", "", C.SUCCESS),
    (299, None, "", C.SUCCESS),
    (None, "5.0.0", "", C.UNCLASSIFIED_PERMANENT),
    (550, "5.99.999", "", C.UNCLASSIFIED_PERMANENT),
    (599, None, "no", C.UNCLASSIFIED_PERMANENT),
    (None, None, "", C.UNCLASSIFIED_PERMANENT),
    (None, "nonsense", "", C.UNCLASSIFIED_PERMANENT),
    (550, "4.1.1", "", C.HARD),
    (450, "5.2.2", "", C.SOFT),
    (450, "5.1.1", "user unknown", C.SOFT),
    (550, "5.4.99", "", C.SOFT),
]


@pytest.mark.parametrize(("reply", "status", "text", "expected"), ROWS)
def test_each_row_of_the_table(reply: int | None, status: str | None, text: str, expected: Class) -> None:
    assert classify(reply, status, text) is expected


@pytest.mark.parametrize("klass", [2, 4, 5])
def test_every_status_of_the_standards_has_a_row_that_fits_its_class(klass: int) -> None:
    final = {C.HARD, C.DISABLED, C.UNCLASSIFIED_PERMANENT}
    for subject, details in DETAILS.items():
        for detail in details:
            found = classify(None, f"{klass}.{subject}.{detail}", "")
            assert (found is C.SUCCESS) == (klass == 2)
            assert klass == 5 or found not in final


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("delayed", C.INFORMATIONAL),
        ("delivered", C.SUCCESS),
        ("relayed", C.SUCCESS),
        ("expanded", C.SUCCESS),
        ("invented", C.INFORMATIONAL),
        ("", C.INFORMATIONAL),
    ],
)
def test_only_a_failed_action_blames_anybody(action: str, expected: Class) -> None:
    assert classify(550, "5.1.1", "user unknown", action=action) is expected


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        ("5.0.0", "No such user here", C.HARD),
        ("5.4.1", "Recipient address rejected: Access denied", C.HARD),
        ("5.1.0", "Host unknown", C.HARD),
        ("5.2.1", "User unknown", C.HARD),
        ("5.2.0", "User unknown", C.UNCLASSIFIED_PERMANENT),
        ("5.1.1", "refused, the sender's address is on a blacklist", C.POLICY),
        ("5.1.1", "mailbox  is\n full", C.SOFT),
        ("5.1.1", "The account does not exist. See https://example.org/help", C.HARD),
        ("5.0.0", "User unknown; blocked as spam", C.POLICY),
        ("5.7.1", "User unknown", C.POLICY),
        ("5.3.4", "User unknown", C.MESSAGE),
    ],
)
def test_the_text_decides_a_vague_status_and_may_only_save_a_clear_one(status: str, text: str, expected: Class) -> None:
    assert classify(550, status, text) is expected


@given(
    st.none() | st.integers(-1000, 10_000),
    st.none() | st.text(max_size=12) | st.from_regex(r"[0-9]\.[0-9]{1,4}\.[0-9]{1,4}", fullmatch=True),
    st.text(max_size=200),
    st.sampled_from(["failed", "delayed", "delivered", "", "\x00"]),
)
def test_whatever_is_said_there_is_a_rule(reply: int | None, status: str | None, text: str, action: str) -> None:
    ruling = rule(reply, status, text, action=action)
    assert ruling.klass in EFFECTS
    assert ruling.reason in Reason


@given(
    st.integers(400, 499),
    st.none() | st.sampled_from(["4.1.1", "5.1.1", "4.2.1", "5.2.1"]),
    st.text(max_size=80),
)
def test_a_transient_reply_never_means_that_the_address_is_gone(reply: int, status: str | None, text: str) -> None:
    assert classify(reply, status, text + " user unknown account disabled") not in {C.HARD, C.DISABLED}


@pytest.mark.parametrize(
    ("status", "stage", "expected"),
    [
        (None, Stage.RECIPIENT, C.HARD),
        ("5.0.0", Stage.RECIPIENT, C.HARD),
        ("5.2.1", Stage.RECIPIENT, C.HARD),
        (None, Stage.DATA, C.DISABLED),
        ("5.0.0", Stage.DATA, C.DISABLED),
        ("5.2.1", Stage.EARLIER, C.DISABLED),
        ("5.0.0", None, C.DISABLED),
        ("5.1.1", None, C.HARD),
        ("5.1.1", Stage.DATA, C.HARD),
    ],
)
def test_unknown_means_dead_in_answer_to_rcpt_or_by_a_code(
    status: str | None, stage: Stage | None, expected: Class
) -> None:
    found = rule(550, status, "User unknown", stage=lambda: stage)
    assert (found.klass, found.reason) == (expected, Reason.USER_UNKNOWN)


@pytest.mark.parametrize("stage", [None, *Stage])
@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        ("5.0.0", "User Robin (robin@example.net) not listed in Domino Directory", Reason.USER_UNKNOWN),
        ("5.0.0", "Utilisateur inconnu", Reason.USER_UNKNOWN),
        ("5.0.0", "宛先不明", Reason.USER_UNKNOWN),
        ("5.4.310", "DNS domain example.net does not exist", Reason.HOST_UNKNOWN),
        ("5.7.27", "Host does not accept mail", Reason.NO_MAIL),
        ("5.1.6", "", Reason.MOVED),
    ],
)
def test_what_a_program_knows_of_its_own_is_final_at_any_stage(
    status: str, text: str, reason: Reason, stage: Stage | None
) -> None:
    assert rule(550, status, text, stage=lambda: stage) == Ruling(C.HARD, reason)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host spam.example.net said: User unknown", C.HARD),
        ("<blocked@example.net>: unknown user", C.HARD),
        ("unknown user, see https://example.net/policy/spam", C.HARD),
        ("550 see http://www.spamhaus.org/query/ip/192.0.2.1", C.POLICY),
        ("550 postmaster@example.net blocked your server", C.POLICY),
    ],
)
def test_names_and_links_say_nothing_but_a_link_to_a_blocklist_does(text: str, expected: Class) -> None:
    assert classify(550, "5.0.0", text) is expected


def test_no_phrase_is_hidden_by_another_of_its_row_and_all_are_what_they_are_compared_with() -> None:
    for ruling, row in phrases.PHRASES:
        assert not [(one, other) for one in row for other in row if one != other and other in one], ruling
        assert all(phrase == " ".join(phrase.lower().split(" ")) for phrase in row)
    said = [phrase for _, row in phrases.PHRASES for phrase in row]
    assert len(said) == len(set(said))


def test_every_class_has_an_effect_and_a_row() -> None:
    rows = table_rows()
    assert {klass for _, klass, _, _ in rows} == {klass.value for klass in Class}
    assert {effect for *_, effect in rows} == set(EFFECTS.values())
    assert len({pattern for pattern, *_ in rows}) == len(rows)


def _run(*heard: tuple[int, Class], accepted: date | None = None) -> Verdict:
    """What follows when these classes are heard so many days after the first."""
    verdict = Verdict(MailboxRecord())
    for days, klass in heard:
        verdict = judge_mailbox(verdict.record, klass, DAY + timedelta(days), accepted_on=accepted)
    return verdict


def test_one_hard_bounce_makes_a_mailbox_undeliverable() -> None:
    assert _run((0, C.HARD)).effect is Effect.UNDELIVERABLE
    assert _run((0, C.SOFT), (0, C.HARD)).effect is Effect.UNDELIVERABLE


def test_a_disabled_mailbox_is_given_a_second_chance_on_another_day() -> None:
    assert _run((0, C.DISABLED)).effect is Effect.NOTHING
    assert _run((0, C.DISABLED), (0, C.DISABLED)).effect is Effect.NOTHING
    assert _run((0, C.DISABLED), (30, C.DISABLED)).effect is Effect.UNDELIVERABLE


def test_one_complaint_suppresses_and_never_makes_undeliverable() -> None:
    assert _run((0, C.COMPLAINT)).effect is Effect.SUPPRESS


def test_three_soft_bounces_are_too_many_only_over_fifteen_days() -> None:
    assert _run((0, C.SOFT), (31, C.SOFT)).effect is Effect.NOTHING
    assert _run((0, C.SOFT), (31, C.SOFT), (61, C.SOFT)).effect is Effect.UNDELIVERABLE
    assert _run((0, C.SOFT), (7, C.SOFT), (14, C.SOFT)).effect is Effect.NOTHING
    assert _run((0, C.SOFT), (7, C.SOFT), (14, C.SOFT), (15, C.SOFT)).effect is Effect.UNDELIVERABLE


def test_a_day_gives_one_point_and_a_late_report_gives_none() -> None:
    assert _run(*[(0, C.SOFT)] * 9).record.soft_count == 1
    assert _run((10, C.SOFT), (3, C.SOFT)).record.soft_count == 1


def test_an_unclassified_refusal_weighs_two_and_is_shown_to_a_person() -> None:
    once = _run((0, C.UNCLASSIFIED_PERMANENT))
    assert (once.record.soft_count, once.effect, once.review) == (2, Effect.NOTHING, True)
    assert _run((0, C.UNCLASSIFIED_PERMANENT), (20, C.SOFT)).effect is Effect.UNDELIVERABLE
    assert _run((0, C.SOFT), (0, C.UNCLASSIFIED_PERMANENT)).review


@pytest.mark.parametrize("days", range(31))
def test_a_letter_that_stayed_accepted_ends_the_run(days: int) -> None:
    before = MailboxRecord(soft_count=2, soft_first_on=DAY, soft_last_on=DAY + timedelta(5), disabled_count=1)
    heard_on = DAY + timedelta(30)
    accepted_on = DAY + timedelta(days)
    verdict = judge_mailbox(before, C.SOFT, heard_on, accepted_on=accepted_on)
    after_the_last_point = days > 5
    and_stayed_for_a_week = 30 - days > 7
    settled = after_the_last_point and and_stayed_for_a_week
    assert verdict.record.soft_count == (1 if settled else 3)
    assert verdict.record.disabled_count == (0 if settled else 1)
    assert verdict.effect is (Effect.NOTHING if settled else Effect.UNDELIVERABLE)


@given(
    st.lists(st.sampled_from([C.POLICY, C.MESSAGE, C.QUOTA, C.SENDER, C.INFORMATIONAL, C.SUCCESS]), max_size=20),
    st.builds(MailboxRecord, st.integers(0, 5), st.none() | st.dates(), st.none() | st.dates(), st.integers(0, 1)),
)
def test_faults_of_ours_never_touch_the_mailbox(heard: list[Class], record: MailboxRecord) -> None:
    for days, klass in enumerate(heard):
        assert judge_mailbox(record, klass, DAY + timedelta(days)) == Verdict(record)


def test_the_limits_can_be_set() -> None:
    strict = Limits(soft_points=1, soft_span_days=0, disabled=1)
    assert judge_mailbox(MailboxRecord(), C.SOFT, DAY, limits=strict).effect is Effect.UNDELIVERABLE
    assert judge_mailbox(MailboxRecord(), C.DISABLED, DAY, limits=strict).effect is Effect.UNDELIVERABLE

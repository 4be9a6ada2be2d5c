"""Leaving by the link in a letter that was really sent, and coming back (standards L4-L8, U1-U16, P9, P15)."""

import csv
import io
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from mailer.actions.import_members import import_members
from mailer.actions.leave import LETTER_UNDO, PAGE_UNDO, Extent, leave
from mailer.core.consent import Channel
from mailer.models import ConsentEntry, Event, Mailbox, Member, Notice, Subscription, Suppression, departure
from mailer.models.consent import SuppressionReason
from mailer.models.outbox import unsigned
from mailer.transport.memory import refuses
from mailer.web import leaving
from tests.actions.office import Office, copy_to, outcome_of
from tests.web.conftest import leave_path, newest, undo_paths
from tests.world import NOW, anne, bart, join, sima, stream

pytestmark = pytest.mark.django_db

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
HOST = {"host": "news.example.org"}

Tables = dict[str, list[tuple[Any, ...]]]


def dump() -> Tables:
    """Every row of every table."""
    with connection.cursor() as cursor:
        return {
            table: _rows(cursor, table)
            for table in sorted(m._meta.db_table for m in apps.get_app_config("mailer").get_models())
        }


def _rows(cursor: Any, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a table of ours
    return sorted(cursor.fetchall(), key=repr)


def state_of(member: Member, number: int) -> str:
    return str(Subscription.unscoped.get(member=member, stream=number).state)


def withdrawals(member: Member) -> list[ConsentEntry]:
    return list(ConsentEntry.unscoped.filter(subject=member.subject, kind="withdrawn"))


def departures() -> list[Event]:
    return list(Event.unscoped.filter(verb="left"))


@pytest.fixture
def ann(office: Office) -> Member:
    """Ann reads two lists, and has the newest letter of one of them."""
    house = office.house
    ann = join(house, "Ann Smith", "ann@example.org", regions=["norfolk"], consents=[stream(house), notices(office)])
    office.begun(anne())
    office.send_all()
    return ann


@pytest.fixture
def path(office: Office, ann: Member) -> str:
    return leave_path(office, "ann@example.org")


@pytest.fixture
def home(office: Office) -> tuple[Member, Member]:
    """Bob and Bea share a mailbox, and one copy."""
    both = tuple(
        join(office.house, name, "home@example.org", consents=[stream(office.house)])
        for name in ("Bob Brown", "Bea Brown")
    )
    office.begun(anne())
    office.send_all()
    return both  # type: ignore[return-value]


def notices(office: Office) -> int:
    return stream(office.house, "local-notices", "norfolk")


# One click, as mail programs do it


def multipart(*pairs: tuple[str, str]) -> bytes:
    parts = (f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs)
    return ("".join(parts) + "--b--\r\n").encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ONE_CLICK, FORM),
        (ONE_CLICK, f"{FORM}; charset=us-ascii"),
        (ONE_CLICK, f"{FORM}; charset=UTF-16"),
        (multipart(("List-Unsubscribe", "One-Click")), "multipart/form-data; boundary=b"),
    ],
)
@pytest.mark.parametrize("agent", ["", "Mozilla/5.0", "x" * 2000, "bot\x01\xff<script>"])
def test_one_click_leaves_the_list_of_that_letter_at_once(
    client: Client, office: Office, ann: Member, path: str, body: bytes, kind: str, agent: str
) -> None:
    # `generic`, since `post` would write the body anew in the charset that it announces.
    answer = client.generic("POST", path, body, kind, HTTP_USER_AGENT=agent, SERVER_PROTOCOL="HTTP/1.0")
    assert (answer.status_code, answer.content) == (200, b"You have been unsubscribed.\n")
    assert "Location" not in answer
    assert not answer.cookies
    assert state_of(ann, stream(office.house)) != "active"
    assert state_of(ann, notices(office)) == "active"
    assert not Suppression.unscoped.exists()
    assert not Notice.unscoped.exists()
    (line,) = withdrawals(ann)
    (event,) = departures()
    assert (line.channel, line.stream_id, line.mailing_number) == (
        "one_click",
        stream(office.house),
        event.details["mailing"],
    )
    assert len(line.token_hash) == 64
    assert event.details["token_hash"] == line.token_hash
    assert event.details["extent"] == "this"


def test_nothing_kept_of_a_departure_holds_token_address_or_browser(client: Client, ann: Member, path: str) -> None:
    client.post(path, ONE_CLICK, content_type=FORM, HTTP_USER_AGENT="Curious/7", REMOTE_ADDR="203.0.113.77")
    tables = dump()
    kept = repr({name: rows for name, rows in tables.items() if not name.endswith(("mailbox", "copy", "delivery"))})
    for word in (path.removeprefix("/u/"), "Curious", "203.0.113.77"):
        assert word not in kept


def test_one_click_means_this_list_even_with_everything_beside_it(client: Client, ann: Member, path: str) -> None:
    client.post(path, {"List-Unsubscribe": "One-Click", "extent": "everything"})
    assert len(withdrawals(ann)) == 1
    assert not Suppression.unscoped.exists()


def test_the_same_click_again_and_again_changes_nothing_more(client: Client, ann: Member, path: str) -> None:
    for _ in range(5):
        assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
        assert client.post(path, {"extent": "this"}).status_code == 200
    assert (len(withdrawals(ann)), len(departures())) == (1, 1)


def test_the_links_of_two_letters_leave_once(client: Client, office: Office, ann: Member, path: str) -> None:
    leave(office.house, path.removeprefix("/u/"), Extent.THIS, Channel.PAGE, now=office.now, draw=office.draw.handle)
    later = client.post(path, {"extent": "this"})
    assert later.status_code == 200
    assert later.context["left"].changed is False
    assert undo_paths(later.text) == []
    assert len(departures()) == 1


@pytest.mark.parametrize("gone", ["erased", "undeliverable", "suppressed"])
def test_whatever_became_of_the_member_the_answer_is_the_same(
    client: Client, ann: Member, path: str, gone: str
) -> None:
    with connection.cursor() as cursor:
        if gone == "erased":
            cursor.execute("UPDATE mailer_delivery SET member_id = NULL")
            cursor.execute("UPDATE mailer_copy SET mailbox_id = NULL")
        elif gone == "undeliverable":
            Mailbox.unscoped.update(deliverability="undeliverable", undeliverable_since=NOW)
        else:
            departure.suppress_mailbox(ann.mailbox_id, SuppressionReason.COMPLAINT, NOW)
    assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
    assert client.post(path, {"extent": "everything"}).status_code == 200
    assert client.get(path).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_fifty_clicks_at_the_same_time_are_one_departure(office: Office) -> None:
    house = office.house
    ann = join(house, "Ann Smith", "ann@example.org", consents=[stream(house)])
    office.begun(anne())
    office.send_all()
    path = leave_path(office, "ann@example.org")

    def click(_: int) -> int:
        try:
            return Client(headers=HOST).post(path, ONE_CLICK, content_type=FORM).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(click, range(50))) == {200}
    assert (len(withdrawals(ann)), len(departures())) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_an_undo_pressed_twice_at_the_same_time_is_one_return(office: Office) -> None:
    house = office.house
    ann = join(house, "Ann Smith", "ann@example.org", consents=[stream(house)])
    office.begun(anne())
    office.send_all()
    page = Client(headers=HOST).post(leave_path(office, "ann@example.org"))
    (back,) = undo_paths(page.text)

    def press(_: int) -> str:
        try:
            # Not `context`: its signal is heard by the clients of all threads.
            return re.findall("<h1>(.*)</h1>", Client(headers=HOST).post(back).text)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(press, range(16))) == ["This link has been used"] * 15 + ["You are back"]
    assert ConsentEntry.unscoped.filter(subject=ann.subject, kind="restored").count() == 1


# Looking changes nothing


def test_looking_a_hundred_times_changes_nothing(client: Client, path: str) -> None:
    before = dump()
    for _ in range(100):
        assert client.get(path).status_code == 200
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"):
        client.generic(method, path)
    for purpose in ("Sec-Purpose", "Purpose", "X-Moz"):
        client.get(path, headers={purpose: "prefetch"})
    client.get(path, {"extent": "everything", "List-Unsubscribe": "One-Click"})
    client.generic("GET", path, ONE_CLICK, content_type=FORM)
    client.get(path, headers={"X-HTTP-Method-Override": "POST"})
    assert dump() == before


def test_looking_at_an_undo_changes_nothing(client: Client, path: str) -> None:
    (back,) = undo_paths(client.post(path).text)
    before = dump()
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        client.generic(method, back)
    assert dump() == before


def test_the_page_shows_the_list_and_nothing_of_the_member(client: Client, ann: Member, path: str) -> None:
    shown, done = client.get(path).text, client.post(path).text
    assert "Stop sending me Chair&#x27;s newsletter" in shown
    assert "Stop everything from The Friends of Example Street" in shown
    for page in (shown, done):
        assert "ann@" not in page
        assert "Smith" not in page
        assert ann.number not in page
        assert "<script" not in page
        assert path not in page


def test_the_page_of_each_list_names_that_list(client: Client, office: Office) -> None:
    """The page is made once for each; nobody sees another list's, or another region's."""
    join(office.house, "Ann Smith", "ann@example.org", regions=["norfolk"], consents=[notices(office)])
    join(office.house, "Bob Brown", "bob@example.org", consents=[stream(office.house)])
    office.scheduled(bart(), "local-notices", "norfolk")
    office.begun(anne())
    office.send_all()
    local, news = (leave_path(office, f"{name}@example.org") for name in ("ann", "bob"))
    for _ in range(2):
        assert "Chair&#x27;s newsletter" in client.get(news).text
        assert "Chair&#x27;s newsletter" not in client.get(local).text
        assert "Norfolk" in client.get(local).text
        assert "Norfolk" not in client.get(news).text


# What cannot be a link of ours


def forgeries(token: str) -> Iterable[str]:
    """Every neighbour of a token by one bit, and words that never were one."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, character in enumerate(token):
        for bit in range(6):
            yield token[:place] + alphabet[alphabet.index(character) ^ (1 << bit)] + token[place + 1 :]
    yield from (
        "x",
        token[:-1],
        token + "A",
        "A" * 34,
        "A" * 5000,
        "%00",
        "%ff%fe",
        "é" * 34,
        "<b>sold</b>",
        "..",
        token.swapcase(),
    )


def test_a_link_that_is_not_ours_gets_one_answer_whatever_is_wrong(client: Client, path: str) -> None:
    before = dump()
    answers = set()
    for index, token in enumerate(forgeries(path.removeprefix("/u/"))):
        method = client.get if index % 2 else client.post
        answer = method(f"/u/{token}")
        answers.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    ((status, body, _),) = answers
    assert status == 404
    assert b"office@example.org" in body
    assert b"1 Example Street" in body
    assert dump() == before


def test_a_key_opens_only_its_own_door(client: Client, office: Office, path: str) -> None:
    page = client.post(path)
    (back,) = undo_paths(page.text)
    token, way_back = path.removeprefix("/u/"), back.removeprefix("/back/")
    before = dump()
    unknown = client.get("/u/x").content
    for wrong in (f"/back/{token}", f"/u/{way_back}", office.house.undo_url("x"), f"/back/{way_back[:-1]}"):
        for method in (client.get, client.post):
            answer = method(wrong.removeprefix("https://news.example.org"))
            assert (answer.status_code, answer.content) == (404, unknown)
    assert dump() == before


def test_a_genuine_link_without_its_row_is_as_unknown_as_a_forged_one(
    client: Client, office: Office, path: str
) -> None:
    stranded = office.house.leave_url(2**63 + 5).removeprefix("https://news.example.org")
    for method in (client.get, client.post):
        assert method(stranded).content == method("/u/x").content
        assert method(stranded).status_code == 404


# Everything


def test_everything_stops_every_list_and_the_person(client: Client, office: Office, ann: Member, path: str) -> None:
    page = client.post(path, {"extent": "everything"})
    assert page.status_code == 200
    assert state_of(ann, stream(office.house)) == state_of(ann, notices(office)) == "left"
    (suppression,) = Suppression.unscoped.all()
    assert (suppression.kind, suppression.reason) == ("person", "left_all")
    (event,) = departures()
    assert (event.details["extent"], event.details["channel"]) == ("everything", "page")


def test_everything_outlives_another_import(client: Client, office: Office, ann: Member, path: str) -> None:
    client.post(path, {"extent": "everything"})
    consent = ("date", "channel", "wording", "evidence")
    agreed = ["2026-11-21", "paper form", "1", "form 9"]
    table = io.StringIO()
    csv.writer(table).writerows(
        [
            ["number", "name", "e-mail", "standing", *(f"chairs-newsletter consent {part}" for part in consent)],
            [ann.number, "Ann Smith", "ann@example.org", "member", *agreed],
            ["T999999", "Ann Smith", "ann@example.org", "member", *agreed],
            ["T999998", "Ann Jones", "ann@example.org", "member", *agreed],
        ]
    )
    imported = import_members(
        sima(),
        office.house,
        table.getvalue().encode(),
        now=office.now + timedelta(days=2),
        draw=office.draw.handle,
        draw_subject=office.draw.subject,
    )
    assert not imported.file.complaints
    assert Suppression.unscoped.count() == 1
    active = Subscription.unscoped.filter(state="active").values_list("member__name", flat=True)
    assert list(active) == ["Ann Jones"]


def test_an_extent_that_we_do_not_know_is_this_list(client: Client, ann: Member, path: str) -> None:
    assert client.post(path, {"extent": "EVERYTHING'--"}).status_code == 200
    assert len(withdrawals(ann)) == 1
    assert not Suppression.unscoped.exists()


# The way back from the page


def test_undo_restores_exactly_what_was_left(client: Client, office: Office, ann: Member, path: str) -> None:
    (back,) = undo_paths(client.post(path, {"extent": "everything"}).text)
    answer = client.post(back)
    assert answer.status_code == 200
    assert "You are back" in answer.text
    assert state_of(ann, stream(office.house)) == state_of(ann, notices(office)) == "active"
    assert not Suppression.unscoped.exists()
    restored = ConsentEntry.unscoped.filter(subject=ann.subject, kind="restored")
    assert {line.channel for line in restored} == {"undo"}
    assert Event.unscoped.filter(verb="came back").count() == 1
    again = client.post(back)
    assert again.status_code == 200
    assert "This link has been used" in again.text
    assert restored.count() == 2


def test_undo_of_one_list_leaves_the_others_left(client: Client, office: Office, ann: Member, path: str) -> None:
    (one,) = undo_paths(client.post(path, {"extent": "this"}).text)
    (rest,) = undo_paths(client.post(path, {"extent": "everything"}).text)
    client.post(one)
    assert state_of(ann, notices(office)) == "left"
    assert Suppression.unscoped.count() == 1
    client.post(rest)
    assert state_of(ann, notices(office)) == "active"
    assert not Suppression.unscoped.exists()


def test_undo_runs_out(client: Client, office: Office, ann: Member, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "now", lambda: NOW)
    (back,) = undo_paths(client.post(path).text)
    monkeypatch.setattr(leaving, "now", lambda: NOW + PAGE_UNDO)
    before = dump()
    for method in (client.get, client.post):
        answer = method(back)
        assert answer.status_code == 200
        assert "This link has run out" in answer.text
        assert "office@example.org" in answer.text
    after = dump()
    # The lock of the story is the counter; nothing else may have moved.
    assert {name for name in after if after[name] != before[name]} <= {"mailer_counter"}
    assert state_of(ann, stream(office.house)) == "left"


def test_a_leave_after_ten_years_still_works(
    client: Client, ann: Member, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "now", lambda: NOW + timedelta(days=3653))
    assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
    assert len(withdrawals(ann)) == 1


# Households


def test_one_click_takes_the_household_off_and_one_letter_offers_each_a_way_back(
    client: Client, office: Office, home: tuple[Member, Member]
) -> None:
    bob, bea = home
    news = stream(office.house)
    assert client.post(leave_path(office, "home@example.org"), ONE_CLICK, content_type=FORM).status_code == 200
    assert state_of(bob, news) == state_of(bea, news) == "left"
    assert Notice.unscoped.count() == 1
    office.send_all()
    farewell = newest(office, "home@example.org")
    assert "You have been taken off Chair's newsletter" in farewell
    assert "Bob Brown" in farewell
    assert "Bea Brown" in farewell
    first, second = undo_paths(farewell)
    assert "Back on the list?" in client.get(first).text
    assert "You are back" in client.post(first).text
    assert (state_of(bob, news), state_of(bea, news)) == ("active", "left")
    assert "This link has been used" in client.post(first).text
    assert (state_of(bob, news), state_of(bea, news)) == ("active", "left")
    client.post(second)
    assert state_of(bea, news) == "active"


def test_the_page_after_a_household_left_names_nobody_and_undoes_nothing(
    client: Client, office: Office, home: object
) -> None:
    page = client.post(leave_path(office, "home@example.org"), {"extent": "this"}).text
    assert "one last letter to the mailbox" in page
    assert f"{LETTER_UNDO.days} days" in page
    for word in ("Brown", "Bob", "Bea", "home@", "/back/"):
        assert word not in page


def test_a_household_that_left_everything_is_told_so(
    client: Client, office: Office, home: tuple[Member, Member]
) -> None:
    client.post(leave_path(office, "home@example.org"), {"extent": "everything"})
    assert Suppression.unscoped.filter(kind="person").count() == 2
    assert Notice.unscoped.get().subject == "You have been taken off The Friends of Example Street"


def test_the_last_of_a_household_needs_no_farewell(client: Client, office: Office, home: tuple[Member, Member]) -> None:
    path = leave_path(office, "home@example.org")
    client.post(path, ONE_CLICK, content_type=FORM)
    office.send_all()
    client.post(undo_paths(newest(office, "home@example.org"))[0])
    page = client.post(path, {"extent": "this"})
    assert page.context["left"].undo
    assert Notice.unscoped.count() == 1


@pytest.mark.parametrize("why", ["undeliverable", "suppressed", "off_the_list", "erased"])
def test_no_farewell_goes_where_nothing_may_go(
    client: Client, office: Office, home: tuple[Member, Member], why: str
) -> None:
    path, box = leave_path(office, "home@example.org"), home[0].mailbox
    if why == "undeliverable":
        Mailbox.unscoped.filter(pk=box.pk).update(deliverability="undeliverable", undeliverable_since=NOW)
    elif why == "suppressed":
        departure.suppress_mailbox(box.pk, SuppressionReason.COMPLAINT, NOW)
    elif why == "off_the_list":
        Mailbox.unscoped.filter(pk=box.pk).update(normal="home@elsewhere.example.edu")
    else:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE mailer_copy SET mailbox_id = NULL")
    page = client.post(path, {"extent": "this"})
    assert page.status_code == 200
    assert len(departures()) == 2
    assert not Notice.unscoped.exists()
    assert "one last letter" not in page.text


# While a mailing runs


def test_who_leaves_while_a_mailing_runs_does_not_get_it(client: Client, office: Office) -> None:
    house, news = office.house, stream(office.house)
    people = [
        join(house, f"{name} Smith", f"{name}@example.org", consents=[news]) for name in ("ann", "bob", "cyd", "dan")
    ]
    # A first letter, so that everyone has a link.
    office.begun(anne())
    office.send_all()
    office.now = NOW
    office.begun(anne())
    links = {who.mailbox.address: leave_path(office, who.mailbox.address) for who in people}
    already = len(office.relay.handed)
    gone: list[str] = []

    def leave_who_is_next() -> None:
        served = {envelope.recipient for envelope in office.relay.handed[already:]}
        gone.append(next(address for address in links if address not in served))
        assert client.post(links[gone[0]], ONE_CLICK, content_type=FORM).status_code == 200

    office.relay.meanwhile[already + 1] = leave_who_is_next
    office.send_all()
    assert len(gone) == 1
    assert {address for address, times in office.relay.copies.items() if times == 1} == set(gone)
    member = next(who for who in people if who.mailbox.address == gone[0])
    assert set(withdrawals(member)) != set()


def test_a_copy_that_waits_for_another_try_is_not_sent_after_a_leave(client: Client, office: Office) -> None:
    house, news = office.house, stream(office.house)
    ann = join(house, "Ann Smith", "ann@example.org", consents=[news])
    office.relay.script("ann@example.org", refuses("451 4.7.1 Not now"))
    office.begun(anne())
    office.send_all()
    path = house.leave_url(unsigned(copy_to("ann@example.org").handle)).removeprefix("https://news.example.org")
    assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
    office.relay.script("ann@example.org", refuses("250 2.0.0 OK"))
    before = len(office.relay.handed)
    for _ in range(4):
        office.now += timedelta(minutes=30)
        office.ring()
        office.send_all()
    assert len(office.relay.handed) == before
    assert outcome_of(ann)[0] == "withdrawn"


# Letters that belong to nobody


def test_the_link_of_an_example_says_so_and_changes_nothing(client: Client, office: Office, ann: Member) -> None:
    path = office.house.example_leave_url.removeprefix("https://news.example.org")
    before = dump()
    for answer in (
        client.get(path),
        client.post(path, ONE_CLICK, content_type=FORM),
        client.post(path, {"extent": "everything"}),
    ):
        assert answer.status_code == 200
        assert "Nothing was changed" in answer.text
    assert dump() == before

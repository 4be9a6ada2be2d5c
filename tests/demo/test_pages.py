"""The demo's pages, asked of a demo that runs: what happened, every letter, and why the others got none."""

import html
import re
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.message import Message
from itertools import pairwise
from random import Random

import pytest

from mailer.demo.people import cast
from mailer.demo.story import _SEED
from tests.demo.played import served


def ask(path: str, data: bytes | None = None) -> tuple[str, Message]:
    """A page and its header fields."""
    with urllib.request.urlopen(f"{served().url}{path}", data=data, timeout=60) as answer:  # noqa: S310 - our own
        return answer.read().decode(), answer.headers


def links(page: str, pattern: str) -> list[str]:
    """The addresses on a page that fit a pattern, once each."""
    return list(dict.fromkeys(re.findall(rf'href="({pattern})"', page)))


def letter_to(address: str) -> str:
    """The path of the first letter to an address."""
    page, _ = ask("/demo/letters/")
    for path in links(page, r"/demo/letters/letter-\d{6}/"):
        shown, _ = ask(path)
        if f"at {address}" in shown or f"<strong>{address}" in shown:
            return path
    raise AssertionError(f"no letter to {address}")


def test_the_overview_tells_the_story_and_draws_its_sums() -> None:
    page, fields = ask("/demo/")
    for line in served().told[1:9]:
        assert html.escape(line) in page
    assert page.count('class="bar"') == 2
    figures = [int(number) for number in re.findall(r"<strong>(\d+)</strong>", page)]
    assert figures[0::2] == figures[1::2] != []
    tables = re.findall(r"<tbody>(.*?)</tbody>\s*<tfoot>(.*?)</tfoot>", page, re.DOTALL)
    assert len(tables) == 2
    for body, foot in tables:
        (total,) = numbers(foot)
        assert sum(numbers(body)) == total
    assert fields["Cache-Control"] == "no-store"


def numbers(cells: str) -> list[int]:
    return [int(number) for number in re.findall(r'<td class="number">(\d+)</td>', cells)]


def test_a_bar_is_whole_and_shows_even_one_person() -> None:
    page, _ = ask("/demo/")
    for bar in re.findall(r'<svg class="bar".*?</svg>', page, re.DOTALL):
        shares = [(int(x), int(width)) for x, width in re.findall(r' x="(\d+)" y="0" width="(\d+)"', bar)]
        assert shares[0][0] == 0
        assert all(x + width == after for (x, width), (after, _) in pairwise(shares))
        assert sum(shares[-1]) == 1000
        assert min(width for _, width in shares) >= 11


def test_every_letter_opens() -> None:
    page, _ = ask("/demo/letters/")
    paths = links(page, r"/demo/letters/[a-z]+-\d{6}/")
    assert len(paths) > 180
    for path in (*paths[::25], *paths[-10:]):
        shown, _ = ask(path)
        assert "Its header fields" in shown


def test_a_letters_html_has_a_policy_of_its_own() -> None:
    page, fields = ask(f"{letter_to('roisin@example.org')}html")
    policy = dict(part.strip().partition(" ")[::2] for part in fields["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
    }
    assert "Dear Róisín" in page


def test_a_letter_shows_its_text_its_fields_and_its_source() -> None:
    path = letter_to("roisin@example.org")
    shown, _ = ask(path)
    assert shown.count("<iframe") == 2
    assert shown.count('sandbox="allow-popups allow-popups-to-escape-sandbox"') == 2
    assert "DKIM-Signature: v=1; a=rsa-sha256" in shown
    source, fields = ask(f"{path}source")
    assert fields.get_content_type() == "text/plain"
    assert source.startswith("Return-Path: <b")


def test_names_stay_names() -> None:
    everybody, _ = ask("/demo/letters/")
    assert "Ada &lt;b&gt;Bold&lt;/b&gt; {% raw %}" in everybody
    assert "Max {{ member.name }} Braceworth" in everybody
    assert "مريم الحسيني" in everybody


def test_reports_are_shown_with_who_sent_them() -> None:
    page, _ = ask("/demo/letters/")
    reports = links(page, r"/demo/letters/bounce-\d{6}/")
    assert len(reports) == 9
    shown, _ = ask(reports[0])
    assert "to the return path b" in shown
    assert "<iframe" not in shown


def test_everyone_without_a_letter_is_named_with_a_reason() -> None:
    page, _ = ask("/demo/none/")
    overview, _ = ask("/demo/")
    for name, people in re.findall(r">(Newsletter|Notice): (\d+) people</h3>", overview):
        section = re.search(rf">{name}: {people} people</h2>(.*?)</section>\s*</section>", page, re.DOTALL)[1]
        assert section.count("<li>") == int(people)
    assert "because they left this list" in page
    assert "because there is no proven consent for this list" in page
    assert "refused it: 5.1.1 User unknown" in page


@pytest.mark.parametrize("path", ["letter-999999/", "letter-999999/html", "..%2Fconfig/", "bounce-000000/source"])
def test_a_letter_that_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(f"/demo/letters/{path}")


def test_the_link_in_a_caught_letter_works() -> None:
    html_of_letter, _ = ask(f"{letter_to('roisin@example.org')}html")  # her own: a household would get a farewell
    leave = re.search(rf"{re.escape(served().url)}(/u/[A-Za-z0-9_-]+)", html_of_letter)[1]
    assert "Stop these letters?" in ask(leave)[0]
    answer, _ = ask(leave, b"extent=this")
    assert "You are off this list" in answer


def test_a_household_that_leaves_later_gets_its_farewell_while_the_pages_are_up() -> None:
    households = cast(Random(_SEED), datetime.now(UTC).date()).households
    gone = max(households, key=len)
    stays = next(household for household in households if household is not gone)
    source, _ = ask(f"{letter_to(stays[0].address)}source")
    leave = re.search(r"/u/[A-Za-z0-9_-]+", re.sub(r"\r?\n ", "", source))[0]
    before = _farewells()
    ask(leave, b"List-Unsubscribe=One-Click")
    deadline = time.monotonic() + 30
    while _farewells() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _farewells() == before + 1


def _farewells() -> int:
    page, _ = ask("/demo/letters/")
    return page.partition('id="farewell"')[2].partition('id="reports"')[0].count("<li>")

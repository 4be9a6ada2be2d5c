"""The demo's pages in a real browser: for everybody, at every width, and without asking anyone else (WCAG 2.2 AA)."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests import browser
from tests.browser import CHROMIUM, flaws
from tests.demo.played import served
from tests.needs import needs

pytestmark = [pytest.mark.browser, needs("chromium", CHROMIUM)]


def visit(chromium: Any, **options: Any) -> AbstractContextManager[Any]:
    """A page of the demo."""
    return browser.visit(chromium, served().url, **options)


def addresses(page: Any) -> list[str]:
    """The pages there are, with one letter and one report."""
    page.goto("/demo/")
    cards = [card.get_attribute("href") for card in page.locator("a.card").all()]
    assert len(cards) == 8
    return ["/demo/", "/demo/letters/", "/demo/none/", cards[0], cards[-1]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_every_page_is_for_everybody(chromium: Any, scheme: str, width: int) -> None:
    # axe itself is a script, which the policy of the pages forbids: this once, the browser lets it in.
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 740}, "bypass_csp": True}
    with visit(chromium, **options) as page:
        for address in addresses(page):
            page.goto(address)
            assert flaws(page, iframes=False) == [], address


def test_no_page_scrolls_sideways(chromium: Any) -> None:
    with visit(chromium) as page:
        for address in addresses(page):
            page.goto(address)
            for width in (320, 360, 768, 1200):
                page.set_viewport_size({"width": width, "height": 740})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)


def test_a_letter_stands_in_its_two_frames_as_wide_as_it_says(chromium: Any) -> None:
    with visit(chromium, viewport={"width": 1200, "height": 900}, java_script_enabled=False) as page:
        page.goto("/demo/")
        with page.expect_navigation():
            page.locator("a.card").first.click()
        phone, desktop = (page.frame_locator("iframe").nth(place) for place in range(2))
        page.locator("iframe").nth(1).scroll_into_view_if_needed()
        boxes = [frame.locator("body").bounding_box()["width"] for frame in (phone, desktop)]
        assert boxes == [pytest.approx(360, abs=16), pytest.approx(720, abs=16)]
        assert "Dear Róisín" in phone.locator("body").inner_text()


def test_the_letters_link_opens_the_page_behind_it(chromium: Any) -> None:
    with visit(chromium, viewport={"width": 1200, "height": 900}) as page:
        page.goto("/demo/")
        with page.expect_navigation():
            page.locator("a.card").first.click()
        letter = page.frame_locator("iframe").first
        with page.context.expect_page() as opened:
            letter.get_by_role("link", name="unsubscribe", exact=True).first.press("Enter")
        opened.value.wait_for_load_state()
        assert opened.value.get_by_role("heading", level=1).inner_text() == "Stop these letters?"


def test_everything_is_reached_with_the_keyboard(chromium: Any) -> None:
    with visit(chromium, viewport={"width": 1200, "height": 900}) as page:
        page.goto("/demo/")
        page.locator("a.card").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/demo/letters/letter-*/")
        reached = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert {"glass", "wide", "paper"} <= reached

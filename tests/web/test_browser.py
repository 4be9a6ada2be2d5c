"""The pages in a real browser, by keyboard and without script, in light and dark (standards A8, U9; WCAG 2.2 AA)."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from mailer.core.alarm import AlarmKind
from mailer.models import Member, Subscription, alarm
from tests import browser
from tests.actions.office import Office
from tests.browser import CHROMIUM, flaws
from tests.needs import needs
from tests.web.conftest import leave_path
from tests.world import NOW

pytestmark = [pytest.mark.browser, needs("chromium", CHROMIUM), pytest.mark.django_db(transaction=True)]


def visit(chromium: Any, server: Any, **options: Any) -> AbstractContextManager[Any]:
    """A page of the site; Chromium itself notes that one answered 404."""
    return browser.visit(chromium, server.url, noise=("status of 404",), **options)


def state_of(member: Member) -> str:
    return str(Subscription.unscoped.get(member=member).state)


def measure(page: Any) -> None:
    """What axe does not look at: room for a thumb, and no scrolling sideways."""
    for width in (320, 360, 1200):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for target in page.locator("button").all():
            assert target.bounding_box()["height"] >= 48
        for target in page.locator("footer a").all():
            assert target.bounding_box()["height"] >= 24
    page.set_viewport_size({"width": 360, "height": 740})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_for_everybody(chromium: Any, live_server: Any, office: Office, ann: Member, scheme: str) -> None:
    path = leave_path(office, "ann@example.org")
    # axe itself is a script, which the policy of the pages forbids: this once, the browser lets it in.
    with visit(chromium, live_server, color_scheme=scheme, bypass_csp=True) as page:
        for address in ("/", "/state", "/u/example", "/u/nothing", path):
            page.goto(address)
            assert flaws(page) == []
            measure(page)
        with page.expect_navigation():
            page.get_by_role("button", name="Stop sending me").click()
        assert page.get_by_role("heading", level=1).inner_text() == "You are off this list"
        assert flaws(page) == []
        measure(page)
        undo = page.locator("form").get_attribute("action")
        page.goto(undo)
        assert flaws(page) == []
        measure(page)
        with page.expect_navigation():
            page.get_by_role("button").click()
        assert page.get_by_role("heading", level=1).inner_text() == "You are back"
        assert flaws(page) == []
    assert state_of(ann) == "active"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_that_nobody_may_overlook_is_for_everybody(
    chromium: Any, live_server: Any, scheme: str, db: None
) -> None:
    alarm.set_off(AlarmKind.DISK_LOW, "host-a", "About 150 MB are free.", NOW)
    with visit(chromium, live_server, color_scheme=scheme, bypass_csp=True) as page:
        page.goto("/state")
        assert page.get_by_role("heading", level=1).inner_text() == "Sending does not work"
        assert flaws(page) == []
        measure(page)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_leaving_needs_only_two_keys(
    chromium: Any, live_server: Any, office: Office, ann: Member, *, script: bool
) -> None:
    with visit(chromium, live_server, java_script_enabled=script) as page:
        page.goto(leave_path(office, "ann@example.org"))
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.inner_text() == "Stop sending me Chair's newsletter"
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        assert state_of(ann) == "active"
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.get_by_role("heading", level=1).inner_text() == "You are off this list"
        assert state_of(ann) == "left"
        page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Space")
        assert page.get_by_role("heading", level=1).inner_text() == "You are back"
        assert state_of(ann) == "active"


def test_everything_is_the_second_button(chromium: Any, live_server: Any, office: Office, ann: Member) -> None:
    with visit(chromium, live_server) as page:
        page.goto(leave_path(office, "ann@example.org"))
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Stop everything from The Friends of Example Street"
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "We have stopped writing to you" in page.locator("main").inner_text()


def test_a_scanner_with_a_browser_of_its_own_changes_nothing(
    chromium: Any, live_server: Any, office: Office, ann: Member
) -> None:
    with visit(chromium, live_server) as page:
        for _ in range(3):
            page.goto(leave_path(office, "ann@example.org"), wait_until="networkidle")
            page.mouse.wheel(0, 2000)
            page.reload(wait_until="networkidle")
    assert state_of(ann) == "active"


def test_large_type_and_wide_spacing_lose_nothing(chromium: Any, live_server: Any, office: Office, ann: Member) -> None:
    """WCAG 1.4.4, 1.4.10 and 1.4.12: twice the type at the width of a phone, and the spacing that readers may set."""
    spacing = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
    with visit(chromium, live_server, bypass_csp=True) as page:
        page.goto(leave_path(office, "ann@example.org"))
        page.add_style_tag(content=f"html {{ font-size: 200% }} {spacing}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        clipped = "e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1"
        assert [each.inner_text() for each in page.locator("button, h1, h2, p").all() if each.evaluate(clipped)] == []

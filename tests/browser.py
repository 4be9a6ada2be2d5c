"""A real browser, and what it must find: pages for everybody that ask nobody but us (WCAG 2.2 AA, standards A8)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright leaves its event loop running in this thread, which Django takes for a view that must not wait.
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@contextmanager
def visit(chromium: Any, url: str, *, noise: tuple[str, ...] = (), **options: Any) -> Iterator[Any]:
    """A page in a fresh profile; afterwards: it asked only us, kept nothing, complained of nothing but noise."""
    context = chromium.new_context(base_url=url, **{"viewport": {"width": 360, "height": 740}, **options})
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
        assert asked
        assert [each for each in asked if not each.startswith(f"{url}/")] == []
        assert [text for text in complaints if not any(each in text for each in noise)] == []
        assert context.cookies() == []
    finally:
        context.close()


def flaws(page: Any, **options: Any) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA and its own best practices."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": _TAGS}, **options}).response
    return [f"{flaw['id']}: {node['html']}" for flaw in found["violations"] for node in flaw["nodes"]]

"""How a letter looks in a browser: what axe finds, what contrast is computed, and whether it fits a small screen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailer.core.compile import compile_notice
from tests.browser import CHROMIUM, launched
from tests.core.lettering import FAREWELL, SENDER, VALUES, built, letter_of, parts, sample_letter, sources
from tests.needs import needs

# A letter is shown within a page that has landmarks of its own.
OF_PAGES = {"landmark-one-main": {"enabled": False}, "region": {"enabled": False}}

pytestmark = [pytest.mark.browser, needs("chromium", CHROMIUM)]


def html_of(name: str) -> str:
    if name == "farewell":
        return compile_notice("farewell", sources(), FAREWELL, sender=SENDER, language="en-GB").html
    letter = sample_letter() if name == "sample" else letter_of(name)
    return parts(built(letter, replace(VALUES, segments=frozenset({"first"}))))[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(params=["sample", "newsletter", "farewell"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "letter.html"
    path.write_text(html_of(request.param), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_contrast_is_enough(browser: Any, file: Path, scheme: str) -> None:
    """A6, A8, H8: contrast is one of axe's rules, on computed styles."""
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": 600, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    results = Axe().run(page, options={"rules": OF_PAGES}).response
    page.close()
    assert "color-contrast" in {rule["id"] for rule in results["passes"]}
    assert [(rule["id"], rule["impact"], rule["nodes"][0]["html"]) for rule in results["violations"]] == []


@pytest.mark.parametrize("width", [320, 600, 1200])
def test_nothing_has_to_be_scrolled_sideways_and_links_are_large_enough(browser: Any, file: Path, width: int) -> None:
    """A7: 320 pixels is also 640 at twice the size."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    alone = "[...document.querySelectorAll('a.leave, a.undo, .small p > a:only-child')]"
    heights = page.evaluate(f"{alone}.map(a => Math.max(a.getBoundingClientRect().height, a.parentNode.clientHeight))")
    assert heights
    assert min(heights) >= 24
    page.close()


def test_nothing_is_asked_of_any_host(browser: Any, file: Path) -> None:
    """P19, H7: seen from the browser."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri(), wait_until="networkidle")
    assert asked == [file.as_uri()]
    page.close()


def test_it_stays_readable_when_a_mail_client_inverts_it(browser: Any, file: Path) -> None:
    """H8: the contrast of text to what lies behind it, after lightness has been turned over."""
    page = browser.new_page(viewport={"width": 600, "height": 900})
    page.goto(file.as_uri())
    worst = page.evaluate(
        """() => {
          const rgb = css => css.match(/[\\d.]+/g).map(Number);
          const inverted = ([r, g, b]) => {
            const [R, G, B] = [255 - r, 255 - g, 255 - b], clamp = x => Math.min(255, Math.max(0, x));
            return [  // the matrix of hue-rotate(180deg), Filter Effects section 9.2
              clamp(-0.574 * R + 1.43 * G + 0.144 * B),
              clamp(0.426 * R + 0.43 * G + 0.144 * B),
              clamp(0.426 * R + 1.43 * G - 0.856 * B)];
          };
          const light = c => c.map(x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
            .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = e => {
            for (; e; e = e.parentElement) {
              const c = rgb(getComputedStyle(e).backgroundColor);
              if (c.length < 4 || c[3] > 0) return c.slice(0, 3);
            }
            return [255, 255, 255];
          };
          let worst = 21;
          for (const e of document.querySelectorAll('h1, h2, h3, h4, p, li, a, .aside, strong')) {
            if (!e.offsetParent || !e.textContent.trim()) continue;
            const [a, b] = [rgb(getComputedStyle(e).color).slice(0, 3), behind(e)].map(c => light(inverted(c)));
            worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
          }
          return worst;
        }"""
    )
    page.close()
    assert worst >= 4.5

"""What every page has in common: its headers, its frugality, and that it repeats nothing (standards U9, S18)."""

import io
import logging
import re
from pathlib import Path

import pytest
from django.db import connections
from django.template.loader import render_to_string
from django.test import Client

from mailer.web import leaving
from tests.actions.office import Office
from tests.web.conftest import leave_path, undo_paths
from tests.world import anne, join, stream

PROJECT = Path(__file__).parents[2]
TEMPLATES = PROJECT / "templates" / "web"


@pytest.fixture
def links(office: Office, db: None) -> dict[str, str]:
    """The two links of one who left, and the other pages."""
    for name in ("ann", "bob"):
        join(office.house, f"{name} Smith", f"{name}@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    left = Client(headers={"host": "news.example.org"}).post(leave_path(office, "ann@example.org"))
    return {
        "front": "/",
        "state": "/state",
        "leave": leave_path(office, "bob@example.org"),
        "undo": undo_paths(left.text)[0],
        "example": "/u/example",
        "not found": "/u/nothing",
        "nowhere": "/nothing",
    }


def test_every_answer_keeps_itself_to_itself(client: Client, links: dict[str, str]) -> None:
    answers = [client.get(path) for path in links.values()]
    answers += [client.post(path) for path in links.values()]
    answers += [client.get("/", headers={"host": "elsewhere.example.net"}), client.get("/health")]
    for answer in answers:
        headers = answer.headers
        if answer.reason_phrase != "Forbidden":
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Robots-Tag"] == "noindex, nofollow"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in headers
        assert "Location" not in headers
        assert len(answer.content) < 4500
        assert "ETag" not in headers
        if answer.status_code != 400:
            policy = dict(each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";"))
            assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
            assert "unsafe" not in headers["Content-Security-Policy"]


def test_no_page_repeats_what_it_was_asked(client: Client, links: dict[str, str]) -> None:
    for path in [*links.values(), "/Call-020-7946-0000-now", "/u/Call-020-7946-0000-now"]:
        for method in (client.get, client.post):
            answer = method(f"{path}?next=//evil.example.net&q=Call-020-7946-0000-now", headers={"referer": "x-evil"})
            assert "7946" not in answer.text
            assert "evil" not in answer.text


def test_pages_have_no_script_no_style_of_their_own_and_nothing_from_elsewhere() -> None:
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|\bstyle=|\bon\w+=|<img|<iframe|http:|//\w|refresh", text), template.name
        assert "|safe" not in text, template.name
    sheet = (PROJECT / "mailer/static/mailer/style.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?:", sheet)


def test_pages_and_letters_share_their_colours() -> None:
    sheet = (PROJECT / "mailer/static/mailer/style.css").read_text(encoding="utf-8")
    letter = "".join(
        (PROJECT / "templates/email/_base" / name).read_text(encoding="utf-8") for name in ("letter.css", "dark.css")
    )
    for colour in ("#7c1d3a", "#1f2225", "#14171a", "#43484e", "#16181b", "#e4e1dc", "#f7f5f1", "#f2a7bd", "#1e2125"):
        assert colour in sheet
        assert colour in letter


@pytest.mark.django_db
def test_the_style_sheet_is_served_by_the_process_itself(client: Client) -> None:
    page = render_to_string("front.html")
    for path, kind in re.findall(r'href="(/static/[^"]+)"(?: type="([^"]+)")?', page):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith(kind or "text/css")
        answer.close()


def test_the_page_that_says_our_fault_needs_no_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test has no database: to ask for one would be an error."""

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full of EI9P8x543lhXIjfBXtdalOR7LfsqgdFIZA")

    monkeypatch.setattr(leaving, "house", fail)
    answer = client.get("/u/EI9P8x543lhXIjfBXtdalOR7LfsqgdFIZA")
    assert answer.status_code == 500
    assert "The fault is ours" in answer.text
    assert "office@example.org" in answer.text
    assert "disk" not in answer.text


def test_no_log_holds_a_token(
    client: Client, links: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Through the handler that settings.LOGGING configured, with every logger at its most talkative."""
    root = logging.getLogger()
    console = next(handler for handler in root.handlers if handler.get_name() == "console")
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    monkeypatch.setattr(console, "stream", written)
    caplog.set_level(logging.DEBUG)
    connections["default"].force_debug_cursor = True
    try:
        tokens = [links[name].rpartition("/")[2] for name in ("leave", "undo")]
        for token in tokens:
            for path in (f"/u/{token}", f"/back/{token}", f"/u/{token}.", f"/x/{token}?q={token}", f"/u/{token}/"):
                for method in (client.get, client.post, client.put):
                    method(path)

        def fail(_: object, token: str, *__: object) -> None:
            raise RuntimeError(f"no page for {token}")

        monkeypatch.setattr(leaving, "list_title", fail)
        for token in tokens:
            assert client.get(f"/u/{token}").status_code == 500
    finally:
        connections["default"].force_debug_cursor = False
    log = written.getvalue()
    assert "Not Found: /u/[token]" in log
    assert "RuntimeError: no page for [token]" in log
    assert "Traceback" in log
    for token in tokens:
        assert token not in log

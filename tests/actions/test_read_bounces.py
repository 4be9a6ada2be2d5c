"""What comes back is matched by our own signature, acts once, and never silences the wrong person."""

from datetime import timedelta
from pathlib import Path

import pytest

from mailer.actions.read_bounces import read_reports
from mailer.models import Bounce, BounceSource, Copy, Mailbox
from mailer.transport.maildir import waiting
from tests.actions.comes_back import GWEN, HAL, dsn
from tests.actions.office import Office
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db


def _drop(maildir: Path, *raws: bytes) -> None:
    for folder in ("tmp", "new", "cur"):
        (maildir / folder).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(raws):
        (maildir / "new" / f"{number}.report").write_bytes(raw)


def _read(office: Office, maildir: Path) -> list[str]:
    found = read_reports(
        office.house, waiting(maildir), NOW + timedelta(days=1), office.draw.handle, BounceSource.MAILDIR
    )
    return [report.verdict for report in found]


def test_a_hard_bounce_makes_its_mailbox_undeliverable_and_no_other(sent: Office, tmp_path: Path) -> None:
    _drop(tmp_path / "m", dsn(sent, GWEN))
    assert _read(sent, tmp_path / "m") == ["undeliverable"]
    states = dict(Mailbox.unscoped.values_list("normal", "deliverability"))
    assert states == {GWEN: "undeliverable", HAL: "unknown"}
    assert Copy.unscoped.get(mailbox__normal=GWEN).state == "bounced"
    row = Bounce.unscoped.get()
    assert (row.kind, row.status, row.matched_by) == ("hard", "5.1.1", "return_path")


def test_the_same_report_acts_once(sent: Office, tmp_path: Path) -> None:
    raw = dsn(sent, GWEN)
    _drop(tmp_path / "m", raw, raw)
    assert _read(sent, tmp_path / "m") == ["undeliverable", ""]
    assert Bounce.unscoped.count() == 1
    assert list(waiting(tmp_path / "m")) == []


def test_a_report_without_our_token_changes_nothing_and_is_kept(sent: Office, tmp_path: Path) -> None:
    forged = dsn(sent, GWEN, return_path="b+aaaa@bounces.example.org").replace(b"@example.org>", b"@x>")
    _drop(tmp_path / "m", forged)
    assert _read(sent, tmp_path / "m") == [""]
    assert not Mailbox.unscoped.filter(deliverability="undeliverable").exists()
    assert len(list((tmp_path / "m" / ".kept" / "cur").iterdir())) == 1
    assert Bounce.unscoped.get().copy is None


def test_the_address_a_report_names_is_never_believed(sent: Office, tmp_path: Path) -> None:
    _drop(tmp_path / "m", dsn(sent, GWEN, names=HAL))
    _read(sent, tmp_path / "m")
    assert Mailbox.unscoped.get(deliverability="undeliverable").normal == GWEN


def test_a_full_mailbox_is_not_a_dead_one(sent: Office, tmp_path: Path) -> None:
    _drop(tmp_path / "m", dsn(sent, GWEN, "5.2.2", "Mailbox full"))
    assert _read(sent, tmp_path / "m") == ["nothing"]
    assert Mailbox.unscoped.get(normal=GWEN).soft_count == 1


def test_a_report_that_overtakes_the_answer_is_not_lost(office: Office, tmp_path: Path) -> None:
    """The letter bounces while its copy is still claimed: in the end it is bounced, not accepted."""
    news = stream(office.house)
    for name in ("gwen", "hal", "ida"):
        join(office.house, name.title(), f"{name}@example.org", consents=[news])
    issue = office.begun(chair := anne())

    def comes_back() -> None:
        _drop(tmp_path / "m", dsn(office, office.relay.caught[0].recipient))
        assert _read(office, tmp_path / "m") == ["undeliverable"]

    office.relay.meanwhile[2] = comes_back
    office.send_all()
    assert office.report(chair, issue).copies == {"accepted": 2, "bounced": 1}

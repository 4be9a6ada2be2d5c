"""One site is made a session; each test that needs one gets a copy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailer.cli import main
from tests.commands.site import Site, copy_site, make_site
from tests.transport.wire import wire
from tests.world import NOW

__all__ = ["wire"]


@pytest.fixture(scope="session")
def made_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with tables, keys and a chair."""
    return make_site(tmp_path_factory.mktemp("made") / "site")


@pytest.fixture
def site(made_site: Site, tmp_path: Path) -> Site:
    """A copy of it that a test may use up."""
    return copy_site(made_site, tmp_path / "site")


@pytest.fixture
def mailer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command within this process, on the test's own site, on a Friday in November."""
    from mailer.commands.shell import Shell

    monkeypatch.setattr(Shell, "now", NOW)
    monkeypatch.setattr(Shell, "clock", lambda _: NOW)

    def call(*arguments: Any) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call

"""The sites and the scripted server of the other rooms."""

from tests.commands.conftest import made_site, site
from tests.transport.wire import wire

__all__ = ["made_site", "site", "wire"]

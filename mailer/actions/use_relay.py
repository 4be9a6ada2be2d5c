"""From the configuration to the relay and to the keys that sign; whoever sends asks here whether they may.

One click needs both List-Unsubscribe headers signed (RFC 8058 section 4), so nothing leaves this machine unsigned
unless somebody has said that the relay signs (design.md section 3 step 4).
"""

from mailer.config import Config
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.transport.relay import Relay


class Unsigned(MailerError, RuntimeError):
    """Letters would leave this machine without a signature."""


def relay_of(config: Config) -> Relay:
    """The relay that letters are handed to."""
    smtp = config.smtp
    return Relay(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls.value,
        ehlo_name=smtp.ehlo_name,
        user=smtp.user,
        password=smtp.password,
        ca_file=smtp.ca_file,
    )


def signers_of(config: Config) -> tuple[Signer, ...]:
    """The keys that sign, in their order."""
    return tuple(
        Signer.from_pem(key.file.read_bytes(), domain=key.domain, selector=key.selector) for key in config.dkim.keys
    )


def must_be_signed(config: Config, relay: Relay, signers: tuple[Signer, ...]) -> None:
    """Refuse to send off this machine what nobody signs; in production a relay on this machine passes it on."""
    if signers or config.smtp.signs or (relay.on_loopback and not config.site.production):
        return
    raise Unsigned(
        f"Letters to {relay} would go without a DKIM signature, and then no mail program may offer to unsubscribe by"
        " one click: name a key in dkim.keys, or, if the relay signs, set smtp.signs = true. Nothing is sent."
    )

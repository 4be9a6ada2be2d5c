"""From the configuration to the mailbox that reports come back to."""

from mailer.config import Config
from mailer.transport.imap_session import Account


def account_of(config: Config) -> Account | None:
    """Where it is and how it is opened; None where none is configured."""
    bounces = config.bounces
    if not bounces.imap_host:
        return None
    return Account(
        host=bounces.imap_host,
        port=bounces.imap_port,
        tls=bounces.imap_tls.value,
        user=bounces.imap_user,
        password=bounces.imap_password,
        token_file=bounces.imap_token_file,
        token_command=bounces.imap_token_command,
        folder=bounces.imap_folder,
        ca_file=bounces.imap_ca_file,
    )

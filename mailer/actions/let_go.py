"""Letting go of the database: a command or a thread that ends says so, and the server need not find out by itself."""

from mailer.models.closing import close_connections


def let_go() -> None:
    """Close what this thread holds open."""
    close_connections()

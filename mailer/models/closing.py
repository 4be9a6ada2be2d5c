"""The end of a connection."""

from django.db import connections


def close_connections() -> None:
    """Close this thread's connections, but for one in the middle of a transaction: that is somebody else's."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()

"""The fixtures of this room; other rooms import them in the same way."""

from tests.transport.tls import tls_kit
from tests.transport.wire import wire

__all__ = ["tls_kit", "wire"]

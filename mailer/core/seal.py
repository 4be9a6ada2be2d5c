"""The signatures of one mailing's copies: all that they share is made ready once (RFC 6376; standards D2-D4).

The builder knows that a body joined of relaxed pieces is relaxed, and which few headers are personal. So a copy costs
its body hash and one private operation for each key, and little else.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from mailer.core.dkim import Header, Signer, body_hash, relaxed_headers, signing_plan


class FixedHeaders:
    """The headers of one mailing, made ready once: what its copies share is in relaxed form already.

    A header without a value is personal. All copies have the same headers in the same order.
    """

    def __init__(self, headers: Sequence[tuple[bytes, bytes | None]]) -> None:
        order, self.names = signing_plan(tuple([name.lower() for name, _ in headers]))
        personal = [place for place, (_, value) in enumerate(headers) if value is None]
        signed = [headers[place] for place in order]
        fixed = iter(relaxed_headers([(name, value or b"") for name, value in signed]))
        parts: list[bytes | int] = []
        for place in order:
            parts.append(next(fixed))
            if place in personal:
                parts.append(personal.index(place))
            parts.append(b"\r\n")
        self._fixed = tuple(part for part in parts if isinstance(part, bytes))
        places = iter(range(len(personal), len(personal) + len(self._fixed)))
        self._arranged = itemgetter(*(next(places) if isinstance(part, bytes) else part for part in parts))

    def relaxed(self, values: Sequence[bytes]) -> bytes:
        """The headers that are signed, in their order, with the personal values of one copy, which are relaxed."""
        return b"".join(self._arranged((*values, *self._fixed)))


@dataclass(frozen=True, slots=True)
class Seal:
    """What signs messages with every key over one body hash; `seconds` is the clock at the time of the hand-over."""

    signers: tuple[Signer, ...]
    seconds: Callable[[], int]

    def __call__(self, headers: Sequence[Header], body: bytes) -> bytes:
        """All signatures of a message of which nothing is known; none of them covers another."""
        digest, now = body_hash(body), self.seconds()
        return b"".join([signer.sign_hash(headers, digest, now) for signer in self.signers])

    def over(self, headers: FixedHeaders, values: Sequence[bytes], digest: bytes) -> bytes:
        """All signatures of a copy: its personal headers in relaxed form, and its body hash."""
        relaxed, encoded, now = headers.relaxed(values), base64.b64encode(digest), self.seconds()
        return b"".join([signer.sign_relaxed(relaxed, headers.names, encoded, now) for signer in self.signers])


def relaxed_values(values: Sequence[bytes]) -> list[bytes]:
    """The values of headers in relaxed form."""
    return [field[1:] for field in relaxed_headers([(b"", value) for value in values])]

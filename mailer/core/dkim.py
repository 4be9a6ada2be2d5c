"""Our signature under a letter: DKIM, relaxed/relaxed, RSA-2048 or Ed25519.

Law of this file (RFC 6376, RFC 8301, RFC 8463, RFC 8058 section 4; standards D2-D4, D11, M4, L3):

* `From`, `To`, `Subject`, `Date`, `Reply-To` and both `List-Unsubscribe` headers are over-signed: listed once
  more than they occur, so that none can be added, altered or taken away. The rest of D4 is signed if present;
* there is no `l=`, no sha1, no RSA key below 2048 bits;
* signing is the last step: nothing may touch the header or the body afterwards.

A letter may carry several signatures (two algorithms, or two selectors while keys change over): each is made
over the same headers and the same body hash, and none covers another.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mailer.core.address import DOMAIN
from mailer.core.errors import MailerError

LEAST_RSA_BITS = 2048  # D2; RFC 8301 section 3.2
MOST_RSA_BITS = 4096  # the longest key that every verifier must be able to use, same section

OVER_SIGNED = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"reply-to",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
SIGNED_IF_PRESENT = (
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"list-id",
    b"feedback-id",
    b"auto-submitted",
)

Header = tuple[bytes, bytes]
"""Name and value; the value as it goes over the wire, folded or not, without its last CRLF."""

_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_SPACE_RUN = re.compile(rb"[ \t]+")
_LINE = 78
_PADDING, _SHA256 = PKCS1v15(), SHA256()


class DkimError(MailerError, ValueError):
    """A key or a message that cannot be signed."""


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """One selector of one domain with its private key."""

    domain: str
    selector: str
    private_key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if not DOMAIN.fullmatch(self.domain):
            raise DkimError(f"The signing domain {self.domain!r} is not a lower-case domain name in ASCII.")
        if not _SELECTOR.fullmatch(self.selector):
            raise DkimError(f"The selector {self.selector!r} may hold lower-case letters, digits, hyphens and dots.")
        bits = self.private_key.key_size if isinstance(self.private_key, RSAPrivateKey) else LEAST_RSA_BITS
        if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
            raise DkimError(
                f"The DKIM key of selector {self.selector} has {bits} bits. Receivers trust RSA keys of "
                f"{LEAST_RSA_BITS} to {MOST_RSA_BITS} bits: make a new one of {LEAST_RSA_BITS}."
            )

    @classmethod
    def from_pem(cls, pem: bytes, *, domain: str, selector: str) -> "Signer":
        """Read an unencrypted private key as `openssl genpkey` writes it."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # Neither the cause nor its text is passed on: it may quote the file.
            raise DkimError(
                f"The DKIM key of selector {selector} is not an unencrypted private key in PEM. "
                "Make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`."
            ) from None
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise DkimError(f"The DKIM key of selector {selector} is neither RSA nor Ed25519.")
        return cls(domain, selector, key)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private_key, RSAPrivateKey) else "ed25519-sha256"

    @property
    def record_name(self) -> str:
        """Where the public record belongs in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

    def sign(self, headers: Sequence[Header], body: bytes, now: int) -> bytes:
        """The whole `DKIM-Signature` field with its CRLF, to stand above the headers."""
        return self.sign_hash(headers, body_hash(body), now)

    def sign_hash(self, headers: Sequence[Header], digest: bytes, now: int) -> bytes:
        """The same over a body hash in hand, so that a second signature need not read the body again."""
        order, names = signing_plan(tuple([name.lower() for name, _ in headers]))
        relaxed = relaxed_headers([headers[place] for place in order])
        return self.sign_relaxed(b"\r\n".join([*relaxed, b""]), names, base64.b64encode(digest), now)

    def sign_relaxed(self, headers: bytes, names: bytes, digest: bytes, now: int) -> bytes:
        """The same over headers in relaxed form, each with its CRLF, whose `h=` is `names`; `digest` is in base64."""
        opening = _opening(self.algorithm, self.domain, self.selector, now)
        unsigned = b"%b%b;\r\n bh=%b;\r\n b=" % (opening, names, digest)
        # Our own folds are always CRLF and one space, so to unfold them is to canonicalise.
        own = unsigned[len(b"DKIM-Signature: ") :].replace(b"\r\n", b"")
        encoded = base64.b64encode(self._signature(b"%bdkim-signature:%b" % (headers, own)))
        pieces = [encoded[:74], *(encoded[start : start + 77] for start in range(74, len(encoded), 77))]
        return unsigned + b"\r\n ".join(pieces) + b"\r\n"

    def _signature(self, octets: bytes) -> bytes:
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.sign(octets, _PADDING, _SHA256)
        # RFC 8463 section 3: what Ed25519 signs is the SHA-256 digest.
        return self.private_key.sign(hashlib.sha256(octets).digest())


@lru_cache(maxsize=16)
def _opening(algorithm: str, domain: str, selector: str, now: int) -> bytes:
    first = f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; t={now};\r\n d={domain};"
    gap = " " if len(domain) + len(selector) + len(" d=; s=;") <= _LINE else "\r\n "
    return f"{first}{gap}s={selector};\r\n h=".encode()


def public_record(signer: Signer) -> str:
    """The TXT value for `record_name`; a zone file wants it cut into strings of at most 255 characters."""
    public = signer.private_key.public_key()
    if isinstance(public, Ed25519PublicKey):
        octets = public.public_bytes_raw()
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"
    octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"


def body_hash(body: bytes, *, relaxed: bool = False) -> bytes:
    """The `bh=` of a body with CRLF line ends, the same for both algorithms.

    `relaxed` says that the body was joined from pieces that each `is_relaxed`, and ends in exactly one CRLF:
    to look at each letter again would cost three times as much as to hash it.
    """
    return hashlib.sha256(body if relaxed else relaxed_body(body)).digest()


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    if is_relaxed(body) and len(body) > 2 and body.endswith(b"\r\n") and not body.endswith(b"\r\n\r\n"):
        return body
    text = _SPACE_RUN.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    end = len(text)
    while text.endswith(b"\r\n", 0, end):
        end -= 2
    return text[:end] + b"\r\n" if end else b""


def is_relaxed(piece: bytes) -> bool:
    """Whether relaxed canonicalisation leaves this piece of a body as it is, whichever such piece it meets.

    What pieces cannot know is how many line ends the whole body closes with.
    """
    return not (b"\t" in piece or piece.endswith(b" ") or b"  " in piece or b" \r" in piece)


def relaxed_headers(headers: Sequence[Header]) -> list[bytes]:
    """RFC 6376 section 3.4.2, each without its CRLF.

    `split` also takes a CR, LF, VT or FF for white space, so none may be there that is not part of a fold.
    """
    octets = b"\0".join([value for _, value in headers])
    folds = octets.count(b"\r\n ") + octets.count(b"\r\n\t")
    if not folds == octets.count(b"\r") == octets.count(b"\n") or b"\v" in octets or b"\f" in octets:
        raise DkimError("A header to be signed holds a line end or another control character that is no fold.")
    return [name.lower() + b":" + b" ".join(value.split()) for name, value in headers]


@lru_cache(maxsize=256)
def signing_plan(names: tuple[bytes, ...]) -> tuple[tuple[int, ...], bytes]:
    """Which headers to hash in which order, and the `h=` that says so; letters of one mailing share it."""
    if names.count(b"from") != 1:
        raise DkimError("A message is signed with exactly one From header.")
    order: list[int] = []
    listed: list[bytes] = []
    for name in (*OVER_SIGNED, *SIGNED_IF_PRESENT):
        # RFC 6376 section 5.4.2: of headers with one name the lowest is signed first.
        places = [place for place in reversed(range(len(names))) if names[place] == name]
        order += places
        listed += [name] * (len(places) + (name in OVER_SIGNED))
    return tuple(order), _folded(listed)


def _folded(listed: Sequence[bytes]) -> bytes:
    lines = [b" h="]
    for name in listed:
        if len(lines[-1]) + len(name) + 1 > _LINE:
            lines.append(b" ")
        lines[-1] += name + b":"
    return b"\r\n".join(lines)[len(b" h=") : -1]

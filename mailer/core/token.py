"""Tokens: words that we made, that nobody else can make, and that say nothing to whoever reads them.

Law of this file (standards U1-U6, U10, F14, L16, L17; RFC 8058 section 6, RFC 5869, RFC 2104):

* a token is 1 octet of version and key id, 8 octets of handle, 16 octets of HMAC-SHA-256: 34 characters of
  base64url, or 40 of lower-case base32 where a relay may lose case (return paths, Message-IDs);
* every purpose has a key of its own, derived by HKDF, and its name is in the MAC besides: a token for one
  purpose is refused by all others;
* a handle is random and names one Copy (or session, or request), which is fixed when the token is made and
  names the list itself. So no list id stands in the MAC, and none could: the MAC is verified before anything is
  looked up. Whoever looks a handle up must take the list from the Copy and never from the request;
* a token does not expire and may be used again; whatever must expire keeps its time in the row it names;
* reading takes the same steps for a malformed, a forged and an unknown token, and never raises.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from hmac import compare_digest
from itertools import chain, repeat

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mailer.core.errors import MailerError

VERSION = 1
KEY_OCTETS = 32
MOST_KEY_ID = 15
MARKER = "[token]"

_MAC_OCTETS = 16
_BLOCK_OCTETS = 64
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

# 25 octets leave 4 bits of the last base64 character unused: all zero, or one token had 16 spellings.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{33}[AQgw]")
_FOLDED = re.compile(r"[A-Za-z2-7]{40}")

_TO_URL = bytes.maketrans(b"+/", b"-_")
_TO_BASE32 = bytes.maketrans(bytes(range(32)), _BASE32.encode())
_PAIRS = tuple(one + two for one in _BASE32 for two in _BASE32)
_FIVE_GROUPS = struct.Struct(">IBIBIBIBIB").unpack


class Purpose(StrEnum):
    """What a token may be used for; the value is the label in its key and its MAC and never changes."""

    LEAVE = "leave"
    UNDO = "undo"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    RESET = "reset"
    VERP = "verp"
    MESSAGE_ID = "message_id"
    WEB = "web"
    MAILTO = "mailto"


class TokenError(MailerError, ValueError):
    """A keyring or a handle that no token may be made with."""


class _Mac:
    """HMAC-SHA-256 with one key over a fixed beginning and eight octets that change.

    The two hash states are kept and copied, which is nearly three times as fast as `hmac.digest`.
    """

    __slots__ = ("_inner", "_outer", "head")

    def __init__(self, key: bytes, head: bytes, label: bytes) -> None:
        padded = key.ljust(_BLOCK_OCTETS, b"\0")
        self.head = head
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in padded) + head + label + b"\0")
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in padded))

    def token(self, handle: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(handle)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self.head + handle + outer.digest()[:_MAC_OCTETS]

    def tokens(self, handles: Sequence[bytes], pad: str = "") -> bytes:
        """The tokens of many handles in one row, as `token` makes each, with the padding after each."""
        copy_inner, copy_outer = self._inner.copy, self._outer.copy
        macs = []
        for handle in handles:
            inner = copy_inner()
            inner.update(handle)
            outer = copy_outer()
            outer.update(inner.digest())
            macs.append(outer.digest())
        # `16s` takes the first 16 octets of the 32.
        row = _row(f"c8s{_MAC_OCTETS}s{pad}", len(handles))
        return row.pack(*chain.from_iterable(zip(repeat(self.head), handles, macs)))


class Keyring:
    """The master keys of one site: the newest signs, all of them verify (U5)."""

    __slots__ = ("_known", "_newest", "_nobody", "key_ids")

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise TokenError("There is no token key. Run `mailer init`, or put the key files back.")
        for key_id, key in keys.items():
            if not 0 <= key_id <= MOST_KEY_ID:
                raise TokenError(f"Token key {key_id} is out of range: ids run from 0 to {MOST_KEY_ID}.")
            if len(key) != KEY_OCTETS:
                raise TokenError(f"Token key {key_id} has {len(key)} octets and needs {KEY_OCTETS}.")
        self.key_ids = tuple(sorted(keys))
        self._known = {(p, _head(i)): _mac(keys[i], i, p) for i in self.key_ids for p in Purpose}
        self._newest = {purpose: self._known[purpose, _head(self.key_ids[-1])] for purpose in Purpose}
        self._nobody = _Mac(b"", b"\0", b"nobody")

    def __repr__(self) -> str:
        return f"Keyring(key_ids={self.key_ids})"

    def sign(self, purpose: Purpose, handle: int) -> str:
        """34 characters for a URL."""
        raw = self._newest[purpose].token(_octets(handle))
        return binascii.b2a_base64(raw, newline=False)[:34].translate(_TO_URL).decode()

    def sign_folded(self, purpose: Purpose, handle: int) -> str:
        """40 characters that survive a loss of case."""
        return _base32(self._newest[purpose].token(_octets(handle)))

    def sign_all(self, purpose: Purpose, handles: Sequence[bytes]) -> Sequence[bytes]:
        """What `sign` says of each of many handles, as octets; `octets_of` makes the handles."""
        raw = self._newest[purpose].tokens(handles, pad="2x")
        spelt = binascii.b2a_base64(raw, newline=False).translate(_TO_URL)
        return _row("34s2x", len(handles)).unpack(spelt)

    def sign_all_folded(self, purpose: Purpose, handles: Sequence[bytes]) -> Sequence[bytes]:
        """What `sign_folded` says of each of many handles, as octets."""
        raw = self._newest[purpose].tokens(handles)
        return _row("40s", len(handles)).unpack(_all_base32(raw))

    def read(self, purpose: Purpose, token: str) -> int | None:
        """The handle, or None for anything but a token that this keyring made for this purpose."""
        well_formed = _PLAIN.fullmatch(token) is not None
        return self._read(purpose, base64.urlsafe_b64decode(token + "==") if well_formed else None)

    def read_folded(self, purpose: Purpose, token: str) -> int | None:
        """The same for the folded spelling, in upper, lower or mixed case."""
        well_formed = _FOLDED.fullmatch(token) is not None
        return self._read(purpose, base64.b32decode(token, casefold=True) if well_formed else None)

    def _read(self, purpose: Purpose, raw: bytes | None) -> int | None:
        # What is malformed or names no key of ours is measured all the same, against a key that signs nothing.
        claimed = raw or bytes(1 + 8 + _MAC_OCTETS)
        mac = self._known.get((purpose, claimed[:1]), self._nobody)
        genuine = compare_digest(mac.token(claimed[1:9]), claimed)
        return int.from_bytes(claimed[1:9], "big") if genuine and mac is not self._nobody else None


def fingerprint(key: bytes) -> str:
    """What the database keeps of a key, to refuse a start with another one."""
    return _derive(key, b"mailer fingerprint").hex()[:32]


def return_path(keyring: Keyring, handle: int, domain: str) -> str:
    """The signed envelope sender of one copy (L16)."""
    return f"b+{keyring.sign_folded(Purpose.VERP, handle)}@{domain}"


def read_return_path(keyring: Keyring, address: str, domain: str) -> int | None:
    """The copy that a bounce to this address is about, or None for what we never sent from (L17)."""
    local, _, host = address.partition("@")
    ours = local[:2] in {"b+", "B+"} and host.lower() == domain.lower()
    return keyring.read_folded(Purpose.VERP, local[2:]) if ours else None


def message_id(keyring: Keyring, handle: int, domain: str) -> str:
    """The Message-ID of one copy, with its angle brackets: the same on every attempt (F14)."""
    return f"<{keyring.sign_folded(Purpose.MESSAGE_ID, handle)}@{domain}>"


def read_message_id(keyring: Keyring, value: str, domain: str) -> int | None:
    """The copy that a report or a reply quotes by its Message-ID."""
    if not (value.startswith("<") and value.endswith(">")):
        return None
    token, _, host = value[1:-1].partition("@")
    return keyring.read_folded(Purpose.MESSAGE_ID, token) if host.lower() == domain.lower() else None


def redact(text: str) -> str:
    """The text with every token in it replaced by a marker, percent-encoded ones too (U10)."""
    return _SHAPES.sub(MARKER, text)


def _head(key_id: int) -> bytes:
    return bytes([VERSION << 4 | key_id])


def _mac(master: bytes, key_id: int, purpose: Purpose) -> _Mac:
    label = purpose.value.encode()
    return _Mac(_derive(master, b"mailer token " + label), _head(key_id), label)


def _derive(master: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_OCTETS, salt=None, info=label).derive(master)


def _octets(handle: int) -> bytes:
    try:
        return handle.to_bytes(8, "big")
    except OverflowError:
        raise TokenError(f"A handle is an unsigned number of 64 bits; {handle} is not.") from None


def octets_of(handles: Sequence[int]) -> Sequence[bytes]:
    """Handles as the octets that stand in their tokens."""
    try:
        packed = struct.pack(f">{len(handles)}Q", *handles)
    except struct.error:
        raise TokenError("A handle is an unsigned number of 64 bits; one of these is not.") from None
    return _row("8s", len(handles)).unpack(packed)


@lru_cache(maxsize=64)
def _row(item: str, count: int) -> struct.Struct:
    return struct.Struct("=" + item * count)


def _all_base32(raw: bytes) -> bytes:
    """Base32 of any number of groups of five octets, all groups at once: a tenth of the work for each token.

    The groups are the lanes of one large number, eight octets each. Three times every lane is halved and the halves are
    moved apart, until each octet holds five bits.
    """
    count = len(raw) // 5
    lanes = bytearray(8 * count)
    for place in range(5):
        lanes[place + 3 :: 8] = raw[place::5]
    number = int.from_bytes(lanes, "big")
    for low, shift in _halvings(count):
        kept = number & low
        number = kept | (number ^ kept) << shift
    return number.to_bytes(8 * count, "big").translate(_TO_BASE32)


@lru_cache(maxsize=16)
def _halvings(count: int) -> tuple[tuple[int, int], ...]:
    """The lower half of every lane, and how far the upper half is moved: lanes of 40 bits, of 20 and of 10."""
    halves = (("00000000000fffff", 12), ("000003ff000003ff", 6), ("001f001f001f001f", 3))
    return tuple((int.from_bytes(bytes.fromhex(low) * count, "big"), shift) for low, shift in halves)


def _base32(raw: bytes) -> str:
    """As `base64.b32encode`, in lower case and at twice its speed: two of these are made for every letter."""
    p = _PAIRS
    a, b, c, d, e, f, g, h, i, j = _FIVE_GROUPS(raw)
    return (
        f"{p[a >> 22]}{p[a >> 12 & 1023]}{p[a >> 2 & 1023]}{p[(a & 3) << 8 | b]}"
        f"{p[c >> 22]}{p[c >> 12 & 1023]}{p[c >> 2 & 1023]}{p[(c & 3) << 8 | d]}"
        f"{p[e >> 22]}{p[e >> 12 & 1023]}{p[e >> 2 & 1023]}{p[(e & 3) << 8 | f]}"
        f"{p[g >> 22]}{p[g >> 12 & 1023]}{p[g >> 2 & 1023]}{p[(g & 3) << 8 | h]}"
        f"{p[i >> 22]}{p[i >> 12 & 1023]}{p[i >> 2 & 1023]}{p[(i & 3) << 8 | j]}"
    )


def _spelt(characters: str) -> str:
    """A pattern for one of these characters, plain or percent-encoded."""
    octets = "|".join(f"{ord(character):02x}" for character in characters)
    return f"(?:[{re.escape(characters)}]|%(?i:{octets}))"


def _shapes() -> re.Pattern[str]:
    """Every live token begins with one of a few characters, so that slugs, UUIDs and digests are left alone.

    What follows a token without a gap goes with it, or its tail might be part of the next one.
    """
    heads = [_head(key_id)[0] for key_id in range(MOST_KEY_ID + 1)]
    plain = _spelt("".join(sorted({_BASE64[head >> 2] for head in heads})))
    folded = _spelt("".join(sorted({case for head in heads for case in _either_case(_BASE32[head >> 3])})))
    any_folded = _spelt(_BASE32 + _BASE32[:26].upper())
    return re.compile(rf"(?:{plain}{_spelt(_BASE64)}{{33}}|{folded}{any_folded}{{39}}){_spelt(_BASE64)}*")


def _either_case(letter: str) -> str:
    return letter.lower() + letter.upper()


_SHAPES = _shapes()

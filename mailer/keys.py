"""The keys of a site: files outside the database and its backups (design.md section 4; standards U5, P14).

    token-0.key ... token-15.key   sign links and return paths; the highest number signs, all of them verify
    suppression.key                hashes the addresses of people we must not write to
    evidence.key                   seals the proof of consent
    django.key                     signs what lives for minutes; a new one harms nobody

Whoever loses the first three loses the links in every letter sent, the memory of who must not be written to,
and the proof of consent: a site that has keys never gets new ones by accident, and they can be printed.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mailer.core.errors import MailerError
from mailer.core.token import KEY_OCTETS, MOST_KEY_ID, fingerprint

_TOKEN = re.compile(r"token-(0|[1-9][0-9]?)\.key")
_LASTING = ("suppression", "evidence")
_LINES = 4
_DIGITS = KEY_OCTETS * 2 // _LINES


class KeysError(MailerError, ValueError):
    """The keys cannot be used as they are; the text names each file and what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys themselves, never shown; `token` by key id."""

    token: Mapping[int, bytes] = field(repr=False)
    suppression: bytes = field(repr=False)
    evidence: bytes = field(repr=False)
    django: str = field(repr=False)


def create(folder: Path, randomness: Callable[[int], bytes]) -> tuple[Path, ...]:
    """Make the keys that a new site lacks, and return their files; none is ever overwritten.

    A folder that lost some of its lasting keys is refused: new ones would look right and open nothing.
    """
    token = _token_names(folder) or ["token-0"]
    missing = [file for file in _files(folder, [*token, *_LASTING]) if not file.exists()]
    if missing and len(missing) < len(token) + len(_LASTING):
        names = ", ".join(file.name for file in missing)
        raise KeysError(
            f"{folder} has lost {names}. Put it back from the printed sheet or from your safe copy. New keys "
            "would break every link already sent and forget who must not be written to."
        )
    missing += [file for file in _files(folder, ["django"]) if not file.exists()]
    if missing:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for file in missing:
            _write(file, randomness(KEY_OCTETS))
        _settle(folder)
    return tuple(missing)


def load(folder: Path) -> Keys:
    """Read all keys; raises KeysError with everything that is wrong, and never says what a key is."""
    names = [*(_token_names(folder) or ["token-0"]), *_LASTING, "django"]
    faults = [*_faults(folder, names)]
    read: dict[str, bytes] = {}
    for name, file in zip(names, _files(folder, names), strict=True):
        try:
            read[name] = _read(file)
        except KeysError as error:
            faults.append(str(error))
    if faults:
        raise KeysError("\n".join(faults))
    token = {int(name.removeprefix("token-")): key for name, key in read.items() if name.startswith("token-")}
    return Keys(MappingProxyType(token), read["suppression"], read["evidence"], read["django"].hex())


def fingerprints(keys: Keys) -> dict[str, str]:
    """What the database keeps, to refuse a start with other keys; django.key may change at any time."""
    return {name: fingerprint(key) for name, key in _lasting(keys)}


def sheet(keys: Keys) -> str:
    """A page to print and lock away, from which the keys can be typed in again."""
    parts = [_INSTRUCTIONS]
    for name, key in _lasting(keys):
        lines = "\n".join(f"    {line}" for line in _typed(key))
        parts.append(f"{name}.key   (fingerprint {fingerprint(key)[:8]})\n\n{lines}\n")
    return "\n".join(parts)


_INSTRUCTIONS = """\
KEYS OF THE MAILER SITE: KEEP THIS SHEET UNDER LOCK

With these keys, and a copy of the database, the site can be brought back after a fire or a theft.
Without them every link in every letter already sent is dead, nobody knows any more who asked never to be
written to, and the proofs of consent cannot be opened. Whoever holds this sheet could leave lists in other
people's names: lock it away, in another place than the computer, and tell your successor where.

To bring a key back, make a text file of the name given below in the folder "keys" of the data directory, and
type its four lines as they stand here. Small or large letters, and blanks, do not matter. The two characters
after "=" check the line: if you mistype one, `mailer check` names it. Then make the file private:
chmod 600 keys/*.key
"""


def _token_names(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("token-*.key"))


def _files(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / f"{name}.key" for name in names]


def _lasting(keys: Keys) -> Iterator[tuple[str, bytes]]:
    for key_id, key in sorted(keys.token.items()):
        yield f"token-{key_id}", key
    yield "suppression", keys.suppression
    yield "evidence", keys.evidence


def _typed(key: bytes) -> Iterator[str]:
    """Four lines of four groups of four digits, each with its check."""
    digits = key.hex()
    for number in range(_LINES):
        line = digits[number * _DIGITS : (number + 1) * _DIGITS]
        groups = " ".join(line[start : start + 4] for start in range(0, _DIGITS, 4))
        yield f"{groups} = {_check(number, line)}"


def _check(number: int, line: str) -> str:
    """Two characters that find a mistyped digit, and a line in the wrong place."""
    return hashlib.sha256(f"{number} {line}".encode()).hexdigest()[:2]


def _read(file: Path) -> bytes:
    """A key from its file: 64 digits as created, or the four lines of the sheet."""
    try:
        text = file.read_text(encoding="ascii").lower()
    except FileNotFoundError:
        raise KeysError(f"{file} is missing: put it back from the printed sheet, or run `mailer init`.") from None
    except (OSError, ValueError) as error:
        raise KeysError(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not plain text'}.") from None
    lines = [re.sub(r"\s", "", line) for line in text.splitlines() if line.strip()]
    digits = "".join(line.partition("=")[0] for line in lines)
    for number, line in enumerate(lines):
        typed, equals, check = line.partition("=")
        if equals and check != _check(number, typed):
            raise KeysError(f"{file}: line {number + 1} is mistyped: compare it with the sheet.")
    if not re.fullmatch(f"[0-9a-f]{{{KEY_OCTETS * 2}}}", digits):
        raise KeysError(f"{file} holds no key: expected {KEY_OCTETS * 2} digits from 0-9 and a-f.")
    return bytes.fromhex(digits)


def _faults(folder: Path, names: Iterable[str]) -> Iterator[str]:
    files = _files(folder, names)
    for file in files:
        if file.name.startswith("token-") and not _is_token_name(file.name):
            yield f"{file}: token keys are called token-0.key to token-{MOST_KEY_ID}.key."
    for place, mode in [(folder, "700"), *((file, "600") for file in files)]:
        if place.exists() and stat.S_IMODE(place.stat().st_mode) & 0o077:
            yield f"{place} can be used by other users of this computer: chmod {mode} {place}"


def _is_token_name(name: str) -> bool:
    found = _TOKEN.fullmatch(name)
    return found is not None and int(found[1]) <= MOST_KEY_ID


def _write(file: Path, key: bytes) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(key.hex() + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _settle(folder: Path) -> None:
    """A file is only there after a power cut if its folder was written too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

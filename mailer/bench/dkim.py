"""`mailer bench dkim`: RSA-2048 signatures of whole letters, body hash included, beside the most that OpenSSL can do.

`openssl speed` counts the bare private operation, in CPU seconds, as is done here.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from time import process_time

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from mailer.bench import sample
from mailer.bench.frame import ROUNDS, Report, compared, in_turn, peak_mib, this_machine
from mailer.bench.wire import BenchRefused
from mailer.core.batch import Copier
from mailer.core.dkim import Signer, body_hash
from mailer.core.message import fields_of
from mailer.core.personalise import Builder
from mailer.core.seal import FixedHeaders, Seal, relaxed_values

_SIGN_RATE = re.compile(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+(?:\S+\s+\S+\s+)?([0-9.]+)\s", re.MULTILINE)
_SECONDS = 1


def run(rounds: int = ROUNDS) -> Report:
    """Signatures a second of one process."""
    key = generate_private_key(65537, 2048)
    sign, head, body = _signing(key)
    padding, algorithm = PKCS1v15(), SHA256()
    ours = in_turn(lambda: _rate(sign), _openssl, rounds)
    bare = in_turn(lambda: _rate(sign), lambda: _rate(lambda: key.sign(head, padding, algorithm)), rounds)
    what = f"DKIM, RSA-2048, body of {len(body):,} octets hashed"
    rows = (
        compared(what, "signatures/s", "openssl speed, bare operation", ours, must="0.85x", aim="0.95x"),
        compared(what, "signatures/s", "the same key in this process, bare operation", bare),
    )
    return Report("dkim", rows, peak_mib(), this_machine())


def signatures_per_second() -> float:
    """What one process signs, and does nothing else."""
    return _rate(_signing(generate_private_key(65537, 2048))[0])


def _signing(key: RSAPrivateKey) -> tuple[Callable[[], bytes], bytes, bytes]:
    """What signs a letter again and again, and the head and body of that letter."""
    seal = Seal((Signer("example.org", "bench", key),), lambda: 1_764_579_600)
    copier = Copier(Builder(sample.letter(), sample.HEADERS), sample.MARKS)
    _, parts = copier.batch(sample.people(1)).letter(0, sample.DATE)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    headers, personal = _prepared(head)
    return lambda: seal.over(headers, personal, body_hash(body, relaxed=True)), head, body


def _prepared(head: bytes) -> tuple[FixedHeaders, list[bytes]]:
    """What a builder makes ready once, and what is personal in this head."""
    personal = (b"To", b"Date", b"Message-ID", b"List-Unsubscribe")
    fields = fields_of(head + b"\r\n")
    fixed = FixedHeaders([(name, None if name in personal else value) for name, value in fields])
    return fixed, relaxed_values([value for name, value in fields if name in personal])


def _rate(work: Callable[[], object]) -> float:
    count, begun = 0, process_time()
    while (spent := process_time() - begun) < _SECONDS:
        for _ in range(20):
            work()
        count += 20
    return count / spent


def _openssl() -> float:
    program = shutil.which("openssl")
    if program is None:
        raise BenchRefused("The command openssl is not here, and it is the peer: install it (Debian: openssl).")
    done = subprocess.run(
        [program, "speed", "-seconds", str(_SECONDS), "rsa2048"], capture_output=True, text=True, check=True
    )
    found = _SIGN_RATE.search(done.stdout)
    if found is None:
        raise BenchRefused(f"openssl speed says something new: {done.stdout[-300:]}")
    return float(found[1])

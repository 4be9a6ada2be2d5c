"""Programs that read bounces, each asked the same: who failed, with which status, and is the address dead.

Sisimai is Debian's libsisimai-perl; flufl.bounce a development dependency. Peers call a report of delay a soft
failure, so for the comparison ours does too.
"""

import email
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mailer.core.bounce import Kind, Reason, read

#: Reads names of files, answers what Sisimai says of each, and how long it took; an odd mail may hang it.
PERL = """
use strict; use warnings; use JSON::PP; use Time::HiRes 'time'; use Sisimai;
my $how = Sisimai->can('rise') || Sisimai->can('make');
$SIG{ALRM} = sub { die "too long\\n" }; $SIG{__WARN__} = sub {};
while (my $file = <STDIN>) {
    chomp $file; my @found; my $began = time;
    my $fine = eval { alarm 10; for my $one (@{$how->('Sisimai', $file, 'delivered' => 1) || []}) {
        my $hard = $one->can('hardbounce') ? $one->hardbounce : $one->softbounce == 0;
        push @found, [$one->recipient->address, $one->deliverystatus, $one->reason, $hard ? 1 : 0] } alarm 0; 1 };
    alarm 0; print encode_json({found => \\@found, raised => $fine ? 0 : 1, seconds => time - $began}), "\\n";
}
"""


class Answer(NamedTuple):
    """What a reader says of one recipient: hard, soft, complaint, autoreply or none."""

    recipient: str | None
    status: str | None
    kind: str


class Reading(NamedTuple):
    """What a reader says of one mail, and how long it took; None where it raised."""

    answers: tuple[Answer, ...] | None
    seconds: float


def timed(reader: Callable[[bytes], tuple[Answer, ...]], raw: bytes) -> Reading:
    """One reading of one mail; that a peer raises is a finding, not an end."""
    began = time.perf_counter()
    try:
        answers: tuple[Answer, ...] | None = reader(raw)
    except Exception:  # noqa: BLE001 - what a peer raises is its own affair
        answers = None
    return Reading(answers, time.perf_counter() - began)


def ours(raw: bytes) -> tuple[Answer, ...]:
    """`mailer.core.bounce.read`."""
    return tuple(
        Answer(found.recipient, found.status, Kind.SOFT if found.reason is Reason.DELAYED else found.kind)
        for found in read(raw).findings
    )


def flufl(raw: bytes) -> tuple[Answer, ...]:
    """flufl.bounce, a development dependency: it knows permanent and temporary failures, and no statuses."""
    from flufl.bounce import all_failures  # noqa: PLC0415 - not installed where mail is sent

    for_now, for_good = all_failures(email.message_from_bytes(raw))
    both = [(address, "hard") for address in for_good] + [(address, "soft") for address in for_now]
    return tuple(Answer(address.decode("utf-8", "replace"), None, kind) for address, kind in both)


def has_sisimai() -> bool:
    """Whether Debian's libsisimai-perl is here."""
    perl = shutil.which("perl")
    if perl is None:
        return False
    return subprocess.run([perl, "-MSisimai", "-e", "1"], capture_output=True, check=False).returncode == 0


def sisimai(paths: list[Path]) -> list[Reading]:
    """Sisimai reads files; one Perl reads them all, so that only its reading is timed."""
    names = "".join(f"{path}\n" for path in paths)
    done = subprocess.run(["perl", "-e", PERL], input=names, capture_output=True, text=True, check=True)
    return [_of_sisimai(json.loads(line)) for line in done.stdout.splitlines()]


def _of_sisimai(said: dict[str, object]) -> Reading:
    kinds = {"feedback": "complaint", "vacation": "autoreply", "delivered": "none"}
    found = said["found"]
    assert isinstance(found, list)  # noqa: S101 - the shape of PERL's own answer
    answers = tuple(Answer(who, code, kinds.get(why, "hard" if hard else "soft")) for who, code, why, hard in found)
    return Reading(None if said["raised"] else answers, float(str(said["seconds"])))

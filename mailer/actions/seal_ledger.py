"""Sealing the consent ledger: new lines join the chain, and its head is also written where no restore reaches."""

import os
from datetime import datetime
from pathlib import Path

from mailer.house import House
from mailer.models import ledger


def heads_file(house: House) -> Path:
    """Where every head of the chain is written down, one a line with its time: beside the journals."""
    return house.journals / "ledger-heads.txt"


def seal_ledger(house: House, now: datetime) -> bool:
    """Seal what is not in the chain yet; False if there was nothing."""
    sealed = False
    for head in ledger.seal_ledger(now):
        _write_down(heads_file(house), f"{now.isoformat()} {head}\n")
        sealed = True
    return sealed


def last_head(house: House) -> str | None:
    """The last head written outside the database; None before the first."""
    try:
        lines = heads_file(house).read_text(encoding="ascii").split("\n")
    except FileNotFoundError:
        return None
    written = [line.split()[-1] for line in lines if line.strip()]
    return written[-1] if written else None


def _write_down(file: Path, line: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as stream:
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())

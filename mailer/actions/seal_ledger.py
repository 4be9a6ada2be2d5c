"""Sealing the consent ledger: new lines join the chain, and its head is also written where no restore reaches."""

import os
from datetime import datetime
from pathlib import Path

from mailer.house import House
from mailer.models import dossier, ledger, setting_up
from mailer.models.base import writing


def heads_file(house: House) -> Path:
    """Where every head of the chain is written down, one a line with its time: beside the journals."""
    return house.journals / "ledger-heads.txt"


def seal_ledger(house: House, now: datetime) -> bool:
    """Seal what is not in the chain yet; False if there was nothing."""
    sealed = False
    while (head := _seal_some(now)) is not None:
        _write_down(heads_file(house), f"{now.isoformat()} {head}\n")
        sealed = True
    return sealed


def _seal_some(now: datetime) -> str | None:
    """The head after the next batch; None if all is sealed. Between two others may write."""
    with writing():
        if not dossier.unsealed():
            return None
        head = ledger.seal_ledger(now)
        setting_up.keep_ledger_head(head)
        return head


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

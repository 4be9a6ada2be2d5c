"""The power cut: what was written and not synced is lost, wholly or here and there.

Emulated is a disk that keeps for certain what a file held at its last fsync, fdatasync or msync (`power.c`), and that
may or may not have written each page of 4 KiB that came later, in any order. A file that was never synced may be gone,
empty of sense or whole. Not emulated: a disk that lies about having synced, and sectors torn within a page.
"""

import random
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_PAGE = 4096


def compiled(folder: Path) -> Path:
    """The library to preload, made for this machine."""
    library = folder / "power.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, _HERE / "power.c", "-ldl"], check=True)
    return library


def begin(data: Path, shadow: Path) -> dict[str, str]:
    """From now on what is synced is kept; what a process needs in its environment for that."""
    shadow.mkdir()
    for file in _files(data):
        shutil.copyfile(file, shadow / str(file.stat().st_ino))
    return {"POWER_ROOT": str(data.resolve()), "POWER_SHADOW": str(shadow)}


def cut(data: Path, shadow: Path, chance: random.Random) -> None:
    """Leave of each file what a disk may have of it; nobody has it open any more."""
    torn = chance.random() < 0.5
    for file in _files(data):
        synced = shadow / str(file.stat().st_ino)
        if file.name.endswith("-shm"):
            file.unlink()  # memory that happens to have a name
        elif synced.exists():
            file.write_bytes(_left(synced.read_bytes(), file.read_bytes(), chance) if torn else synced.read_bytes())
        elif chance.random() < 0.5:
            file.unlink()
        else:
            octets = file.read_bytes()
            file.write_bytes(_left(bytes(len(octets)), octets, chance))


def _left(synced: bytes, written: bytes, chance: random.Random) -> bytes:
    """Each page as it was synced, or as it was written last; the length is one of the two."""
    length = len(chance.choice((synced, written)))
    pages = (chance.choice((synced, written))[at : at + _PAGE] for at in range(0, length, _PAGE))
    return b"".join(page.ljust(_PAGE, b"\0") for page in pages)[:length]


def _files(data: Path) -> list[Path]:
    return [path for path in sorted(data.rglob("*")) if path.is_file()]

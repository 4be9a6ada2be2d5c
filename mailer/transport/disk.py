"""How much room there is."""

import shutil
from pathlib import Path


def free_octets(folder: Path) -> int:
    """What this user may still write on the disk that holds the folder."""
    return shutil.disk_usage(folder).free

"""The settings of the product on a site of its own: tests/config.toml and a data directory that vanishes.

MAILER_TEST_DATABASE names the database: "sqlite" (the default) or a postgresql:// address.
"""

import atexit
import os
import random
import shutil
import tempfile
from pathlib import Path

from mailer import keys

_DATA = Path(tempfile.mkdtemp(prefix="mailer-test-"))
atexit.register(shutil.rmtree, _DATA, ignore_errors=True)
keys.create(_DATA / "keys", random.Random(0).randbytes)

for _name in [name for name in os.environ if name.startswith("MAILER_") and "__" in name]:
    del os.environ[_name]
os.environ["MAILER_CONFIG"] = str(Path(__file__).parent / "config.toml")
os.environ["MAILER_DATA__DIR"] = str(_DATA)
os.environ["MAILER_DATABASE__URL"] = os.environ.get("MAILER_TEST_DATABASE") or "sqlite"

from mailer.settings import *  # noqa: E402, F403
from mailer.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # In memory, threads and processes would not meet the locks of the real thing.
    DATABASES["default"]["TEST"] = {"NAME": _DATA / "test.sqlite3"}

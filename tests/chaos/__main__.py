"""`python -m tests.chaos [--rounds N] [--kind KIND]... [--postgres]`: play many rounds, and print what they came to."""

import argparse
import os
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.arena import Arena
from tests.chaos.events import EVERYWHERE, ON_POSTGRES, ON_SQLITE
from tests.chaos.rounds import Toll

_COLUMNS = (("rounds", 7), ("letters", 9), ("lost", 6), ("doubled", 9), ("uncertain", 11), ("most", 6), ("bound", 7),
            ("in doubt", 10))  # fmt: skip
_HEAD = f"{'event':24}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS)


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """0 if every round came out as promised."""
    asks = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asks.add_argument("--rounds", type=int, default=1, help="rounds of each kind")
    asks.add_argument(
        "--kind", action="append", choices=sorted(EVERYWHERE | ON_POSTGRES | ON_SQLITE), help="only these kinds"
    )
    asks.add_argument("--seed", type=int, default=0)
    asks.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, each worker on its own host")
    asked = asks.parse_args()
    if asked.postgres and "MAILER_TEST_DATABASE" not in os.environ:
        from tests.postgres import main as beside_postgres

        return beside_postgres([sys.executable, "-m", "tests.chaos", *sys.argv[1:]])
    if not asked.postgres:
        os.environ.pop("MAILER_TEST_DATABASE", None)
    _say(_HEAD)
    failed = 0
    with TemporaryDirectory(prefix="mailer-chaos-") as name, Arena(Path(name)) as arena:
        for kind in asked.kind or arena.events:
            tolls = []
            for number in range(asked.rounds):
                began = time.monotonic()
                try:
                    toll = arena.play(kind, asked.seed + number)
                except Exception:  # noqa: BLE001 - a round that cannot be ended is told, and the next is played
                    toll = Toll(kind, faults=[traceback.format_exc()])
                tolls.append(toll)
                for fault in toll.faults:
                    failed += 1
                    _say(f"  {kind} seed {asked.seed + number}: {fault}")
                if os.environ.get("CHAOS_TIMES"):
                    _say(f"  {kind} {time.monotonic() - began:.1f} s {toll}")
            _say(_row(kind, tolls))
    return 1 if failed else 0


def _row(kind: str, tolls: list[Toll]) -> str:
    def total(name: str) -> int:
        return sum(getattr(toll, name) for toll in tolls)

    worst = max(tolls, key=lambda toll: toll.uncertain)
    latest = max(toll.latest for toll in tolls)
    return (
        f"{kind:24}{len(tolls):7}{total('letters'):9}{total('lost'):6}{total('doubled'):9}{total('uncertain'):11}"
        f"{worst.uncertain:6}{worst.bound:7}{total('in_doubt'):10}"
        + (f"  latest {1000 * latest:.0f} ms" if latest else "")
    )


if __name__ == "__main__":
    sys.exit(main())

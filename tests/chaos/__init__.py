"""Chaos: real workers, killed, frozen, unplugged, restored and copied in mid-mailing, and everybody counted after it.

`python -m tests.chaos --rounds 20` prints the table; what may be lost or doubled, and in what bounds, is in
docs/decisions/0007-exactness.md.
"""

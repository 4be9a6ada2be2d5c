"""What a lane has said goes out whole and in order, however many parts it has and however little a socket takes."""

import socket
from collections.abc import Iterable, Sequence
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from mailer.transport.outgoing import Outgoing

LETTER = st.tuples(st.lists(st.binary(max_size=9), max_size=12), st.binary(max_size=9))


class Reluctant:
    """A socket that takes so many octets at each write, and sometimes none; like Linux, of 1,024 pieces at most."""

    def __init__(self, takes: Iterable[int]) -> None:
        self.takes = iter(takes)
        self.taken = b""

    def sendmsg(self, pieces: Sequence[bytes | memoryview]) -> int:
        assert len(pieces) <= 1024
        taken = b"".join(pieces)[: next(self.takes, 1 << 20)]
        if not taken:
            raise BlockingIOError
        self.taken += taken
        return len(taken)


def outgoing(sock: Reluctant) -> Outgoing:
    return Outgoing(cast("socket.socket", sock))


@given(st.lists(LETTER, min_size=1, max_size=3), st.lists(st.integers(0, 12), max_size=60))
def test_letters_in_parts_arrive_whole_and_it_is_known_how_far_the_dot_is(
    letters: list[tuple[list[bytes], bytes]], takes: list[int]
) -> None:
    sock = Reluctant(takes)
    out, said = outgoing(sock), b"DATA\r\n"
    out.say(said)
    for parts, following in letters:
        out.say_letter(parts, sum(map(len, parts)), following)
        said += b"".join(parts) + b".\r\n"
        dot, said = len(said), said + following
        while out.waits:
            out.flush()
            assert out.left == dot - len(sock.taken)
            assert out.waits == (sock.taken != said)
        assert sock.taken == said


def test_a_letter_of_more_parts_than_a_socket_gathers_arrives_whole() -> None:
    sock = Reluctant(())
    out = outgoing(sock)
    parts = [b"%d\r\n" % number for number in range(5000)]
    out.say_letter(parts, sum(map(len, parts)), b"")
    out.flush()
    assert sock.taken == b"".join(parts) + b".\r\n"
    assert not out.waits


def test_of_a_large_letter_the_dot_is_held_until_it_is_said() -> None:
    sock = Reluctant((100_000, 0))
    out = outgoing(sock)
    out.say_letter([b"x" * 99, *[b"y" * 1000] * 300], 300_099, b"MAIL")
    out.flush()
    assert (out.waits, out.is_at_dot, out.left) == (True, False, 300_099 + 3 - 100_000)
    out.flush()
    assert (out.waits, out.is_at_dot, out.left) == (False, True, 3)
    out.say_dot()
    out.flush()
    assert sock.taken.endswith(b"y.\r\nMAIL")
    assert (out.waits, out.is_at_dot, out.left) == (False, False, -4)

"""Any server, letter by letter, against a model of what it did: T4-T9, and of every letter one true answer."""

from collections import Counter, deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.reply import Step
from tests.transport.helpers import envelope
from tests.transport.peer import ONE_BY_ONE, PIPELINING, Peer, Post

_COMMANDS = (Step.MAIL, Step.RCPT, Step.DATA)
_END = b"\r\n.\r\n"


@dataclass(frozen=True)
class Deed:
    """What the server does to one letter: at this step it says this (None: it hangs up), and keeps it or not."""

    step: Step
    says: str | None
    keeps: bool
    resets: bool = False


ACCEPTS = Deed(Step.FINAL_DOT, "250 2.0.0 kept", keeps=True)
_REFUSES = ("451 later", "550 5.1.1 no", "421 bye", "421 4.7.0 slow", "452-more\r\n452 later", "what?", None)
DEEDS = st.one_of(
    st.just(ACCEPTS),
    st.builds(Deed, st.sampled_from(_COMMANDS), st.sampled_from(_REFUSES), st.just(False), st.booleans()),
    st.builds(Deed, st.just(Step.FINAL_DOT), st.sampled_from(_REFUSES[:-2]), st.just(False)),
    st.builds(Deed, st.just(Step.FINAL_DOT), st.sampled_from(_REFUSES[-2:]), st.booleans(), st.booleans()),
)


@dataclass
class Server:
    """Commands in, replies out: `kept` is whose letter it has, `had_dot` whose it had to the end.

    `asks_all_the_same`: DATA is answered 354 though the recipient was refused (RFC 2920 section 3.1).
    """

    deeds: dict[str, Deed]
    order: deque[str]
    asks_all_the_same: bool
    kept: Counter[str] = field(default_factory=Counter)
    had_dot: Counter[str] = field(default_factory=Counter)
    is_over: bool = False
    resets: bool = False
    _buffer: bytes = b""
    _who: str = ""
    _ok: bool = True
    _in_letter: bool = False
    _refused_at: Step | None = None

    def hears(self, octets: bytes) -> bytes:
        self._buffer += octets
        said = b""
        while not self.is_over and (line := self._take()) is not None:
            said += self._letter(line) if self._in_letter else self._command(line)
        return said

    def _take(self) -> bytes | None:
        buffer = b"\r\n" + self._buffer if self._in_letter else self._buffer
        taken, end, rest = buffer.partition(_END if self._in_letter else b"\r\n")
        if not end:
            return None
        self._buffer = rest
        return taken

    def _command(self, line: bytes) -> bytes:
        if line == b"RSET":
            return b"250 forgotten\r\n"
        if line.startswith(b"MAIL"):
            self._ok = True
            self._who = self.order.popleft()
            return self._does(Step.MAIL, "250 sender")
        if line.startswith(b"RCPT"):
            assert line == f"RCPT TO:<{self._who}>".encode()
            return self._does(Step.RCPT, "250 recipient") if self._ok else b"503 MAIL first\r\n"
        assert line == b"DATA", line
        if not self._ok and not (self.asks_all_the_same and self._refused_at is Step.RCPT):
            return b"554 no recipients\r\n"
        said = self._does(Step.DATA, "354 go") if self._ok else b"354 go\r\n"
        self._in_letter = said.startswith(b"354")
        return said

    def _letter(self, content: bytes) -> bytes:
        self._in_letter = False
        if not self._ok:
            assert content in (b"", b"\r\n"), "a refused letter was sent"
            return b"554 for nobody\r\n"
        self.had_dot[self._who] += 1
        self.kept[self._who] += self.deeds[self._who].keeps
        return self._does(Step.FINAL_DOT, "250 kept")

    def _does(self, step: Step, proper: str) -> bytes:
        deed = self.deeds[self._who]
        if deed.step is not step:
            return proper.encode() + b"\r\n"
        self._ok, self._refused_at = False, step
        self.is_over = deed.says is None or deed.says.startswith("421")
        self.resets = self.is_over and deed.resets
        return b"" if deed.says is None else deed.says.encode() + b"\r\n"


def converse(peer: Peer, server: Server, cut: int) -> None:
    """Until neither has anything to say; replies come in pieces of so many octets."""
    while peer.lane.is_open:
        said = server.hears(peer.listen())
        for start in range(0, len(said), cut):
            if peer.lane.is_open:
                peer.end.sendall(said[start : start + cut])
                peer.is_read()
        if not peer.lane.is_open:
            return
        if server.is_over:
            peer.resets() if server.resets else peer.hangs_up()
        elif not said:
            return


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_letter_has_one_true_answer(data: st.DataObject) -> None:
    offers = data.draw(st.sampled_from([PIPELINING, ONE_BY_ONE]))
    deeds = {f"m{n}@example.org": deed for n, deed in enumerate(data.draw(st.lists(DEEDS, min_size=1, max_size=6)))}
    asks, cut = data.draw(st.booleans()), data.draw(st.sampled_from([1, 3, 1000]))
    waiting = deque(Post(envelope(who, is_fit=True)) for who in deeds)
    kept: Counter[str] = Counter()
    had_dot: Counter[str] = Counter()
    answers = {}
    for _ in range(3 * len(deeds)):
        if not waiting:
            break
        server = Server(deeds, deque(post.envelope.recipient for post in waiting), asks)
        with Peer(offers, waiting=waiting) as peer:
            pulled = len(waiting)
            peer.lane.pull(peer.source)
            converse(peer, server, cut)
            ended = list(peer.lane.ended)
            assert len(ended) == pulled - len(waiting), "somebody was not answered, or twice"
        kept += server.kept
        had_dot += server.had_dot
        for parcel, answer in reversed(ended):
            who = parcel.envelope.recipient
            assert who not in answers
            if answer is None:
                waiting.appendleft(Post(parcel.envelope))
            else:
                answers[who] = answer
    assert set(answers) == set(deeds)
    for who, answer in answers.items():
        accepted = answer.reply is not None and answer.reply.code == 250
        in_doubt = answer.reply is None and answer.final_dot_written
        assert kept[who] <= 1
        assert not accepted or kept[who] == 1
        assert kept[who] == 0 or accepted or in_doubt
        assert in_doubt == (had_dot[who] == 1 and deeds[who].says in ("what?", None))

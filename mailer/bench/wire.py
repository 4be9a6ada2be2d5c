"""The other end of the wire, and the peers beside ours: a sink and a limit in C of our own, and Postfix's smtp-source.

Law of the file: everything listens on loopback, is compiled into a folder that goes away, and ends with whoever
started it.
"""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mailer.core.errors import MailerError

_HERE = Path(__file__).parent
_FLAGS = ("-O2", "-march=native")
_LONGEST_RUN = 600.0
_OPENING = b"MAIL FROM:<b@bounce.example.org>\r\nRCPT TO:<member%d@example.net>\r\nDATA\r\n"
#: Debian keeps it where only root looks.
_WHERE_POSTFIX_IS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


class BenchRefused(MailerError, RuntimeError):
    """This machine lacks what a benchmark needs."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiled programs; `tls` is whether the sink can speak it."""

    sink: Path
    source: Path
    tls: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What the sink says of a run; times are those of the monotonic clock, in seconds."""

    letters: int
    connections: int
    refused: int
    first_mail: float
    last_mail: float
    last_kept: float
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """From the first MAIL to the last letter kept."""
        return self.last_kept - self.first_mail

    @property
    def rate(self) -> float:
        """Letters a second."""
        return self.letters / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """What one recipient got: how many letters, and of the last its return path and the hashes of head and body."""

    count: int
    sender: str
    hashes: tuple[str, str]


@contextmanager
def compiled() -> Iterator[Tools]:
    """The sink and the source, compiled for this machine."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchRefused("There is no C compiler, and the sink is C: install one (Debian: gcc and libc6-dev).")
    with tempfile.TemporaryDirectory(prefix="mailer-bench-") as folder:
        sink, source = Path(folder, "sink"), Path(folder, "source")
        with_tls = _compile(compiler, "sink.c", sink, "-DWITH_TLS", "-lssl", "-lcrypto") is None
        for name, program, wanted in (("sink.c", sink, not with_tls), ("source.c", source, True)):
            if wanted and (words := _compile(compiler, name, program)):
                raise BenchRefused(f"{name} cannot be compiled (Debian: install gcc and libc6-dev):\n{words}")
        yield Tools(sink, source, with_tls)


def _compile(compiler: str, name: str, program: Path, *more: str) -> str | None:
    """None, or what the compiler complains of."""
    done = subprocess.run(
        [compiler, *_FLAGS, "-o", program, _HERE / name, *more], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr


class Sink:
    """A running sink; it ends when its stdin is closed, by us or by our end."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port = int(self._answer())

    @property
    def pid(self) -> int:
        return self._process.pid

    def taken(self) -> Taken:
        letters, connections, refused, first, last, kept, cpu = map(int, self._ask("stat").split())
        return Taken(letters, connections, refused, first / 1e9, last / 1e9, kept / 1e9, cpu / 1e6)

    def received(self) -> dict[str, Received]:
        """What every recipient got."""
        with tempfile.NamedTemporaryFile("r", prefix="mailer-bench-", encoding="utf-8") as file:
            self._ask(f"dump {file.name}")
            rows = (line.rstrip("\n").split("\t") for line in file)
            return {to: Received(int(count), sender, (head, body)) for to, sender, count, head, body in rows}

    def forget(self) -> None:
        """Begin anew."""
        self._ask("forget")

    def _ask(self, line: str) -> str:
        _stream(self._process.stdin).write(f"{line}\n")
        _stream(self._process.stdin).flush()
        return self._answer()

    def _answer(self) -> str:
        said = _stream(self._process.stdout).readline()
        if not said:
            raise BenchRefused("The sink has ended before its time.")
        return said.rstrip("\n")


@contextmanager
def sink(
    tools: Tools,
    *,
    delay_ms: int = 0,
    reject_every: int = 0,
    quota: int = 0,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[Sink]:
    """A sink of its own; `certificate` and its key make it speak TLS from the first octet."""
    if certificate and not tools.tls:
        raise BenchRefused("The sink was compiled without TLS: install OpenSSL's headers (Debian: libssl-dev).")
    numbers = (("--delay-ms", delay_ms), ("--reject-every", reject_every), ("--quota", quota))
    words = [str(word) for option in numbers if option[1] for word in option]
    words += ["--tls", *map(str, certificate)] if certificate else []
    process = subprocess.Popen([tools.sink, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Sink(process)
    finally:
        _stream(process.stdin).close()
        process.wait(10)
        _stream(process.stdout).close()


def push(tools: Tools, to: Sink, letter: Path, *, connections: int, letters: int) -> float:
    """Hand a ready letter over as fast as this machine can; letters a second."""
    return _timed([tools.source, to.port, connections, letters, letter], to)


def push_by_tls(to: Sink, letter: bytes, authority: Path, *, connections: int, letters: int) -> float:
    """A ready letter again and again inside TLS, as Python can: what encryption costs, and nothing else."""
    to.forget()
    context = ssl.create_default_context(cafile=authority)
    with ExitStack() as stack:
        lanes = [stack.enter_context(_tls_lane(context, to.port)) for _ in range(connections)]
        for number in range(letters // connections):
            for place, lane in enumerate(lanes):
                opening = _OPENING % (number * connections + place)
                lane.sendall(b"%b.\r\n%b" % (letter, opening) if number else opening)
            for lane in lanes:
                _hear_until(lane, b"354")
        for lane in lanes:
            lane.sendall(b"%b.\r\n" % letter)
            _hear_until(lane, b"250 2.0.0")
    return to.taken().rate


def _tls_lane(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lane = context.wrap_socket(plain, server_hostname="127.0.0.1")
    _hear_until(lane, b"220")
    lane.sendall(b"HELO localhost\r\n")
    _hear_until(lane, b"250")
    return lane


def _hear_until(lane: ssl.SSLSocket, words: bytes) -> None:
    heard = b""
    while words not in heard or not heard.endswith(b"\n"):
        more = lane.recv(4096)
        if not more:
            raise BenchRefused(f"The sink hung up after {heard[-80:]!r}.")
        heard += more


def smtp_source(to: Sink, letter: Path, *, sessions: int, letters: int) -> float | None:
    """The same by Postfix's smtp-source, whose file has plain line ends; None where Postfix is not installed."""
    program = shutil.which("smtp-source", path=_WHERE_POSTFIX_IS)
    if program is None:
        return None
    ends = ["-f", "b@bounce.example.org", "-t", "member@example.net", f"127.0.0.1:{to.port}"]
    return _timed([program, "-d", "-s", sessions, "-m", letters, "-F", letter, *ends], to)


def _timed(command: Sequence[object], to: Sink) -> float:
    to.forget()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=_LONGEST_RUN)
    if done.returncode:
        raise BenchRefused(f"{command[0]} failed: {done.stderr.strip()[:300]}")
    return to.taken().rate


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - both are pipes
    return stream

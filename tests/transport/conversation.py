"""One conversation of the scripted server: the commands of one connection, obeyed in order (RFC 5321)."""

import re
import socket
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from mailer.core.reply import Step
from tests.transport.deeds import Caught, Deed, Moment, Recorded, Then, reply
from tests.transport.pipe import Pipe

if TYPE_CHECKING:
    from tests.transport.wire import Wire


#: What each mechanism says at first, and what it answers to an error challenge.
_BY_TOKEN = {
    "OAUTHBEARER": (
        r"n,a=(?P<user>[^,\x01]+),\x01host=[^\x01]+\x01port=[0-9]+\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01",
        "AQ==",
    ),
    "XOAUTH2": (r"user=(?P<user>[^\x01]+)\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01", ""),
}
_EXPIRED = b64encode(b'{"status":"invalid_token"}').decode()


class _HangUp(Exception):
    """The conversation is over."""


class Conversation:
    """One connection, obeyed line by line."""

    def __init__(self, server: "Wire", sock: socket.socket, recorded: Recorded) -> None:
        self._server, self._recorded = server, recorded
        self._pipe = Pipe(sock, recorded)
        self._buffer = bytearray()
        self._logged_in = not server.users
        self._letters = 0
        self._mail = ""
        self._recipients: list[str] = []

    def run(self) -> None:
        try:
            if self._server.tls == "implicit":
                self._secure()
            self._do(Step.CONNECT, "", "220 mail.example.net ESMTP")
            while True:
                self._obey(self._line())
        except (_HangUp, OSError):
            pass  # either side is gone
        finally:
            self._pipe.close()

    def _obey(self, line: str) -> None:
        verb = line[:4].upper()
        match verb:
            case "EHLO" | "HELO":
                self._greet(line)
            case "STAR":
                self._start_tls(line)
            case "AUTH":
                self._log_in(line)
            case "MAIL":
                self._take_sender(line)
            case "RCPT":
                self._take_recipient(line)
            case "DATA":
                self._take_letter(line)
            case "RSET":
                self._forget()
                self._do(Step.RSET, line, "250 2.0.0 Forgotten")
            case "QUIT":
                self._do(Step.QUIT, line, "221 2.0.0 Bye")
                self._hang_up(Then.DROP)
            case "NOOP":
                self._say(Deed((reply("250 2.0.0 Still here"),)))
            case _:
                self._say(Deed((reply("500 5.5.2 Unknown command"),)))

    def _greet(self, line: str) -> None:
        server = self._server
        offers = ["mail.example.net", *server.offers]
        if server.tls == "starttls" and not self._recorded.secure:
            offers.append("STARTTLS")
        elif server.users:
            offers.append(f"AUTH {server.mechanisms}")
        self._forget()
        self._do(Step.EHLO, line, "250 " + "\n".join(offers))

    def _start_tls(self, line: str) -> None:
        possible = self._server.tls == "starttls" and not self._recorded.secure
        proper = "220 2.0.0 Go ahead" if possible else "503 5.5.1 Not here"
        if self._do(Step.STARTTLS, line, proper) == "2":
            self._buffer.clear()
            self._secure()

    def _secure(self) -> None:
        assert self._server.context is not None, "a Wire with TLS needs a context"
        try:
            self._pipe.secure(self._server.context)
        except OSError as error:
            self._recorded.tls_failure = str(error)
            raise
        self._recorded.secure = True
        self._forget()

    def _log_in(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism.upper() in _BY_TOKEN:
            self._log_in_by_token(line, mechanism.upper(), initial[0])
            return
        if mechanism.upper() == "PLAIN":
            _, user, password = _decoded(initial[0]).split("\0")
        else:
            user, password = (_decoded(self._prompted(line, what)) for what in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"))
        right = self._server.users.get(user) == password
        self._welcome(line, user, "235 2.7.0 Welcome" if right else "535 5.7.8 Wrong user or password")

    def _log_in_by_token(self, line: str, mechanism: str, initial: str) -> None:
        """RFC 7628 section 3: an error challenge in JSON, an answer without a word, and then the refusal."""
        form, answer = _BY_TOKEN[mechanism]
        match = re.fullmatch(form, _decoded(initial))
        user = match["user"].replace("=2C", ",").replace("=3D", "=") if match else ""
        if match and self._server.users.get(user) == match["token"]:
            self._welcome(line, user, "235 2.7.0 Welcome")
        elif self._do(Step.AUTH, line, f"334 {_EXPIRED}") == "3":
            said = self._line()
            proper = "535 5.7.8 Expired" if said == answer else "501 5.5.2 That is no answer to a challenge"
            self._do(Step.AUTH, said, proper)

    def _welcome(self, line: str, user: str, proper: str) -> None:
        if self._do(Step.AUTH, line, proper) == "2":
            self._logged_in = True
            self._server.logins.append(user)

    def _prompted(self, line: str, what: str) -> str:
        return self._line() if self._do(Step.AUTH, line, f"334 {what}") == "3" else ""

    def _take_sender(self, line: str) -> None:
        proper = "250 2.1.0 Sender"
        if not self._logged_in:
            proper = "530 5.7.0 Log in first"
        elif self._mail:
            proper = "503 5.5.1 One MAIL at a time"
        if self._do(Step.MAIL, line, proper) == "2":
            self._mail = line

    def _take_recipient(self, line: str) -> None:
        self._server.attempts[_path(line)] += 1
        proper = "250 2.1.5 Recipient" if self._mail else "503 5.5.1 MAIL first"
        if self._do(Step.RCPT, line, proper) == "2":
            self._recipients.append(_path(line))

    def _take_letter(self, line: str) -> None:
        proper = "354 Go ahead" if self._recipients else "554 5.5.1 No recipients"
        if self._do(Step.DATA, line, proper) != "3":
            return
        if not self._buffer:
            self._hear()
        self._do(Step.BODY, "", "")
        raw = self._letter()
        caught = Caught(_path(self._mail), tuple(self._recipients), self._mail, raw, self._recorded.secure)
        self._do(Step.FINAL_DOT, "", "250 2.0.0 Kept" if self._recipients else "554 5.5.1 For nobody", caught)
        self._forget()

    def _letter(self) -> bytes:
        # The line end of the DATA command counts as the one before the first line.
        while not (end := self._server.end_of_data.search(b"\r\n" + self._buffer)):
            self._hear()
        raw = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end() - 2]
        return raw

    def _forget(self) -> None:
        self._mail = ""
        self._recipients = []

    def _do(self, step: Step, line: str, proper: str, caught: Caught | None = None) -> str:
        """Do the proper thing or what a misbehaviour makes of it; returns the first digit said."""
        server = self._server
        recipient = _path(line) if step is Step.RCPT else next(iter(self._recipients), "")
        with server.lock:
            server.reached[step] += 1
            nth, attempts, kept = server.reached[step], server.attempts[recipient], len(server.messages)
            moment = Moment(step, line, nth, recipient, attempts, self._letters, kept)
            deed = Deed((reply(proper),) if proper else ())
            for misbehaviour in server.misbehaviours:
                deed = misbehaviour(moment, deed)
            keeps = deed.digit == "2" if deed.keeps is None else deed.keeps
            if caught is not None and keeps:
                server.messages.append(caught)
                self._letters += 1
        self._say(deed)
        return deed.digit

    def _say(self, deed: Deed) -> None:
        for piece in deed.says:
            if deed.pause:
                self._server.closing.wait(deed.pause)
            self._pipe.send(piece)
        if deed.then is not Then.GO_ON:
            self._hang_up(deed.then)

    def _hang_up(self, how: Then) -> None:
        if how is Then.STALL:
            self._pipe.wait_for_the_end(self._server.closing)
        elif how is Then.RESET:
            self._pipe.reset()
        else:
            self._pipe.drop()
        raise _HangUp

    def _hear(self) -> None:
        octets = self._pipe.receive()
        if not octets:
            raise _HangUp
        self._recorded.octets += octets
        self._buffer += octets

    def _line(self) -> str:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._hear()
        line = self._buffer[:end].decode("utf-8", "surrogateescape")
        del self._buffer[: end + 2]
        with self._server.lock:
            self._recorded.commands.append(line)
            self._server.commands.append(line)
        return line


def _path(line: str) -> str:
    """The address in a MAIL or RCPT command, octet for octet."""
    match = re.match(r"(?:MAIL FROM|RCPT TO):<([^>]*)>", line, re.IGNORECASE)
    return match[1] if match else ""


def _decoded(text: str) -> str:
    return b64decode(text).decode()

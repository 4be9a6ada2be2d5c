"""A scripted IMAP server on 127.0.0.1, for what Dovecot never does: it records every command and misbehaves on request.

`says` replaces the answer to a command by a line (its tag is put before it), or by None: then it hangs up.
"""

import base64
import re
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Self

from mailer.transport.imap_session import Account

OFFERS = ("IMAP4REV1", "AUTH=PLAIN", "AUTH=XOAUTH2")
_COMMAND = re.compile(rb"(\S+) (?:UID )?(\S+) ?(.*)\r\n", re.IGNORECASE)


class ImapWire:
    """The server, with one user and one folder of messages by uid."""

    def __init__(
        self,
        messages: Mapping[int, bytes] | None = None,
        *,
        offers: Sequence[str] = OFFERS,
        says: Mapping[str, str | None] | None = None,
        secrets: Sequence[str] = ("the password",),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.messages = dict(messages or {})
        self.offers, self.says, self.secrets, self.context = offers, dict(says or {}), secrets, context
        self.commands: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def account(self, **changes: object) -> Account:
        """The user's own mailbox, in the clear."""
        values = {
            "host": "127.0.0.1",
            "port": self._listener.getsockname()[1],
            "tls": "none",
            "user": "anne@example.org",
        }
        return Account(**{**values, "password": self.secrets[0], "timeout": 5, **changes})  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                with suppress(OSError), line:
                    self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        if self.context:
            line = self.context.wrap_socket(line, server_side=True)
        with line, line.makefile("rwb") as stream:
            stream.write(b"* OK ready\r\n")
            stream.flush()
            for said in stream:
                found = _COMMAND.fullmatch(said)
                if not found:
                    continue
                tag, name, arguments = found[1].decode(), found[2].decode().upper(), found[3].decode()
                self.commands.append(f"{name} {arguments}".strip())
                lines = self._answer(name, arguments, stream)
                if lines is None:
                    return
                *untagged, last = lines
                for each in untagged:
                    stream.write(each if isinstance(each, bytes) else f"* {each}\r\n".encode())
                stream.write(f"{tag} {last}\r\n".encode())
                stream.flush()

    def _answer(self, name: str, arguments: str, stream: IO[bytes]) -> list[str | bytes] | None:
        if name in self.says:
            said = self.says[name]
            return None if said is None else [said]
        if name == "AUTHENTICATE":
            return [self._authenticate(arguments, stream)]
        return [*self._data(name, arguments), "OK done"]

    def _data(self, name: str, arguments: str) -> list[str | bytes]:
        match name:
            case "CAPABILITY":
                return ["CAPABILITY " + " ".join(self.offers)]
            case "SELECT":
                return [f"{len(self.messages)} EXISTS", "OK [UIDVALIDITY 7] valid"]
            case "LIST":
                return [r'LIST (\Noselect) "." ""']
            case "SEARCH":
                return ["SEARCH " + " ".join(map(str, self.messages))]
            case "FETCH":
                body = self.messages[int(arguments.partition(" ")[0])]
                return [b"* 1 FETCH (UID 1 BODY[]<0> {%d}\r\n%b)\r\n" % (len(body), body)]
            case _:
                return []

    def _authenticate(self, mechanism: str, stream: IO[bytes]) -> str:
        stream.write(b"+ \r\n")
        stream.flush()
        said = base64.b64decode(stream.readline()).decode()
        if any(said.endswith((f"\0{secret}", f"Bearer {secret}\1\1")) for secret in self.secrets):
            return "OK done"
        if mechanism == "XOAUTH2":
            stream.write(b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
            stream.flush()
            assert stream.readline() == b"\r\n"
        return f"NO [AUTHENTICATIONFAILED] {said!r} {base64.b64encode(said.encode()).decode()} is wrong"

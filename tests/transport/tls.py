"""The TLS kit: one authority that clients trust, and servers that are good or bad in one way each."""

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

HOST = "localhost"


@dataclass(frozen=True, slots=True)
class TlsKit:
    """`ca_file` is for the client; the contexts are for a Wire that listens as `localhost`."""

    ca_file: Path
    good: ssl.SSLContext
    wrong_name: ssl.SSLContext
    expired: ssl.SSLContext
    stranger: ssl.SSLContext
    self_signed: ssl.SSLContext
    tls_1_1: ssl.SSLContext


@pytest.fixture(scope="session")
def tls_kit(tmp_path_factory: pytest.TempPathFactory) -> TlsKit:
    """Made once a run: keys cost time."""
    folder = tmp_path_factory.mktemp("tls")
    authority, unknown = trustme.CA(), trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    past = datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC)
    good = authority.issue_cert(HOST)
    return TlsKit(
        ca_file=ca_file,
        good=_server(good),
        wrong_name=_server(authority.issue_cert("mail.example.net")),
        expired=_server(authority.issue_cert(HOST, not_before=past[0], not_after=past[1])),
        stranger=_server(unknown.issue_cert(HOST)),
        self_signed=_self_signed(unknown, folder),
        tls_1_1=_old(good),
    )


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _self_signed(unknown: trustme.CA, folder: Path) -> ssl.SSLContext:
    both = folder / "self-signed.pem"
    both.write_bytes(unknown.private_key_pem.bytes() + unknown.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


def _old(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server that can do nothing newer than TLS 1.1; OpenSSL 3 allows it only at security level 0."""
    context = _server(certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is deprecated is the point
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context

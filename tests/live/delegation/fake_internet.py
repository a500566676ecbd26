"""A DNS server, TLS servers and simulated homeservers on loopback.

All connections use real sockets. An unprivileged process cannot listen on ports below 1024. So the network of
a test takes an address from DNS, then connects to the port on which the server of the test listens.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dnslib import AAAA, CNAME, QTYPE, RR, SRV, A, DNSRecord  # type: ignore[import-untyped]
from dnslib.server import BaseResolver, DNSServer  # type: ignore[import-untyped]

from synadmin.delegation.connection import Trust
from synadmin.delegation.dns import DnsResolver
from synadmin.delegation.names import Address
from synadmin.delegation.server_check import Network
from synadmin.delegation.signing_keys import canonical

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dnslib.server import DNSHandler

    from synadmin.delegation.dns import Addresses
    from synadmin.http.deadline import Deadline

VERSION = "/_matrix/federation/v1/version"
KEYS = "/_matrix/key/v2/server"
VERSIONS = "/_matrix/client/versions"
SERVER_FILE = "/.well-known/matrix/server"
CLIENT_FILE = "/.well-known/matrix/client"
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
_YEAR = 365 * 24 * 3600 * 1000  # milliseconds
_CORS = {"Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. With ``pace``, its bytes are sent one by one, that many seconds apart."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    pace: float | None = None


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def server_well_known(to: str) -> Reply:
    return json_reply({"m.server": to})


def signed_keys(server_name: str, *, until: int | None = None, tampered: bool = False) -> dict[str, Any]:
    """Return the signed keys that a homeserver with this name publishes."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    published: dict[str, Any] = {
        "server_name": server_name,
        "valid_until_ts": int(time.time() * 1000) + _YEAR if until is None else until,
        "verify_keys": {"ed25519:a": {"key": _unpadded(public)}},
        "old_verify_keys": {},
    }
    signature = _unpadded(key.sign(canonical(published)))
    if tampered:
        published["old_verify_keys"] = {"ed25519:b": {"key": "AAAA", "expired_ts": 1}}
    return published | {"signatures": {server_name: {"ed25519:a": signature}}}


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def homeserver_replies(server_name: str) -> dict[str, Reply]:
    """Return the answers of a correctly configured homeserver, by path."""
    return {
        VERSION: json_reply({"server": {"name": "Testing", "version": "1.2"}}),
        KEYS: json_reply(signed_keys(server_name)),
        VERSIONS: Reply(200, b'{"versions": ["v1.11"]}', {"Content-Type": "application/json", **_CORS}),
    }


def client_well_known(base_url: str) -> Reply:
    return Reply(
        200,
        json.dumps({"m.homeserver": {"base_url": base_url}}).encode(),
        {"Content-Type": "application/json", **_CORS},
    )


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that a server received."""

    sni: str | None
    host: str | None
    path: str


class TlsServer:
    """An HTTPS server on loopback with one certificate."""

    def __init__(
        self, certificate: trustme.LeafCert, answers: Mapping[str, Reply], ip: str = "127.0.0.1"
    ) -> None:
        self.answers = dict(answers)
        self.requests: list[ReceivedRequest] = []
        self._stopped = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        names: dict[int, str | None] = {}
        self._sni_names = names

        def remember_sni(
            connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
        ) -> None:
            names[id(connection)] = name

        context.sni_callback = remember_sni

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in ip else socket.AF_INET
            daemon_threads = True

            def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
                # This is the thread of the connection: a handshake that hangs blocks no other connection.
                with contextlib.suppress(OSError):
                    request.settimeout(60)
                    request = context.wrap_socket(request, server_side=True)
                    super().finish_request(request, client_address)
                    request.close()

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server((ip, 0), Handler)
        self.address = Address(ip, self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        sni = self._sni_names.get(id(handler.connection))
        self.requests.append(ReceivedRequest(sni, handler.headers.get("Host"), handler.path))
        reply = self.answers.get(handler.path) or self.answers.get("*") or Reply(404, b"not here")
        with contextlib.suppress(OSError):
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
            if reply.pace is None:
                handler.wfile.write(reply.body)
                return
            for byte in reply.body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                if self._stopped.wait(reply.pace):
                    return

    def hosts(self, path: str) -> set[tuple[str | None, str | None]]:
        """Return the SNI names and Host headers of the requests for a path."""
        return {(request.sni, request.host) for request in self.requests if request.path == path}

    def close(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RawServer:
    """A TCP server without TLS. ``behave`` handles each connection."""

    def __init__(self, behave: Callable[[socket.socket, threading.Event], None]) -> None:
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])

        def serve() -> None:
            while not self._stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = self._listener.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                behave(connection, self._stopped)

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._listener.close()


def stay_silent(_connection: socket.socket, stopped: threading.Event) -> None:
    stopped.wait(600)


def hang_up(_connection: socket.socket, _stopped: threading.Event) -> None:
    pass


def end_tls(connection: socket.socket, _stopped: threading.Event) -> None:
    connection.recv(1024)
    connection.sendall(b"\x15\x03\x03\x00\x02\x01\x00")  # the alert close_notify


def answer_plain_http(connection: socket.socket, _stopped: threading.Event) -> None:
    connection.recv(1024)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


class Zone(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """The answers of the DNS server: records, error codes of some names, and names without an answer."""

    def __init__(self) -> None:
        self.records: list[RR] = []
        self.codes: dict[str, int] = {}
        self.unanswered: set[str] = set()
        self.queries: list[tuple[str, str]] = []
        self.stopped = threading.Event()

    def a(self, name: str, ip: str = "127.0.0.1") -> None:
        self.records.append(RR(name, QTYPE.A, rdata=A(ip)))

    def aaaa(self, name: str, ip: str = "::1") -> None:
        self.records.append(RR(name, QTYPE.AAAA, rdata=AAAA(ip)))

    def cname(self, name: str, to: str) -> None:
        self.records.append(RR(name, QTYPE.CNAME, rdata=CNAME(to)))

    def srv(self, name: str, host: str, port: int, *, priority: int = 10, weight: int = 0) -> None:
        self.records.append(RR(name, QTYPE.SRV, rdata=SRV(priority, weight, port, host)))

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        del handler
        name = str(request.q.qname).rstrip(".").lower()
        kind = QTYPE[request.q.qtype]
        self.queries.append((name, kind))
        reply = request.reply()
        if name in self.unanswered:
            self.stopped.wait(600)
            return reply
        if name in self.codes:
            reply.header.rcode = self.codes[name]
            return reply
        known = False
        for record in self.records:
            if str(record.rname).rstrip(".").lower() != name:
                continue
            known = True
            if QTYPE[record.rtype] in {kind, "CNAME"}:
                reply.add_answer(record)
        if not known:
            reply.header.rcode = NXDOMAIN
        return reply


class PortMappingResolver(DnsResolver):
    """The resolver of synadmin. It replaces each port by the one on which the server of the test listens."""

    ports: Mapping[tuple[str, int], int]

    def addresses(self, host: str, port: int) -> Addresses:
        found = super().addresses(host, port)
        return replace(
            found,
            found=tuple(
                Address(address.ip, self.ports.get((address.ip, address.port), address.port))
                for address in found.found
            ),
        )


@dataclass(frozen=True, slots=True)
class FakeNetwork(Network):
    """The network of a test: its DNS server, its certificate authority and its port mapping."""

    ports: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def resolver(self, deadline: Deadline) -> DnsResolver:
        resolver = PortMappingResolver(deadline, nameserver=self.nameserver, overrides=self.overrides)
        resolver.ports = self.ports
        return resolver


class FakeInternet:
    """A DNS server, a certificate authority, and the servers that a test starts."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        self.zone = Zone()
        self.ports: dict[tuple[str, int], int] = {}
        self._closing = contextlib.ExitStack()
        dns = DNSServer(self.zone, address="127.0.0.1", port=0, logger=_NullLogger()).server
        dns.daemon_threads = True
        dns.block_on_close = False
        threading.Thread(target=dns.serve_forever, args=(0.02,), daemon=True).start()
        self._closing.callback(dns.server_close)
        self._closing.callback(dns.shutdown)
        self._closing.callback(self.zone.stopped.set)
        self.nameserver = Address("127.0.0.1", dns.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def certificate(self, *names: str, ends: dt.datetime | None = None) -> trustme.LeafCert:
        return self.authority.issue_cert(*names, not_after=ends)

    def https(
        self,
        certificate: trustme.LeafCert | str,
        answers: Mapping[str, Reply],
        *,
        ip: str = "127.0.0.1",
        port: int | None = None,
    ) -> TlsServer:
        """Start an HTTPS server. The network of the test maps ``port`` to it."""
        if isinstance(certificate, str):
            certificate = self.certificate(certificate)
        server = TlsServer(certificate, answers, ip)
        self._closing.callback(server.close)
        if port is not None:
            self.ports[ip, port] = server.address.port
        return server

    def raw(
        self, behave: Callable[[socket.socket, threading.Event], None], *, port: int | None = None
    ) -> RawServer:
        server = RawServer(behave)
        self._closing.callback(server.close)
        if port is not None:
            self.ports["127.0.0.1", port] = server.address.port
        return server

    def close_port(self, port: int, ip: str = "127.0.0.1") -> None:
        """Map a port to one on which nothing listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.ports[ip, port] = probe.getsockname()[1]

    def network(self, **overrides: Any) -> FakeNetwork:  # noqa: ANN401
        return FakeNetwork(
            trust=Trust(str(self.ca_file)),
            nameserver=overrides.pop("nameserver", self.nameserver),
            ports=self.ports,
            **overrides,
        )


class _NullLogger:
    """A logger for dnslib that writes nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None

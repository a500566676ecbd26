"""Checks one address: TLS, the certificate, the version, the keys, the Admin API.

Sources: Matrix specification, Server-Server API, "Server implementation" and "Publishing Keys".
"""

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

import msgspec

from synadmin.delegation import certificate, signing_keys
from synadmin.delegation.checks import ERROR, WARNING, Check
from synadmin.delegation.connection import NoAnswerError, TlsConnection, Trust, connect
from synadmin.delegation.names import Address
from synadmin.http.deadline import Deadline
from synadmin.http.reader import Answer

VERSION = "/_matrix/federation/v1/version"
KEYS = "/_matrix/key/v2/server"
ADMIN = "/_synapse/admin/v1/server_version"
_ALLOWED_IN = frozenset({"M_MISSING_TOKEN", "M_UNKNOWN_TOKEN", "M_FORBIDDEN"})
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LONGEST_NAME = 80  # characters of the name and version of a server's software


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The target of a probe.

    Attributes:
        server_name: the server name that the homeserver should have.
        certificate_name: the name that its certificate must have.
        host_header: the ``Host`` of the requests.
    """

    server_name: str
    certificate_name: str
    host_header: str


@dataclass(slots=True)
class Probe:
    """The result of probing an address.

    Attributes:
        checks: the checks with their results.
        connects: the address takes connections, even if it does not answer requests.
        unchecked: this machine cannot reach such addresses, so they were not checked.
        software: the name that the server gives for its software.
    """

    address: Address
    checks: list[Check] = field(default_factory=list)
    connects: bool = True
    unchecked: bool = False
    software: str | None = None
    version: str | None = None

    @property
    def works(self) -> bool:
        """Whether another homeserver gets valid answers here."""
        return not self.unchecked and all(check.ok or check.severity != ERROR for check in self.checks)

    @property
    def is_untrusted(self) -> bool:
        """Whether the address answers, and only its certificate is wrong."""
        failed = {check.name for check in self.checks if not check.ok and check.severity == ERROR}
        return not self.unchecked and failed == {"certificate"}

    def add(self, name: str, detail: str, *, ok: bool = True, severity: str = ERROR) -> None:
        """Add the result of a check."""
        self.checks.append(Check(name, ok=ok, detail=f"{self.address}: {detail}", severity=severity))


def probe(address: Address, target: ProbeTarget, trust: Trust, deadline: Deadline, now: datetime) -> Probe:
    """Check an address. A failure is a check of the result, not raised."""
    probe = Probe(address)
    try:
        connection = _connect_and_check(probe, target, trust, deadline, now)
    except NoAnswerError as error:
        probe.connects, probe.unchecked = error.connected, error.no_route
        detail = str(error)
        if error.no_route:
            detail += ": this machine has no route to the address, so this says nothing about the server"
        probe.checks.append(Check("connection", ok=error.no_route, detail=detail))
        return probe
    try:
        for name, ask in _PROBES.items():
            if connection.closed:
                connection = TlsConnection(
                    address, target.certificate_name, trust.unverified, deadline.share()
                )
            try:
                ask(probe, connection, target, deadline.share(), now)
            except NoAnswerError as error:
                if name != "admin-api":
                    probe.checks.append(Check(name, ok=False, detail=str(error)))
                break
    except NoAnswerError as error:
        probe.checks.append(Check("connection", ok=False, detail=str(error)))
    finally:
        connection.close()
    return probe


def _connect_and_check(
    probe: Probe, target: ProbeTarget, trust: Trust, deadline: Deadline, now: datetime
) -> TlsConnection:
    """Connect and check the certificate; stay connected even if it is not valid."""
    name = target.certificate_name
    connection, shown, problems = connect(probe.address, name, trust, deadline.share(), now)
    if problems or shown is None:
        probe.add("certificate", "; ".join(problems), ok=False)
        return connection
    ends = f"valid until {shown.ends:%Y-%m-%d}, from {shown.issuer}"
    if certificate.expires_soon(shown, now):
        days = certificate.days_left(shown, now)
        detail = f"the certificate for {name} ends in {days} days, on {shown.ends:%Y-%m-%d}: renew it"
        probe.add("certificate", detail, ok=False, severity=WARNING)
    else:
        probe.add("certificate", f"for {name}, {ends}")
    return connection


def _version(
    probe: Probe, connection: TlsConnection, target: ProbeTarget, deadline: Deadline, _now: datetime
) -> None:
    answer = connection.get(VERSION, target.host_header, deadline)
    problem, content = read(answer, VERSION)
    if problem is None and not _server(content):
        problem = f"{VERSION} does not say what software it is"
    if problem is not None:
        probe.add("version", problem, ok=False)
        return
    probe.software, probe.version = named(content)
    probe.add("version", f"{probe.software or 'unnamed software'} {probe.version or ''}".rstrip())


def named(content: object) -> tuple[str | None, str | None]:
    """Return the software and its version from an answer of :data:`VERSION`; None where it has none."""
    server = _server(content)
    return _short(server.get("name")), _short(server.get("version"))


def _server(content: object) -> dict[str, object]:
    server = content.get("server") if isinstance(content, dict) else None
    return server if isinstance(server, dict) else {}


def _short(value: object) -> str | None:
    return value[:_LONGEST_NAME] if isinstance(value, str) else None


def _keys(
    probe: Probe, connection: TlsConnection, target: ProbeTarget, deadline: Deadline, now: datetime
) -> None:
    answer = connection.get(KEYS, target.host_header, deadline)
    problem, content = read(answer, KEYS)
    if problem is None:
        problem = signing_keys.problem(content, target.server_name, int(now.timestamp() * 1000))
    if problem is not None:
        probe.add("keys", problem, ok=False)
        return
    probe.add("keys", f"published by {target.server_name}, signed, and not expired")


def _admin(
    probe: Probe, connection: TlsConnection, target: ProbeTarget, deadline: Deadline, _now: datetime
) -> None:
    if exposes_admin_api(connection.get(ADMIN, target.host_header, deadline)):
        probe.add("admin-api", EXPOSED, ok=False, severity=WARNING)
    else:
        probe.add("admin-api", "/_synapse/admin is not reachable here", severity=WARNING)


_PROBES = {"version": _version, "keys": _keys, "admin-api": _admin}

EXPOSED = (
    "/_synapse/admin is reachable: let the proxy pass on /_matrix and /_synapse/client only, "
    "and reach the Admin API from the machine itself or through a tunnel"
)


def exposes_admin_api(answer: Answer) -> bool:
    """Whether Synapse's Admin API answers, even if it refuses the request."""
    _, content = read(answer, ADMIN, any_status=True)
    if not isinstance(content, dict):
        return False
    return "server_version" in content or content.get("errcode") in _ALLOWED_IN


def read(answer: Answer, path: str, *, any_status: bool = False) -> tuple[str | None, object]:
    """Return the error of an answer, as a sentence, and its content."""
    if answer.status != HTTPStatus.OK and not any_status:
        hint = ""
        if answer.status == HTTPStatus.NOT_FOUND:
            hint = ": the proxy does not pass it on, or this is no homeserver"
        elif answer.status in {
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.GATEWAY_TIMEOUT,
        }:
            hint = ": the proxy does not reach the homeserver behind it"
        return f"{path} answers HTTP {answer.status}{hint}", None
    if answer.cut:
        return f"{path} answers more than {len(answer.content)} bytes: this is no homeserver", None
    try:
        return None, msgspec.json.decode(answer.content)
    except _UNREADABLE:
        what = "HTML" if answer.content.lstrip()[:1] == b"<" else "something that is not JSON"
        return f"{path} answers {what}: this is no homeserver", None

"""Measures how fast other servers answer: a few requests for the federation version over one connection."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from synadmin.delegation.connection import NoAnswerError, TlsConnection, connect_trusted
from synadmin.delegation.discovery import Route, discover
from synadmin.delegation.names import parse_name
from synadmin.delegation.probe import VERSION, named, read
from synadmin.delegation.server_check import Network
from synadmin.http.deadline import Deadline

FAST = 200.0  # milliseconds


@dataclass(slots=True)
class Ping:
    """The times and the answer of a server.

    Attributes:
        sent: how many requests were to be sent.
        milliseconds: how long each answer took, from the request to its last byte; the TLS handshake
            does not count.
        software: the name that the server gives for its software.
        problem: why an answer is missing, as a sentence.
    """

    server_name: str
    sent: int
    milliseconds: list[float] = field(default_factory=list)
    software: str | None = None
    version: str | None = None
    problem: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the server answered at least once."""
        return bool(self.milliseconds)

    @property
    def average(self) -> float:
        """Return the average in milliseconds; infinity where there was no answer."""
        return sum(self.milliseconds) / len(self.milliseconds) if self.milliseconds else float("inf")

    def as_record(self) -> dict[str, Any]:
        """Return the ping as scripts get it."""
        took = self.milliseconds
        return {
            "server_name": self.server_name,
            "sent": self.sent,
            "received": len(took),
            "min_ms": round(min(took), 1) if took else None,
            "avg_ms": round(self.average, 1) if took else None,
            "max_ms": round(max(took), 1) if took else None,
            "software": self.software,
            "version": self.version,
            "problem": self.problem,
        }


def ping(server_name: str, network: Network, *, count: int, timeout: float) -> Ping:
    """Ask a server for its version.

    Args:
        server_name: the server name.
        network: the resolver, the fetcher and the trusted certificates.
        count: the number of requests.
        timeout: seconds after which the ping ends, even if the server does not answer.

    Raises:
        UsageError: it is not a server name.
    """
    result = Ping(server_name, count)
    name = parse_name(server_name)
    deadline = Deadline(timeout)
    route = discover(name, network.resolver(deadline), network.fetcher(deadline)).route
    connection: TlsConnection | None = None
    try:
        for _ in range(count):
            if connection is None or connection.closed:
                connection = _connect(route, network, deadline)
            if not _send_ping(result, connection, route, deadline):
                connection.close()
                connection = None
    except NoAnswerError as error:
        result.problem = str(error)
    finally:
        if connection is not None:
            connection.close()
    return result


def _connect(route: Route, network: Network, deadline: Deadline) -> TlsConnection:
    """Connect as another homeserver does: to the first address that answers with a valid certificate.

    Raises:
        NoAnswerError: no address does.
    """
    failure: NoAnswerError | None = None
    for target in route.targets:
        if not target.addresses.found:
            failure = failure or NoAnswerError(target.addresses.problem or f"{target.host} has no address")
        for address in target.addresses.found:
            try:
                return connect_trusted(address, route.certificate_name, network.trust, deadline.share())
            except NoAnswerError as error:
                if failure is None or failure.no_route:
                    failure = error
    raise failure or NoAnswerError(f"{route.srv} says that there is no such service")


def _send_ping(result: Ping, connection: TlsConnection, route: Route, deadline: Deadline) -> bool:
    """Send one request, and return whether the connection can be used again."""
    started = time.monotonic()
    try:
        answer = connection.get(VERSION, route.host_header, deadline.share())
    except NoAnswerError as error:
        result.problem = str(error)
        return False
    took = (time.monotonic() - started) * 1000
    problem, content = read(answer, VERSION)
    if problem is not None or answer.status != HTTPStatus.OK:
        result.problem = f"{connection.address}: {problem}"
        return True
    result.milliseconds.append(took)
    result.software, result.version = named(content)
    return True


def ping_all(server_names: Sequence[str], ping_one: Callable[[str], Ping], *, at_once: int) -> Iterator[Ping]:
    """Ping many servers; yield each result as soon as it is known."""
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for done in as_completed([pool.submit(ping_one, name) for name in server_names]):
                yield done.result()
        finally:
            # After Ctrl-C, pings that have not begun are not sent.
            pool.shutdown(wait=False, cancel_futures=True)

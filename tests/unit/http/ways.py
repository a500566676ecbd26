"""Transports for tests that check their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synadmin.http.connection import Connection
from synadmin.http.transport import Retries, Transport
from synadmin.http.wire import RequestsWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.ids import UserId
    from synadmin.journal import Journal


def way_to(
    homeserver: str,
    token: str | None = None,
    *,
    timeout: float = 60.0,
    longest_wait: float = 60.0,
    ca_file: str | None = None,
    journal: Journal | None = None,
    notify: Callable[[str], None] = lambda _: None,
    trace: Callable[[str], None] | None = None,
    owner: UserId | None = None,
) -> Transport:
    """Return a transport to a homeserver over the default wire."""
    connection = Connection(homeserver, token=token, timeout=timeout, ca_file=ca_file)
    retries = Retries(longest_wait=longest_wait, notify=notify, trace=trace)
    return Transport(connection, RequestsWire(connection), journal=journal, retries=retries, owner=owner)

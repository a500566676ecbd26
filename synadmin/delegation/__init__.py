"""Checks whether other servers and clients find a homeserver by its name, and what to do if not.

>>> from synadmin.delegation import check
>>> check("example.org").verdict
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synadmin.delegation.server_check import ServerCheck


def check(
    server_name: str,
    *,
    timeout: float = 60.0,
    ca_file: str | None = None,
    nameserver: str | None = None,
    resolve: Sequence[str] = (),
) -> "ServerCheck":
    """Check that other servers, and clients, find the homeserver behind a server name.

    Args:
        server_name: the part of its user ids after the colon.
        timeout: seconds after which the check ends, even if a server does not answer.
        ca_file: certificates to trust instead of the system's.
        nameserver: ``ADDRESS[:PORT]``, used instead of the system's.
        resolve: ``NAME:PORT:ADDRESS[:PORT]`` each: addresses to use instead of those in DNS.

    Raises:
        UsageError: one of these values is not valid.
        SettingsError: the file of certificates has no certificates.

    Source: Matrix specification, Server-Server API, "Resolving server names".
    """
    from synadmin.delegation.names import parse_name
    from synadmin.delegation.server_check import Network, check_server

    parse_name(server_name)
    return check_server(server_name, Network.parsed(ca_file, nameserver, resolve), timeout=timeout)

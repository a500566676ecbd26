"""The server itself.

Source: Synapse, ``docs/admin_api/version_api.md`` and ``synapse/rest/admin/__init__.py``.
"""

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup


class ServerVersion(Record, frozen=True, kw_only=True):
    """The version of Synapse."""

    server_version: str


VERSION = Endpoint("GET", "/_synapse/admin/v1/server_version", ServerVersion)


class Server(ResourceGroup):
    """The server itself: ``synapse.server``."""

    def version(self) -> ServerVersion:
        """Return Synapse's version. Needs no token.

        Source: ``VersionServlet``.
        """
        return self._send(VERSION)

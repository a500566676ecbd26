"""A session of ``requests`` with a deadline for the whole answer."""

import io
import socket
from http.client import HTTPResponse
from typing import Any

import requests
import urllib3
from requests.utils import get_environ_proxies

from synadmin._version import __version__
from synadmin.http.connection import Connection
from synadmin.http.deadline import Deadline


class UnfollowingSession(requests.Session):
    """A session without redirects: they would turn a POST into a GET, and send the token to other servers."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: otherwise requests prepares the next request even if it follows no redirect.

        This fails with a ValueError for a Location that is not a URL.
        """
        del resp


def session(connection: Connection) -> UnfollowingSession:
    """Return a session for one homeserver."""
    made = bounded_session()
    if not connection.is_local:
        # No proxy on this machine: plain http is allowed there because requests do not leave it.
        made.proxies.update(get_environ_proxies(connection.homeserver))
    if connection.ca_file is not None:
        made.verify = connection.ca_file
    adapter = _Adapter(connection.socket_path, pool_connections=1, pool_maxsize=connection.pool_size)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def bounded_session() -> UnfollowingSession:
    """Return a session with one timeout for the whole answer, even if its bytes arrive slowly."""
    made = UnfollowingSession()
    # The environment sets the proxies, below. ~/.netrc must not replace our Authorization header.
    made.trust_env = False
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter())
    made.headers["User-Agent"] = f"synadmin/{__version__}"
    # The encodings that the reader can decompress.
    made.headers["Accept-Encoding"] = "gzip, deflate"
    return made


class _Bounded(io.RawIOBase):
    """Reads from a socket until a deadline. A timeout for each read does not end a very slow answer."""

    def __init__(self, plain: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._socket = plain
        self._raw = raw
        # urllib3 has set the rest of the whole timeout on the socket.
        self._deadline = Deadline(plain.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedAnswer(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Bounded(sock, self.fp.detach()))


class _PlainConnection(urllib3.connection.HTTPConnection):
    response_class = _BoundedAnswer


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _BoundedAnswer


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _unix_pool(path: str) -> type[urllib3.HTTPConnectionPool]:
    class UnixConnection(_PlainConnection):
        def _new_conn(self) -> socket.socket:
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
                made.connect(path)
            except BaseException:
                made.close()
                raise
            return made

    class UnixPool(urllib3.HTTPConnectionPool):
        ConnectionCls = UnixConnection

    return UnixPool


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, socket_path: str | None = None, **options: Any) -> None:
        self._pools = {"http": _PlainPool, "https": _TlsPool}
        if socket_path is not None:
            self._pools = {"http": _unix_pool(socket_path)}
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **named: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **named)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager

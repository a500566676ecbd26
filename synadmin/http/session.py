"""The session of ``requests`` that a transport sends with."""

import requests
from requests.utils import get_environ_proxies

from synadmin._version import __version__


class UnfollowingSession(requests.Session):
    """A session that follows no redirect: one turns a POST into a GET, and takes the token elsewhere."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Name no target: else the next request is made ready even where nobody follows.

        That fails with a ValueError over a Location that is no URL.
        """
        del resp


def session(homeserver: str, *, proxied: bool, ca_file: str | None, connections: int) -> UnfollowingSession:
    """Return a session for one homeserver.

    Args:
        homeserver: the base URL.
        proxied: go through the proxies that the environment names. What is meant for this machine stays
            on it: plain http is allowed there because of that.
        ca_file: certificates to trust instead of the usual ones.
        connections: how many to keep open.
    """
    made = UnfollowingSession()
    # Proxies are wanted from the environment; ~/.netrc, which would replace our header, is not.
    made.trust_env = False
    if proxied:
        made.proxies.update(get_environ_proxies(homeserver))
    if ca_file is not None:
        made.verify = ca_file
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=connections)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    made.headers["User-Agent"] = f"synadmin/{__version__}"
    return made

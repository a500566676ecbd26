"""The client for the settings of the user; both the command line and the library use it."""

from typing import TYPE_CHECKING, TypedDict

from synadmin.errors import SettingsError
from synadmin.settings import REFRESH_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.http.transport import Transport
    from synadmin.mas.service import MasAccess
    from synadmin.settings import Settings


class Options(TypedDict, total=False):
    """The options of a client, as :class:`synadmin.client.Synapse` explains them."""

    token: str | None
    timeout: float
    longest_wait: float
    ca_file: str | None
    notify: "Callable[[str], None] | None"
    trace: "Callable[[str], None] | None"
    connections: int
    allow_plain_http: bool
    transport: "Transport | None"
    mas: "MasAccess | None"
    renewed: "Callable[[], str] | None"


def connection_of(
    settings: "Settings", *, token: str | None = None, anonymous: bool = False
) -> tuple[str, Options]:
    """Return the homeserver's base URL and the options of its client.

    Args:
        settings: the settings.
        token: a token to use instead of that of the settings.
        anonymous: no token is needed.

    Raises:
        SettingsError: no homeserver or no token is set.
        ConnectError: the homeserver is given as a server name, and is not found by that name.
    """
    from synadmin.http.well_known import base_url

    given = token is not None
    unread = f" ({settings.unread_profile})" if settings.unread_profile else ""
    if settings.homeserver is None:
        raise SettingsError(
            f"no homeserver is configured{unread}",
            hint="run `synadmin login`, or set SYNADMIN_HOMESERVER and SYNADMIN_ACCESS_TOKEN",
        )
    if not anonymous:
        token = token or settings.token()
        if token is None:
            raise SettingsError(
                f"no access token is configured{unread}",
                hint="run `synadmin login`, or set SYNADMIN_ACCESS_TOKEN, _FILE or _COMMAND",
            )
    return base_url(settings.homeserver, timeout=settings.timeout, ca_file=settings.ca_file), {
        "token": token,
        "timeout": settings.timeout,
        "ca_file": settings.ca_file,
        "connections": settings.concurrency,
        "allow_plain_http": settings.allow_plain_http,
        "mas": _mas_access(settings),
        "renewed": None if anonymous or given else _renewed(settings),
    }


def _renewed(settings: "Settings") -> "Callable[[], str] | None":
    """Return the function that renews the token of the profile; None if it is not one of a pair."""
    if not settings.values.get(REFRESH_TOKEN):
        return None
    from synadmin.client import Synapse
    from synadmin.library.token_pair import pair_of
    from synadmin.mas.oauth import OAuth

    def oauth() -> OAuth:
        homeserver, options = connection_of(settings, anonymous=True)
        synapse = Synapse(homeserver, **options)
        return OAuth(synapse.transport, synapse.auth_metadata or {}, settings.allow_plain_http)

    pair = pair_of(settings, oauth)
    return None if pair is None else pair.token


def _mas_access(settings: "Settings") -> "MasAccess | None":
    if settings.mas is None and settings.mas_client_id is None:
        return None
    from synadmin.mas.service import MasAccess

    return MasAccess(
        settings.mas, settings.mas_client_id, settings.mas_client_secret, settings.allow_plain_http
    )

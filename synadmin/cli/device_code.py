"""Signing in by device code (RFC 8628) where the Matrix Authentication Service (MAS) manages the accounts.

A person types a code in a browser. This starts a session, which makes a personal token and then ends.
"""

import contextlib
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synadmin.cli.mas_required import BY_COMPATIBILITY
from synadmin.errors import (
    ConnectError,
    MatrixError,
    NotPermittedError,
    NotSupportedError,
    RefusedError,
    ServerError,
    SynadminError,
)
from synadmin.ids import localpart_of

if TYPE_CHECKING:
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse
    from synadmin.mas.oauth import AccessToken, DeviceCode, OAuth
    from synadmin.mas.service import Mas

_HINT = f"its operator sets oauth.device_code_grant_enabled. Or {BY_COMPATIBILITY}"
_DEVICE = "device_authorization_endpoint"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A token that was made by signing in.

    Attributes:
        profile: further values of the profile.
        expires_at: the expiry of the token, RFC 3339; None for a token that is renewed.
        why_not_personal: why it is a renewed pair of tokens, not a personal token.
    """

    secret: str = field(repr=False)
    profile: Mapping[str, str | None] = field(repr=False)
    expires_at: str | None = None
    why_not_personal: str | None = None


def require_device_code(synapse: "Synapse") -> "OAuth":
    """Return the OAuth operations for a sign-in by device code.

    Raises:
        RefusedError: MAS does not offer the device code.
    """
    from synadmin.mas.oauth import OAuth

    oauth = OAuth(synapse.transport, synapse.auth_metadata or {}, synapse.allow_plain_http)
    for name in (_DEVICE, "registration_endpoint"):
        try:
            oauth.url(name)
        except NotSupportedError as error:
            message = (
                "the Matrix Authentication Service (MAS) manages the accounts of this server, and offers no "
                "sign-in by device code"
            )
            raise RefusedError(message, hint=_HINT) from error
    return oauth


@contextlib.contextmanager
def signed_in(invocation: "Invocation", synapse: "Synapse", *, expires: int) -> Iterator[SignedIn]:
    """Sign in by device code and make a personal token. If the block fails, the session is ended.

    If no personal token can be made, the pair of tokens of the sign-in is returned.

    Args:
        synapse: the homeserver, without a token.
        expires: the expiry of the token, in milliseconds since the epoch.

    Raises:
        SynadminError: the code was denied or expired.
    """
    oauth = require_device_code(synapse)
    client_id, tokens = _signed_in(invocation, oauth)
    ends = True
    try:
        with invocation.synapse(token=tokens.access_token) as mine:
            why_not = _why_no_personal_token(mine)
            if why_not is not None:
                yield _pair(tokens, client_id, why_not)
                ends = False
                return
            mas = mine.mas
            if mas is None:
                raise RefusedError("the homeserver no longer says that MAS manages its accounts")
            token, session = _personal_token(mas, mine.owner, expires)
            try:
                yield token
            except BaseException:
                with contextlib.suppress(SynadminError):
                    mas.personal_sessions.revoke(session)
                raise
    finally:
        if ends:
            with contextlib.suppress(SynadminError):
                oauth.revoke(tokens.access_token, client_id)


def _why_no_personal_token(mine: "Synapse") -> str | None:
    from synadmin.mas.service import PERSONAL_SESSIONS

    try:
        if mine.mas is not None:
            mine.mas.require(PERSONAL_SESSIONS, for_what="personal tokens")
    except RefusedError as error:
        return f"{error}. {error.hint}"
    return None


def _pair(tokens: "AccessToken", client_id: str, why_not: str) -> SignedIn:
    from synadmin.library.token_pair import changes_of

    if tokens.refresh_token is None:
        raise RefusedError(f"MAS gave no token that can be renewed. {why_not}", hint=BY_COMPATIBILITY)
    return SignedIn(tokens.access_token, changes_of(tokens, client_id), why_not_personal=why_not)


def _personal_token(mas: "Mas", owner: str, expires: int) -> tuple[SignedIn, str]:
    from synadmin import settings
    from synadmin.mas.oauth import MAS_ADMIN_SCOPE, MATRIX_SCOPE, SYNAPSE_ADMIN_SCOPE

    me = mas.users.by_username(localpart_of(owner))
    lasts = max(1, round(expires / 1000 - mas.transport.server_time()))
    scope = f"{MATRIX_SCOPE} {SYNAPSE_ADMIN_SCOPE} {MAS_ADMIN_SCOPE}"
    made = mas.personal_sessions.create(
        me.id, f"synadmin login on {platform.node()}", scope, expires_in=lasts
    )
    profile = {settings.MAS_SESSION: made.id}
    return SignedIn(str(made.attributes.access_token), profile, made.attributes.expires_at), made.id


def _signed_in(invocation: "Invocation", oauth: "OAuth") -> "tuple[str, AccessToken]":
    from synadmin.mas.oauth import DEVICE_CODE, MAS_ADMIN_SCOPE, MATRIX_SCOPE, SYNAPSE_ADMIN_SCOPE

    client = oauth.register()
    if DEVICE_CODE not in client.grant_types:
        message = "the Matrix Authentication Service (MAS) does not let this program sign in by device code"
        raise RefusedError(message, hint=_HINT)
    code = oauth.device_code(client.client_id, f"{MATRIX_SCOPE} {SYNAPSE_ADMIN_SCOPE} {MAS_ADMIN_SCOPE}")
    minutes = max(1, round(code.expires_in / 60))
    invocation.warn(
        f"Open {code.verification_uri_complete or code.verification_uri} in a browser, sign in as a server "
        f"admin, and type the code {code.user_code}. It is valid for {minutes} minutes: waiting."
    )
    return client.client_id, _awaited(oauth, client.client_id, code)


def _awaited(oauth: "OAuth", client_id: str, code: "DeviceCode") -> "AccessToken":
    """Poll until the person has allowed the sign-in, and return the token."""
    until = time.monotonic() + code.expires_in
    while time.monotonic() < until:
        time.sleep(code.interval)
        try:
            return oauth.device_token(client_id, code.device_code)
        except (ConnectError, ServerError):
            continue  # the service restarts, or the network fails for a moment
        except MatrixError as error:
            if error.errcode == "access_denied":
                message = "the sign-in was denied in the browser"
                raise NotPermittedError(status=error.status, errcode=error.errcode, reason=message) from error
            if error.errcode == "expired_token":
                break
            if error.errcode not in {"authorization_pending", "slow_down"}:
                raise
    raise SynadminError(
        "the code has expired before the sign-in was allowed",
        hint="run `synadmin login` again. Where the browser says that you may not have these rights, a "
        "server admin of MAS gives them: mas-cli manage promote-admin USER",
    )

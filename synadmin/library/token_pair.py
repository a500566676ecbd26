"""The pair of tokens from a sign-in at MAS, for users who cannot make a personal token.

The access token expires after minutes. The refresh token gives a new pair, but only once. So the pair is in
the profile and is renewed under a lock: of two runs at the same time, the second one finds the new pair of
the first one.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from synadmin import files, settings
from synadmin.errors import MatrixError, NotAuthenticatedError, ServerError

if TYPE_CHECKING:
    from synadmin.mas.oauth import AccessToken, OAuth
    from synadmin.settings import Settings

_EARLY = 30.0  # seconds before it expires
_LIFE = 300.0  # seconds, where the server does not say


def pair_of(chosen: "Settings", oauth: "Callable[[], OAuth]") -> "TokenPair | None":
    """Return the pair of a profile; None where another token is used.

    Args:
        chosen: the settings.
        oauth: returns the operations to sign in; called only if the pair has to be renewed.
    """
    # The tokens are not compared: another run may have renewed the pair since the settings were read.
    if not chosen.token_in_profile:
        return None
    held = settings.in_profile(chosen.profile)
    return TokenPair(chosen.profile, oauth, held) if held.get(settings.REFRESH_TOKEN) else None


def changes_of(tokens: "AccessToken", client_id: str) -> dict[str, str | None]:
    """Return the values of a pair that a profile stores."""
    lasts = tokens.expires_in or _LIFE
    return {
        settings.TOKEN: tokens.access_token,
        settings.REFRESH_TOKEN: tokens.refresh_token,
        settings.REFRESH_CLIENT: client_id,
        settings.TOKEN_EXPIRES: str(int(time.time() + lasts)),
    }


class TokenPair:
    """An access token and a refresh token, renewed before the access token expires."""

    def __init__(self, profile: str, oauth: "Callable[[], OAuth]", held: Mapping[str, str]) -> None:
        self._profile = profile
        self._oauth = oauth
        self._held = held
        self._renewing = threading.Lock()

    def token(self) -> str:
        """Return an access token that is valid for 30 seconds at least.

        Raises:
            NotAuthenticatedError: the session has ended.
            SynadminError: there was no answer.
        """
        with self._renewing:
            if self._is_over():
                lock = settings.profile_file(self._profile).with_suffix(".lock")
                with files.locked(lock, wait=True):
                    self._held = settings.in_profile(self._profile)
                    if self._is_over():
                        self._renew()
            return self._held[settings.TOKEN]

    def _is_over(self) -> bool:
        expires = self._held.get(settings.TOKEN_EXPIRES, "0")
        return not expires.isdecimal() or time.time() > int(expires) - _EARLY

    def _renew(self) -> None:
        client_id = self._held.get(settings.REFRESH_CLIENT, "")
        try:
            tokens = self._oauth().refreshed(client_id, self._held.get(settings.REFRESH_TOKEN, ""))
        except ServerError:
            raise
        except MatrixError as error:
            message = f"the session at MAS has ended: {error.reason}"
            hint = "`synadmin login` signs in again"
            raise NotAuthenticatedError(
                status=401, errcode=error.errcode, reason=message, hint=hint
            ) from error
        settings.write_profile(self._profile, changes_of(tokens, client_id))
        self._held = settings.in_profile(self._profile)

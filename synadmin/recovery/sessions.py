"""Acting for a moment as other local users, with tokens that live for minutes and are ended when done.

Such a token makes no device and touches none of the user's own sessions.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from synadmin.client import Synapse
from synadmin.errors import NotAuthenticatedError, SynadminError
from synadmin.ids import UserId

_LIFE = 600.0  # seconds; what a crash leaves behind is worthless after that
_RENEWED = 300.0  # seconds after which a new token is taken, long before the old one ends


class Sessions:
    """The ways to the server as the users that this run acts as.

    A context manager: on leaving, every token is ended.
    """

    def __init__(self, synapse: Synapse, say: Callable[[str], None] = lambda _: None) -> None:
        """Prepare; nobody is logged in before they are needed.

        Args:
            synapse: the server, with a server admin's token.
            say: is told where a token could not be ended.
        """
        self._synapse = synapse
        self._say = say
        self._open: dict[UserId, tuple[Synapse, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def of(self, user: UserId) -> Synapse:
        """Return the server as this user sees it; the token's owner acts with the token it has.

        Raises:
            NotFoundError: there is no such user.
            NotSupportedError: the Matrix Authentication Service keeps the accounts of this server.
        """
        if user == self._synapse.owner:
            return self._synapse
        held = self._open.get(user)
        if held is not None and time.monotonic() - held[1] < _RENEWED:
            return held[0]
        if held is not None:
            self.end(user)
        until = int((time.time() + _LIFE) * 1000)
        token = self._synapse.users.login(user, valid_until_ms=until).access_token
        acting = self._synapse.as_user(user, token)
        self._open[user] = (acting, time.monotonic())
        return acting

    def end(self, user: UserId) -> None:
        """End the token of one user, where there is one."""
        held = self._open.pop(user, None)
        if held is None:
            return
        try:
            held[0].client_server.logout()
        except NotAuthenticatedError:
            pass  # deactivating and suspending end it by themselves
        except SynadminError as error:
            self._say(f"The token for {user} could not be ended ({error}); it ends by itself in minutes.")
        finally:
            held[0].transport.close()

    def close(self) -> None:
        """End every token."""
        for user in list(self._open):
            self.end(user)

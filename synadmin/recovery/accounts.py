"""What state a local account is in, and waking one for a moment."""

import time
from collections.abc import Callable

from synadmin.api.users import DEACTIVATE, MODIFY, SUSPEND, UserDetails
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import UserId
from synadmin.power.room import Account, AccountState
from synadmin.recovery.temporary import Restoration, Temporary

_PATIENCE = 20.0  # seconds until Synapse has taken a deactivated user out of their rooms
_STEP = 0.1


def account_of(synapse: Synapse, user: UserId) -> Account:
    """Return what state a local account is in, asked of the server."""
    try:
        details = synapse.users.get(user)
    except NotFoundError:
        return Account(AccountState.MISSING)
    state = AccountState.ACTIVE
    if details.deactivated:
        state = AccountState.DEACTIVATED
    elif details.suspended:
        # Through a locked account power can be given, through a suspended one it cannot, locked or not.
        state = AccountState.SUSPENDED
    elif details.locked:
        state = AccountState.LOCKED
    return Account(state, details.shadow_banned)


def waking(synapse: Synapse, temporary: Temporary, user: UserId) -> None:
    """Make an account able to act, until ``temporary`` puts its state back.

    All that keeps it from acting is lifted: one may be locked and suspended at once. Nobody's password is
    changed by it, and what was erased is erased again.

    Raises:
        SynadminError: it could not be done.
    """
    before = synapse.users.get(user)
    users = synapse.users

    def as_before(name: str) -> Callable[[], bool]:
        return lambda: getattr(users.get(user), name) == getattr(before, name)

    if before.deactivated:
        back = Restoration(
            DEACTIVATE.method,
            DEACTIVATE.filled({"target_user_id": user}),
            # Reactivating takes the mark of an erased account away, so it is set again.
            {"erase": before.erased},
            is_so=lambda: _is_deactivated(synapse, before),
            asleep=user,
        )
        with temporary.making(back):
            users.modify(user, deactivated=False)
    if before.locked:
        path = MODIFY.filled({"user_id": user})
        back = Restoration(MODIFY.method, path, {"locked": True}, is_so=as_before("locked"), asleep=user)
        with temporary.making(back):
            users.modify(user, locked=False)
    if before.suspended:
        path = SUSPEND.filled({"target_user_id": user})
        back = Restoration(SUSPEND.method, path, {"suspend": True}, is_so=as_before("suspended"), asleep=user)
        with temporary.making(back):
            users.suspend(user, suspend=False)


def _is_deactivated(synapse: Synapse, before: UserDetails) -> bool:
    """Tell whether an account is deactivated as before, and out of its rooms: Synapse sees to that later."""
    now = synapse.users.get(before.name)
    if not now.deactivated or now.erased != before.erased:
        return False
    until = time.monotonic() + _PATIENCE
    while "join" in synapse.users.memberships(before.name).memberships.values():
        if time.monotonic() > until:
            return False
        time.sleep(_STEP)
    return True

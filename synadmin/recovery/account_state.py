"""What state a local account is in, and waking one for a short time."""

from synadmin.api.users import DEACTIVATE, MODIFY, SUSPEND
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import UserId
from synadmin.power.room import Account, AccountState
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges


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


def enable_temporarily(synapse: Synapse, temporary: TemporaryChanges, user: UserId) -> None:
    """Make an account able to act, until ``temporary`` puts its state back.

    All that keeps it from acting is lifted: one may be locked and suspended at once. Nobody's password is
    changed by it, and what was erased is erased again.

    Raises:
        SynadminError: it could not be done.
    """
    before = synapse.users.get(user)
    users = synapse.users

    if before.deactivated:
        back = Revert(
            DEACTIVATE.method,
            DEACTIVATE.filled({"target_user_id": user}),
            # Reactivating takes the mark of an erased account away, so it is set again.
            {"erase": before.erased},
            asleep=user,
        )
        with temporary.apply(back):
            users.reactivate(user)
    if before.locked:
        path = MODIFY.filled({"user_id": user})
        back = Revert(MODIFY.method, path, {"locked": True}, asleep=user)
        with temporary.apply(back):
            users.modify(user, locked=False)
    if before.suspended:
        path = SUSPEND.filled({"target_user_id": user})
        back = Revert(SUSPEND.method, path, {"suspend": True}, asleep=user)
        with temporary.apply(back):
            users.suspend(user, suspend=False)

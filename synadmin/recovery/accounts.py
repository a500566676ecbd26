"""What state a local account is in, and waking one for a moment."""

from synadmin.api.users import DEACTIVATE, MODIFY, SUSPEND
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import UserId
from synadmin.power.room import Account, AccountState
from synadmin.recovery.temporary import Restoration, Temporary


def account_of(synapse: Synapse, user: UserId) -> Account:
    """Return what state a local account is in, asked of the server."""
    try:
        details = synapse.users.get(user)
    except NotFoundError:
        return Account(AccountState.MISSING)
    state = AccountState.ACTIVE
    if details.deactivated:
        state = AccountState.DEACTIVATED
    elif details.locked:
        state = AccountState.LOCKED
    elif details.suspended:
        state = AccountState.SUSPENDED
    return Account(state, details.shadow_banned)


def waking(synapse: Synapse, temporary: Temporary, user: UserId, state: AccountState) -> None:
    """Make an account able to act, until ``temporary`` puts its state back.

    Nobody's password is changed by it, and what was erased is erased again.

    Raises:
        SynadminError: it could not be done.
    """
    before, erased = account_of(synapse, user), synapse.users.get(user).erased

    def is_so() -> bool:
        return account_of(synapse, user) == before and synapse.users.get(user).erased == erased

    match state:
        case AccountState.DEACTIVATED:
            # Reactivating takes the mark of an erased account away, so it is set again.
            path, body = DEACTIVATE.filled({"target_user_id": user}), {"erase": erased}
            with temporary.making(Restoration(DEACTIVATE.method, path, body, is_so=is_so)):
                synapse.users.modify(user, deactivated=False)
        case AccountState.SUSPENDED:
            path = SUSPEND.filled({"target_user_id": user})
            with temporary.making(Restoration(SUSPEND.method, path, {"suspend": True}, is_so=is_so)):
                synapse.users.suspend(user, suspend=False)
        case AccountState.LOCKED:
            path = MODIFY.filled({"user_id": user})
            with temporary.making(Restoration(MODIFY.method, path, {"locked": True}, is_so=is_so)):
                synapse.users.modify(user, locked=False)
        case _:
            message = f"an account that is {state} cannot be woken"
            raise ValueError(message)

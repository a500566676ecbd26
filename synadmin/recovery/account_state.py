"""Enable an account to act for a short time; its state is restored afterwards."""

from synadmin.api.users import DEACTIVATE, MODIFY, SUSPEND, UserDetails
from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.mas.users import DEACTIVATE as DEACTIVATE_IN_MAS
from synadmin.mas.users import LOCK as LOCK_IN_MAS
from synadmin.recovery.mas_account import MasAccount, account_in_mas
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges


def enable_temporarily(synapse: Synapse, temporary: TemporaryChanges, user: UserId) -> None:
    """Make an account able to act, until ``temporary`` restores its state.

    Every state that keeps the account from acting is lifted: it may be locked and suspended at once. The
    password does not change. An erased account is erased again afterwards.

    Raises:
        SynadminError: the account could not be enabled.
    """
    before = synapse.users.get(user)
    users = synapse.users
    in_mas = account_in_mas(synapse, user)
    if in_mas is not None:
        _enable_in_mas(in_mas, temporary, before)
    elif before.deactivated:
        with temporary.apply(_deactivating(user, before)):
            users.reactivate(user)
    if before.locked and in_mas is None:
        back = Revert.by(MODIFY, {"user_id": user}, {"locked": True}, disables=user)
        with temporary.apply(back):
            users.modify(user, locked=False)
    if before.suspended:
        back = Revert.by(SUSPEND, {"target_user_id": user}, {"suspend": True}, disables=user)
        with temporary.apply(back):
            users.suspend(user, suspend=False)


def _deactivating(user: UserId, before: UserDetails) -> Revert:
    # Reactivating removes the mark of an erased account: it is set again.
    return Revert.by(DEACTIVATE, {"target_user_id": user}, {"erase": before.erased}, disables=user)


def _enable_in_mas(account: MasAccount, temporary: TemporaryChanges, before: UserDetails) -> None:
    """Make an account that MAS manages active and unlocked. Meanwhile its owner can sign in."""
    user, id_ = account.user_id, {"id": account.record.id}
    if account.is_deactivated or before.deactivated:
        back = _deactivating(user, before)  # only Synapse has it deactivated: in MAS nothing is reverted
        if account.is_deactivated:
            body = {"skip_erase": not before.erased}
            back = Revert.by(DEACTIVATE_IN_MAS, id_, body, disables=user)
        with temporary.apply(back, transport=account.mas.transport):
            account.reactivate()
    if account.is_locked:
        back = Revert.by(LOCK_IN_MAS, id_, None, disables=user)
        with temporary.apply(back, transport=account.mas.transport):
            account.set_locked(locked=False)

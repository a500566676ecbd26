"""Lifting the rate limits of the token's owner for the length of a run.

Synapse asks for the override of the authenticated entity, which is the caller, also for what it does in
other people's names: set on the caller, every limit of a run is gone at once. It is an account setting,
and so a temporary change like any other.
"""

from synadmin.api.users import DELETE_RATELIMIT, SET_RATELIMIT
from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.recovery.read_back import numbers
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges


def lift(synapse: Synapse, temporary: TemporaryChanges) -> None:
    """Lift every rate limit of the run until ``temporary`` puts it back.

    Raises:
        SynadminError: it could not be done.
    """
    _lift(synapse, temporary, synapse.owner)

    def lift_own(user: UserId) -> None:
        if synapse.mas_manages_accounts:  # there a token to act as a user is that user's own
            _lift(synapse, temporary, user)

    temporary.when_acting(lift_own)


def _lift(synapse: Synapse, temporary: TemporaryChanges, user: UserId) -> None:
    before = synapse.users.ratelimit(user)
    if before.messages_per_second == 0 and before.burst_count == 0:
        return
    earlier = numbers(before)
    endpoint = DELETE_RATELIMIT if earlier is None else SET_RATELIMIT
    back = Revert.by(endpoint, {"user_id": user}, earlier)
    with temporary.apply(back, lasting=user != synapse.owner):
        synapse.users.set_ratelimit(user, messages_per_second=0, burst_count=0)

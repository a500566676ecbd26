"""Lifting the rate limits of the token's owner for the length of a run.

Synapse applies the override of the caller, whose token is used, also to requests in the name of other users.
So one override on the caller lifts every limit of a run. The override is an account setting, and so
a temporary change.
"""

from synadmin.api.users import DELETE_RATELIMIT, SET_RATELIMIT
from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.recovery.read_back import numbers
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges


def lift(synapse: Synapse, temporary: TemporaryChanges) -> None:
    """Lift every rate limit of the run until ``temporary`` puts it back.

    Raises:
        SynadminError: the limits could not be lifted.
    """
    _lift(synapse, temporary, synapse.owner)

    def lift_own(user: UserId) -> None:
        if synapse.mas_manages_accounts:  # with MAS, a token to act as a user belongs to that user
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

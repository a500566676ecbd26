"""Bring a user into a room for a short time."""

from dataclasses import dataclass, field

from synadmin.api.client_server import LEAVE
from synadmin.ids import RoomId, UserId
from synadmin.recovery.temporary_changes import Revert
from synadmin.recovery.workspace import Recovery

_IN = frozenset({"invite", "join"})


@dataclass(frozen=True, slots=True)
class TemporaryMembership:
    """Lets local users join one room temporarily and leave it again.

    Attributes:
        recovery: the run; at its end they leave again.
        room_id: the room.
        leaves: whether the users have to leave; Synapse removes an account that is deactivated again.
    """

    recovery: Recovery
    room_id: RoomId
    leaves: bool = True
    _invited: set[UserId] = field(default_factory=set)

    def invite(self, user: UserId, *, by: UserId) -> None:
        """Invite a user who is to join. Leaving also rejects the invitation, if it was not accepted."""
        inviter = self.recovery.as_user(by).client_server
        if not self.leaves:
            inviter.invite(self.room_id, user)
            return
        with self.recovery.temporary.apply(
            self._leaving(user), by=by, is_made=lambda: self._membership(user) in _IN
        ):
            inviter.invite(self.room_id, user)
        self._invited.add(user)

    def join(self, user: UserId, *, via: list[str] | None = None) -> None:
        """Join a user until ``temporary`` makes them leave."""
        guest = self.recovery.as_user(user).client_server
        if not self.leaves or user in self._invited:
            guest.join(self.room_id, via=via)
            return
        # Only a join is reverted: an invitation from before this run is not rejected.
        with self.recovery.temporary.apply(
            self._leaving(user), is_made=lambda: self._membership(user) == "join"
        ):
            guest.join(self.room_id, via=via)

    def _membership(self, user: UserId) -> str | None:
        return self.recovery.observer.membership_now(user, self.room_id)

    def _leaving(self, user: UserId) -> Revert:
        reason = self.recovery.journal.reason
        body = {} if reason is None else {"reason": reason}
        return Revert.by(LEAVE, {"room_id": self.room_id}, body, user=user)

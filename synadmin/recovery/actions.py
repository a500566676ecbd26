"""How each step of a plan becomes requests. mypy names an action that is missing here."""

import time
from collections.abc import Sequence
from typing import assert_never

from synadmin.errors import NotPermittedError
from synadmin.ids import UserId
from synadmin.power.level_changes import Edit
from synadmin.power.room import RoomView
from synadmin.power.steps import Action, Plan, Step
from synadmin.recovery.account_state import enable_temporarily
from synadmin.recovery.change_levels import send_levels
from synadmin.recovery.temporary_membership import TemporaryMembership
from synadmin.recovery.workspace import Recovery

_INVITATION_DELAYS = (0.5, 1.0, 2.0)  # seconds until an invitation has reached another server


class StepRunner:
    """Carries out the steps of a plan for one room."""

    def __init__(self, recovery: Recovery, plan: Plan, view: RoomView, via: Sequence[str]) -> None:
        """Prepare the steps; no request is sent.

        Args:
            recovery: the run.
            plan: the plan.
            view: the room as it was when it was planned.
            via: servers to join it through.
        """
        self.recovery = recovery
        self.view = view
        self._via = via
        self._temporary_members = {step.user for step in plan.steps if step.action is Action.LEAVE}
        self._membership = TemporaryMembership(recovery, view.room_id)

    def carry_out(self, step: Step) -> None:
        """Carry out a step that does not revert an earlier one.

        Raises:
            SynadminError: it did not succeed.
            ValueError: the step reverts an earlier one; ``TemporaryChanges`` does that.
        """
        room_id, synapse = self.view.room_id, self.recovery.synapse
        actor = step.as_user or synapse.owner
        match step.action:
            case Action.MAKE_ROOM_ADMIN:
                before = {"room_id": room_id, "power_levels": self.view.power_levels}
                with synapse.transport.recording(before=before):
                    synapse.rooms.make_admin(room_id, user_id=step.user)
            case Action.SET_LEVEL:
                edit = Edit(users={step.user: step.level})
                send_levels(self.recovery.observer, self.recovery.as_user(actor), self.view, edit)
            case Action.INVITE if step.user in self._temporary_members:
                self._membership.invite(step.user, by=actor)
            case Action.INVITE:
                self.recovery.as_user(actor).client_server.invite(room_id, step.user)
            case Action.JOIN if step.user in self._temporary_members:
                self._membership.join(step.user, via=[*self._via])
            case Action.JOIN:
                self._join(step.user)
            case Action.UNBAN:
                self.recovery.as_user(actor).client_server.unban(room_id, step.user)
            case Action.REACTIVATE | Action.UNLOCK | Action.UNSUSPEND:
                enable_temporarily(synapse, self.recovery.temporary, step.user)
            case Action.LEAVE | Action.DEACTIVATE | Action.LOCK | Action.SUSPEND:
                raise ValueError(f"{step.action} comes after the plan, and is not carried out alone")
            case _:
                assert_never(step.action)

    def _join(self, user: UserId) -> None:
        """Join; try again while the server that is asked does not know the invitation yet."""
        room_id = self.view.room_id
        client = self.recovery.as_user(user).client_server
        for pause in (*_INVITATION_DELAYS, None):
            try:
                client.join(room_id, via=[*self._via])
            except NotPermittedError:
                invited = self._via and self.recovery.observer.membership_now(user, room_id) == "invite"
                if pause is None or not invited:
                    raise
                time.sleep(pause)
            else:
                return

"""Upgrading a room as planned: the new room, its members, its spaces; then it is read back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from synadmin.errors import (
    ConnectError,
    JournalError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    ReplyError,
    SynadminError,
    UnfinishedError,
)
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.events import CANONICAL_ALIAS, CREATE, JOIN_RULES, SPACE_PARENT, TOMBSTONE
from synadmin.power.events import creators as creators_of
from synadmin.power.room import Reach
from synadmin.recovery import outcome
from synadmin.recovery.announce import announce
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.parent_spaces import (
    ParentSpace,
    editor_of,
    follow_space,
    replace_child,
    rooms_tied_to,
)
from synadmin.recovery.reader import state_of
from synadmin.recovery.room_control import control_of
from synadmin.recovery.upgrade_plan import RoomUpgrade, SpaceStep, join_users
from synadmin.recovery.workspace import Recovery

_MANY = 5  # invitations that the default rate limits let pass


@dataclass
class Upgrade:
    """Carries out the upgrade of one room.

    Attributes:
        recovery: the run.
        planned: the plan.
        allow: how far it may go.
        announcement: a message for the new room, from its creator.
    """

    recovery: Recovery
    planned: RoomUpgrade
    allow: Reach
    announcement: str | None = None
    problems: list[str] = field(default_factory=list)

    def carry_out(self) -> RoomUpgrade:
        """Take the steps, read the new room back, and return the result.

        Raises:
            UnfinishedError: the room was replaced; then the token became invalid, or the journal cannot be
                written.
            SynadminError: the room was not replaced, or it is unknown whether it was.
        """
        planned = self.planned
        if not planned.steps or planned.outcome != outcome.PLANNED:
            return planned
        with self.recovery.lock(planned.room_id):
            if len(planned.invited) > _MANY:
                self.recovery.lift_rate_limits()
            before = self._state(planned.room_id)
            new = planned.new_room_id or self._send_upgrade()
            try:
                if self._replacement() != new:
                    return self._unread(new, "the old room does not show that it was replaced")
                for step in planned.steps:
                    if step.action != "upgrade":
                        self._take(step, new)
                self._announce(new)
                return self._read_back(new, before)
            except (JournalError, NotAuthenticatedError) as error:
                raise UnfinishedError(error, self._unread(new, str(error)).as_record()) from error
            except SynadminError as error:
                return self._unread(new, str(error))

    def _unread(self, new: RoomId, why: str) -> RoomUpgrade:
        """Return the result where the server has named the new room, and it was not read back."""
        message = (
            f"The server named {new} as the new room. It was not read back: {why.rstrip('.')}. "
            "Run the command again to finish."
        )
        unread = replace(self.planned, outcome="unknown", reason="server-error", message=message)
        return replace(unread, new_room_id=new)

    def _announce(self, new: RoomId) -> None:
        """Send the announcement to the new room, if there is one."""
        actor = self.planned.actor
        if self.announcement is None or actor is None:
            return
        failed = announce(self.recovery.as_user(actor), new, self.announcement)
        status: outcome.StepState = "done" if failed is None else "failed"
        step = StepTaken("announce", actor, f"As {actor} announce it in the new room.", status)
        self.planned = replace(self.planned, steps=(*self.planned.steps, step))
        if failed is not None:
            self.problems.append(f"the announcement: {failed}")

    def _send_upgrade(self) -> RoomId:
        planned, step = self.planned, self.planned.steps[0]
        earlier = self._replacement()
        if earlier is not None:
            message = f"{planned.room_id} was upgraded to {earlier} in the meantime: nothing was changed"
            raise SynadminError(message, hint="run it again to finish")
        actor = planned.actor or self.recovery.synapse.owner
        acting = self.recovery.as_user(actor)
        named = planned.creators[1:]
        version = planned.version or ""
        before = {"room_id": planned.room_id, "power_levels": planned.control.view.power_levels}
        try:
            with acting.transport.recording(before=before):
                answer = acting.client_server.upgrade_room(
                    planned.room_id, version, additional_creators=named
                )
        except (ConnectError, ReplyError) as error:
            new = self._replacement()
            if not error.sent or new is None:
                raise
        else:
            new = answer.replacement_room
        self._mark(step, outcome.DONE)
        return new

    def _mark(self, step: StepTaken, status: outcome.StepState) -> None:
        steps = tuple(replace(each, status=status) if each is step else each for each in self.planned.steps)
        self.planned = replace(self.planned, steps=steps)

    def _replacement(self) -> RoomId | None:
        event = self.recovery.observer.state_event(self.planned.room_id, TOMBSTONE)
        room = None if event is None else event.content.get("replacement_room")
        return RoomId(room) if isinstance(room, str) else None

    def _take(self, step: StepTaken, new: RoomId) -> None:
        """Take a step; a failure is recorded, and the next step is taken nevertheless."""
        if isinstance(step, SpaceStep):
            if step.as_user is None:
                self.problems.append(step.detail.rstrip("."))
                return
            failed = self._update_space(step.space, step.as_user, new)
        elif step.action == "join":
            failed = self._join(new)
        elif step.action == "invite":
            failed = self._invite(step.as_user or self.recovery.synapse.owner, new)
        else:
            failed = self._update_tied_rooms(new)
        self._mark(step, outcome.FAILED if failed else outcome.DONE)
        self.problems += failed

    def _join(self, new: RoomId) -> list[str]:
        join = self.recovery.synapse.rooms.join
        return _each(self.planned.joined, "join {}", lambda user: join(new, user_id=user))

    def _invite(self, actor: UserId, new: RoomId) -> list[str]:
        def invite(user: UserId) -> None:
            self.recovery.as_user(actor).client_server.invite(new, user)

        return _each(self.planned.invited, "invite {}", invite)

    def _update_space(self, space: ParentSpace, editor: UserId, new: RoomId) -> list[str]:
        def put(space_id: RoomId) -> None:
            replace_child(self.recovery.as_user(editor), space, self.planned.room_id, new)
            self._name_parent(space_id, new)

        return _each([space.room_id], "change the space {}", put)

    def _name_parent(self, space: RoomId, new: RoomId) -> None:
        """Name the space as the new room's parent, where the old room does."""
        for event in state_of(self.recovery.synapse, self.planned.room_id, SPACE_PARENT):
            if event.state_key == space and event.content.get("via") and self.planned.actor is not None:
                self.recovery.as_user(self.planned.actor).client_server.send_state(
                    new, SPACE_PARENT, event.content, space
                )

    def _update_tied_rooms(self, new: RoomId) -> list[str]:
        failed, observer = [], self.recovery.observer
        old = self.planned.room_id
        for room_id, names, allows in list(rooms_tied_to(observer, old, new)):
            types = tuple(kind for kind, needed in ((SPACE_PARENT, names), (JOIN_RULES, allows)) if needed)
            editor = editor_of(
                self.recovery.observer, room_id, types, allow=self.allow, first=self.planned.creators
            )
            if editor is None:
                failed.append(f"no user that you can act as may change {room_id}, which names the old space")
                continue
            acting = self.recovery.as_user(editor)
            follow = partial(follow_space, observer, acting, old=old, new=new)
            failed += _each([room_id], "change {}", follow)
        return failed

    def _state(self, room_id: RoomId) -> dict[str, Mapping[str, Any] | None]:
        events = {
            kind: self.recovery.observer.state_event(room_id, kind) for kind in (JOIN_RULES, CANONICAL_ALIAS)
        }
        return {kind: None if event is None else event.content for kind, event in events.items()}

    def _read_back(self, new: RoomId, before: Mapping[str, Mapping[str, Any] | None]) -> RoomUpgrade:
        """Return the result: the state of the new room, compared with the plan and the old room."""
        self.recovery.observer.forget_all()
        planned, view = self.planned, control_of(self.recovery.observer, new).view
        create = self.recovery.observer.state_event(new, CREATE)
        creators = () if create is None else creators_of(create.sender, create.content)
        if not set(planned.creators) <= set(creators):
            self.problems.append(f"the new room was created by {join_users(creators)}")
        self.problems += self._lost_aliases(before[CANONICAL_ALIAS] or {}, new)
        if self._state(new)[JOIN_RULES] != before[JOIN_RULES]:
            self.problems.append("the join rule is not the old room's")
        levels = planned.control.view.levels
        for user, level in levels.listed().items():
            if not view.levels.is_creator(user) and view.levels.level_of(user) != level:
                self.problems.append(f"{user} has level {view.levels.level_of(user)}, before {level}")
        joined = view.known_local_members
        events = self.recovery.observer.member_events(new)
        waiting = sum(events.get(user) == "invite" for user in (*planned.invited, *planned.joined))
        message = f"{new} of version {view.version} has replaced the room, created by {join_users(creators)}."
        message += f" {len(joined)} local members are in it, {waiting} invited."
        kind = outcome.PENDING if waiting else outcome.DONE
        if self.problems:
            kind = outcome.PARTLY
            message += f" Not done: {'; '.join(self.problems[:3])}. Run it again to finish."
        return replace(
            planned,
            outcome=kind,
            message=message,
            new_room_id=new,
            version=view.version,
            creators=creators,
            members_after=len(joined),
        )

    def _lost_aliases(self, content: Mapping[str, Any], new: RoomId) -> Iterable[str]:
        """Yield the old room's published aliases of this server that do not point to the new room."""
        others = content.get("alt_aliases")
        names = [content.get("alias"), *(others if isinstance(others, list) else [])]
        for name in names:
            if not isinstance(name, str) or name.partition(":")[2] != self.recovery.observer.server_name:
                continue
            try:
                leads_to = self.recovery.synapse.client_server.resolve_alias(RoomAlias(name)).room_id
            except NotFoundError:
                continue  # the alias did not exist before, either
            if leads_to != new:
                yield f"{name} leads to {leads_to}"


def _each(names: Sequence[str], what: str, act: Callable[[Any], object]) -> list[str]:
    """Call ``act`` for each name, and return the errors."""
    failed = []
    for name in names:
        try:
            act(name)
        except (JournalError, NotAuthenticatedError):
            raise
        except (MatrixError, ConnectError, ReplyError) as error:
            failed.append(f"{what.format(name)}: {error}")
    return failed

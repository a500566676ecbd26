"""Synapse's own authorization rules, applied to the planner's view of a room."""

from typing import Any

from synapse.api.errors import SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.event_auth import check_state_dependent_auth_rules, get_user_power_level
from synapse.events import make_event_from_dict

from synadmin.ids import UserId, server_name_of
from synadmin.power.room import RoomView


class SynapseRules:
    """Synapse's authorization rules for one room; the room's state is built from real events."""

    def __init__(self, view: RoomView) -> None:
        self._view = view
        self._version = KNOWN_ROOM_VERSIONS[view.version]
        sender = view.creators[0]
        content: dict[str, Any] = {"room_version": view.version}
        if not self._version.implicit_room_creator:
            content["creator"] = sender
        if self._version.msc4289_creator_power_enabled and view.creators[1:]:
            content["additional_creators"] = list(view.creators[1:])
        if not view.federate:
            content["m.federate"] = False
        # In version 12 the create event determines the room id. Before, any id will do.
        by_hash = self._version.msc4291_room_ids_as_hashes
        self._room_id = None if by_hash else f"!room:{server_name_of(sender)}"
        create = self._event("m.room.create", sender, "", content)
        self._room_id = create.room_id
        self._state = {("m.room.create", ""): create}
        if view.power_levels is not None:
            self._add("m.room.power_levels", sender, "", dict(view.power_levels))
        if view.join_rule is not None:
            self._add("m.room.join_rules", sender, "", {"join_rule": view.join_rule})
        for user, membership in view.memberships.items():
            self._add("m.room.member", user, user, {"membership": membership})

    def level_of(self, user: UserId) -> int:
        return int(get_user_power_level(user, self._state))

    def allows(self, sender: UserId, event_type: str, content: dict[str, Any], state_key: str = "") -> bool:
        """Whether the sender may send this event now. An invalid event is not allowed either."""
        event = self._event(event_type, sender, state_key, content)
        try:
            check_state_dependent_auth_rules(event, self._state.values())
        except SynapseError:
            return False
        return True

    def membership(self, sender: UserId, user: UserId, membership: str, **content: str) -> bool:
        return self.allows(sender, "m.room.member", {"membership": membership, **content}, user)

    def join(self, user: UserId) -> bool:
        """Whether a user may join; a restricted join is authorised by a local member who may invite."""
        view = self._view
        content = {}
        if user in view.allowed_members:
            authorisers = (u for u in view.known_local_members if self.level_of(u) >= view.levels.invite)
            authoriser = next(authorisers, None)
            if authoriser is not None:
                content["join_authorised_via_users_server"] = authoriser
        return self.membership(user, user, "join", **content)

    def _add(self, event_type: str, sender: UserId, state_key: str, content: dict[str, Any]) -> None:
        self._state[event_type, state_key] = self._event(event_type, sender, state_key, content)

    def _event(self, event_type: str, sender: UserId, state_key: str, content: dict[str, Any]) -> Any:  # noqa: ANN401
        event = {
            "type": event_type,
            "sender": sender,
            "state_key": state_key,
            "content": content,
            "depth": 1,
            # With two, Synapse does not take a join for the creator's first join, which is always allowed.
            "prev_events": [] if event_type == "m.room.create" else ["$one", "$two"],
            "auth_events": [],
            "origin_server_ts": 1,
            "hashes": {"sha256": "none"},
            "signatures": {},
            "unsigned": {},
        }
        if self._room_id is not None:
            event["room_id"] = self._room_id
        return make_event_from_dict(event, self._version)

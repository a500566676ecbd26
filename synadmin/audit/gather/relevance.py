"""Whether more facts about a room might change the findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from synadmin.audit.facts import DAY, RoomFacts
from synadmin.ids import UserId
from synadmin.power.levels import PowerLevels

_AFTER_UPGRADE = 50
_LONG_UNSEEN = 30 * DAY


def looks_replaced(levels: PowerLevels) -> bool:
    """Whether a room's levels are as an upgrade leaves them: members may neither write nor invite any more.

    Source: Matrix specification, "Room Upgrades", what the server does with the old room's levels.
    """
    muted = max(_AFTER_UPGRADE, levels.users_default + 1)
    return levels.events_default >= muted and levels.invite >= muted


def may_have_more_creators(facts: RoomFacts) -> bool:
    """Whether creators who are not known yet might change the findings.

    Local creators might, if the room has more local members than controllers, and at most one active
    controller. Creators of other servers might, if a room of ours has members of other servers.
    """
    view = facts.view
    if facts.is_ours and view.joined_members > view.joined_local_members:
        return True
    present = [user for user in facts.controllers if facts.accounts[user].unseen < _LONG_UNSEEN]
    return len(present) <= 1 and view.joined_local_members > len(facts.controllers)


def may_be_regained(facts: RoomFacts, options: Mapping[str, Any], controllers: Sequence[UserId]) -> bool:
    """Whether a finding may name the command that regains the room, if these local users control it.

    It may, if all of them are inactive, or if there is only one.
    """
    if not facts.is_ours or facts.is_for_server_notices:
        return False
    days, members = options.get("days"), options.get("local_members")
    present = [user for user in controllers if days is None or not facts.accounts[user].is_dormant(days)]
    return not present or (
        members is not None and len(controllers) == 1 and facts.view.joined_local_members >= members
    )

"""The declared rooms and users are consistent; tests/live/test_sandbox.py creates them."""

from __future__ import annotations

import pytest

from synadmin.sandbox.community import MEMBERS, NEIGHBOURS, SITUATIONS, SITUATIONS_WITH_NEIGHBOURS, Situation

_ALL = SITUATIONS + SITUATIONS_WITH_NEIGHBOURS


def test_every_situation_has_its_own_name() -> None:
    slugs = [situation.slug for situation in _ALL]
    assert len(slugs) == len(set(slugs))
    aliases = [situation.alias for situation in _ALL if situation.alias]
    assert len(aliases) == len(set(aliases))


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.slug)
def test_room_without_a_second_server_has_only_local_users(situation: Situation) -> None:
    assert people_in(situation) <= {member.localpart for member in MEMBERS}


@pytest.mark.parametrize("situation", SITUATIONS_WITH_NEIGHBOURS, ids=lambda situation: situation.slug)
def test_shared_room_has_users_of_both_servers(situation: Situation) -> None:
    assert people_in(situation) & {member.localpart for member in MEMBERS}
    assert people_in(situation) & {member.localpart for member in NEIGHBOURS}
    assert people_in(situation) <= {member.localpart for member in MEMBERS + NEIGHBOURS}


def test_space_is_created_before_its_rooms() -> None:
    spaces = set()
    for situation in _ALL:
        assert situation.parent is None or situation.parent in spaces
        if situation.space:
            spaces.add(situation.slug)


def test_each_restricted_room_allows_members_of_a_space() -> None:
    restricted = [situation for situation in _ALL if situation.join_rule == "restricted"]
    assert restricted
    assert all(situation.parent for situation in restricted)


def people_in(situation: Situation) -> set[str]:
    listed = (situation.levels or {}).get("users", {})
    return {
        situation.creator,
        *situation.members,
        *situation.left,
        *situation.banned,
        *situation.users,
        *listed,
    }

"""A rowing club on its own homeserver, with all known ways to lose control of a room.

Users and rooms are declared here; :func:`fill` makes them. To add a situation, add it to ``SITUATIONS``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from synadmin.errors import ConnectError
from synadmin.ids import RoomId, UserId
from synadmin.sandbox.accounts import VERSION, Person
from synadmin.sandbox.homeserver import Homeserver

_TIMEOUT = 30  # seconds until a deactivated user has left their rooms
_STEP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClubMember:
    """A member of the club.

    Attributes:
        fate: the state of the account at the end; None: it is active.
        elsewhere: whether the account is on the second server.
    """

    localpart: str
    name: str
    fate: Literal["deactivated", "suspended", "locked"] | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A room with its history. Users are named by their localparts.

    Attributes:
        slug: its name in tests and documentation.
        about: its history, in one sentence.
        lost: no local user controls the room any more: a case for ``room make-admin``.
        creator: the user who created it, with level 100 unless ``users`` or ``levels`` differ.
        left: users who left again; the creator may be one of them.
        users: the power levels of users.
        levels: the whole content of ``m.room.power_levels`` instead.
        overrides: levels that replace those of a new room.
        public: every user may join.
        space: it is a space.
        join_rule: its join rule; None: the default.
        parent: the space of the room; with a ``restricted`` join rule, members of the space may join.
        alias: the localpart of its alias.
        blocked: whether the administrator has blocked it.
    """

    slug: str
    name: str
    about: str
    lost: bool = True
    creator: str = "henry"
    members: Sequence[str] = ()
    left: Sequence[str] = ()
    banned: Sequence[str] = ()
    users: Mapping[str, int] = field(default_factory=dict)
    levels: Mapping[str, Any] | None = None
    overrides: Mapping[str, Any] | None = None
    version: str = VERSION
    public: bool = False
    space: bool = False
    join_rule: str | None = None
    parent: str | None = "club"
    alias: str | None = None
    blocked: bool = False


MEMBERS: tuple[ClubMember, ...] = (
    ClubMember(localpart="admin", name="Server administrator"),
    ClubMember(localpart="greta", name="Greta (chair)"),
    ClubMember(localpart="henry", name="Henry (founder)"),
    ClubMember(localpart="irma", name="Irma (secretary until last year)", fate="deactivated"),
    ClubMember(localpart="jonas", name="Jonas (treasurer)", fate="suspended"),
    ClubMember(localpart="karl", name="Karl (boatman)", fate="locked"),
    ClubMember(localpart="lena", name="Lena (youth coach)"),
    ClubMember(localpart="mike", name="Mike"),
    ClubMember(localpart="nora", name="Nora"),
)

NEIGHBOURS: tuple[ClubMember, ...] = (
    ClubMember(localpart="vera", name="Vera (regional league)", elsewhere=True),
    ClubMember(localpart="walter", name="Walter (rowing club across the river)", elsewhere=True),
)

SITUATIONS: tuple[Situation, ...] = (
    Situation(
        slug="club",
        name="Riverside Rowing Club",
        about="The club's space, run by Greta; most of the rooms below are in it.",
        lost=False,
        creator="greta",
        members=("lena", "mike", "nora"),
        space=True,
        parent=None,
        alias="club",
    ),
    Situation(
        slug="server-news",
        name="Server news",
        about="The administrator's own room: the administrator controls it already.",
        lost=False,
        creator="admin",
        members=("greta",),
        public=True,
        alias="server-news",
        parent=None,
    ),
    Situation(
        slug="committee",
        name="Committee",
        about="Greta, who runs it, has not answered for months.",
        creator="greta",
        members=("lena", "mike"),
        users={"lena": 50},
    ),
    Situation(
        slug="announcements",
        name="Announcements",
        about="A public room whose only admin, Greta, does not answer.",
        creator="greta",
        members=("mike", "nora"),
        public=True,
        alias="announcements",
    ),
    Situation(
        slug="boathouse-keys",
        name="Boathouse keys",
        about="Henry made it and left; no other user ever got power.",
        members=("mike", "nora"),
        left=("henry",),
    ),
    Situation(
        slug="newsletter",
        name="Newsletter",
        about="Irma ran it; her account was deactivated, which removed her from the room.",
        creator="irma",
        members=("mike", "nora"),
    ),
    Situation(
        slug="youth-training",
        name="Youth training",
        about="Henry left; Lena is a moderator with 50, and changing power levels needs 100.",
        members=("lena", "mike"),
        users={"lena": 50},
        left=("henry",),
    ),
    Situation(
        slug="regatta",
        name="Regatta",
        about="Henry left; Lena has 50, and 50 is enough to change power levels here.",
        members=("lena", "nora"),
        users={"lena": 50},
        overrides={"events": {"m.room.power_levels": 50}},
        left=("henry",),
    ),
    Situation(
        slug="car-pool",
        name="Car pool",
        about="All users have 100 by default, no user is listed, and Henry left.",
        members=("mike", "nora"),
        levels={"users_default": 100},
        left=("henry",),
        version="10",
    ),
    Situation(
        slug="winter-programme",
        name="Winter programme",
        about="Version 12: Henry, its only creator, left, and no other user is listed.",
        members=("mike", "nora"),
        left=("henry",),
        version="12",
    ),
    Situation(
        slug="summer-programme",
        name="Summer programme",
        about="Version 12: its creator Greta is in it, and will always be above all other users.",
        creator="greta",
        members=("mike",),
        version="12",
    ),
    Situation(
        slug="masters-crew",
        name="Masters crew",
        about="Greta runs it, and has banned the administrator.",
        creator="greta",
        members=("mike",),
        banned=("admin",),
    ),
    Situation(
        slug="open-water",
        name="Open water",
        about="A public room run by Greta, who has banned the administrator.",
        creator="greta",
        members=("mike",),
        banned=("admin",),
        public=True,
    ),
    Situation(
        slug="cash-box",
        name="Cash box",
        about="Jonas runs it; his account is suspended.",
        creator="jonas",
        members=("nora",),
    ),
    Situation(
        slug="boat-repairs",
        name="Boat repairs",
        about="Karl runs it; his account is locked.",
        creator="karl",
        members=("mike", "nora"),
    ),
    Situation(
        slug="old-photos",
        name="Old photos",
        about="Greta runs it; the administrator has blocked it.",
        creator="greta",
        members=("nora",),
        blocked=True,
    ),
    Situation(
        slug="waiting-list",
        name="Waiting list",
        about="Users knock to join; Henry, who let them in, left.",
        members=("mike",),
        left=("henry",),
        join_rule="knock",
    ),
    Situation(
        slug="members-lounge",
        name="Members' lounge",
        about="Open to members of the club's space; Henry, who ran it, left.",
        members=("mike", "nora"),
        left=("henry",),
        join_rule="restricted",
    ),
    Situation(
        slug="since-2018",
        name="Since 2018",
        about="An old room of version 6; its power levels are only a list of users.",
        creator="greta",
        members=("mike",),
        levels={"users": {"greta": 100}},
        version="6",
    ),
    Situation(
        slug="hostile-name",
        name="Prizes\x1b[2J\x1b]0;won\x07\u202e\r\n=1+1",
        about="Its name has escape sequences that change a terminal.",
        creator="greta",
        members=("mike",),
        parent=None,
    ),
    Situation(
        slug="archive-2019",
        name="Archive 2019",
        about="All members have left: no user can join any more.",
        members=("mike",),
        left=("mike", "henry"),
        parent=None,
    ),
)

SITUATIONS_WITH_NEIGHBOURS: tuple[Situation, ...] = (
    Situation(
        slug="regional-league",
        name="Regional league",
        about="Only Vera, on another server, has power.",
        creator="vera",
        members=("mike",),
        parent=None,
    ),
    Situation(
        slug="two-banks",
        name="Two banks, one river",
        about="Walter, on another server, and Greta run it together; Greta does not answer.",
        creator="walter",
        members=("greta", "vera"),
        users={"greta": 100},
        parent=None,
    ),
    Situation(
        slug="moved-away",
        name="Rowers of the region",
        about="A public room on another server: Henry had 100, and all local users have left.",
        creator="vera",
        members=("walter",),
        users={"henry": 100},
        left=("henry",),
        public=True,
        parent=None,
    ),
)


@dataclass(frozen=True, slots=True)
class Community:
    """The club: its users, rooms and situations.

    Attributes:
        people: the users by localpart, each with a session. Sessions of deactivated users have ended.
        rooms: the room ids by slug.
        situations: the declared situations, by slug.
    """

    homeserver: Homeserver
    people: Mapping[str, Person]
    rooms: Mapping[str, RoomId]
    situations: Mapping[str, Situation]


def fill(homeserver: Homeserver, neighbour: Homeserver | None = None) -> Community:
    """Make the users and the rooms of the club."""
    members, situations = MEMBERS, SITUATIONS
    if neighbour is not None:
        members, situations = members + NEIGHBOURS, situations + SITUATIONS_WITH_NEIGHBOURS
    people = {
        member.localpart: (neighbour if member.elsewhere and neighbour else homeserver).register(
            member.localpart, admin=member.localpart == "admin", display_name=member.name
        )
        for member in members
    }
    rooms: dict[str, RoomId] = {}
    for situation in situations:
        rooms[situation.slug] = make(situation, people, rooms)
    for situation in situations:
        if situation.blocked:
            people["admin"].block(rooms[situation.slug])
    for member in members:
        _set_state(homeserver, people[member.localpart], member.fate)
    return Community(homeserver, people, rooms, {situation.slug: situation for situation in situations})


def make(situation: Situation, people: Mapping[str, Person], rooms: Mapping[str, RoomId]) -> RoomId:
    """Make one room with its history, and return its id."""
    creator = people[situation.creator]
    parent = rooms.get(situation.parent) if situation.parent is not None else None
    room_id = creator.make_room(
        situation.name,
        version=situation.version,
        public=situation.public,
        space=situation.space,
        alias=situation.alias,
        join_rule=_join_rule(situation, parent),
        levels=situation.overrides,
        members=[people[who] for who in situation.members],
        banned=[people[who] for who in situation.banned],
        users={people[who]: level for who, level in situation.users.items()},
        exact_levels=_with_user_ids(situation.levels, people),
        left=[people[who] for who in situation.left],
    )
    if parent is not None:
        # Greta runs the space, so users join its rooms through her server.
        via = {"via": [people["greta"].server_name]}
        people["greta"].send_state(parent, "m.space.child", via, room_id)
    return room_id


def _join_rule(situation: Situation, parent: RoomId | None) -> Mapping[str, Any] | str | None:
    if situation.join_rule != "restricted":
        return situation.join_rule
    return {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": parent}]}


def _with_user_ids(
    levels: Mapping[str, Any] | None, people: Mapping[str, Person]
) -> Mapping[str, Any] | None:
    if levels is None or "users" not in levels:
        return levels
    users: dict[UserId, Any] = {people[who].user_id: level for who, level in levels["users"].items()}
    return {**levels, "users": users}


def _set_state(homeserver: Homeserver, who: Person, fate: str | None) -> None:
    admin = homeserver.admin
    if fate == "deactivated":
        homeserver.deactivate(who)
        # Synapse removes the user from their rooms after it has answered.
        until = time.monotonic() + _TIMEOUT
        while "join" in admin.synapse.users.memberships(who.user_id).memberships.values():
            if time.monotonic() > until:
                raise ConnectError(f"{who.user_id} was deactivated and has still not left their rooms")
            time.sleep(_STEP)
    elif fate == "suspended":
        admin.suspend(who)
    elif fate == "locked":
        homeserver.lock(who)

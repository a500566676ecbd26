"""Rooms for the tests of power levels: a default room with changes, and random rooms."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from synadmin.ids import RoomId, UserId
from synadmin.power.room import Account, AccountState, RoomView

HERE = "example.org"  # the server name of the homeserver
THERE = "elsewhere.net"


def local(name: str) -> UserId:
    return UserId(f"@{name}:{HERE}")


def remote(name: str) -> UserId:
    return UserId(f"@{name}:{THERE}")


ADMIN = local("admin")  # the token's owner
ALICE, BOB, CAROL, DAVE, ERIN = map(local, ("alice", "bob", "carol", "dave", "erin"))
MALLORY = remote("mallory")
LOCALS = (ADMIN, ALICE, BOB, CAROL, DAVE)
ALL_USERS = (*LOCALS, MALLORY, remote("oscar"))

SYNAPSE_EVENTS = {
    "m.room.name": 50,
    "m.room.power_levels": 100,
    "m.room.history_visibility": 100,
    "m.room.canonical_alias": 50,
    "m.room.avatar": 50,
    "m.room.tombstone": 100,
    "m.room.server_acl": 100,
    "m.room.encryption": 100,
}


def levels(users: Mapping[UserId, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the power levels of a new room in Synapse, with these users."""
    return {
        "users": dict(users),
        "users_default": 0,
        "events": SYNAPSE_EVENTS,
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
        **others,
    }


_UNSET: Any = object()


def room(
    memberships: Mapping[UserId, str],
    *,
    power_levels: Any = _UNSET,  # noqa: ANN401
    version: str = "11",
    creators: tuple[UserId, ...] = (ALICE,),
    accounts: Mapping[UserId, str | Account] | None = None,
    more_local_members: int = 0,
    **others: Any,  # noqa: ANN401
) -> RoomView:
    """Return a private room that Alice created; she has level 100, unless others are given."""
    if power_levels is _UNSET:
        power_levels = levels({} if version == "12" else {ALICE: 100})
    states = dict.fromkeys(LOCALS, AccountState.ACTIVE)
    known = {user: Account(state=state) for user, state in states.items()}
    for user, account in (accounts or {}).items():
        known[user] = account if isinstance(account, Account) else Account(state=AccountState(account))
    joined = [user for user, membership in memberships.items() if membership == "join"]
    view = RoomView(
        room_id=RoomId("!room:example.org"),
        version=version,
        creators=creators,
        power_levels=power_levels,
        power_levels_sender=creators[0],
        server_name=HERE,
        memberships=memberships,
        accounts=known,
        joined_local_members=sum(user.endswith(f":{HERE}") for user in joined) + more_local_members,
        joined_members=len(joined) + more_local_members,
    )
    return replace(view, **others)


def _level(version: str) -> st.SearchStrategy[Any]:
    numbers = st.sampled_from([-1, 0, 0, 1, 49, 50, 50, 51, 99, 100, 100, 101, 150])
    # Synapse does not send levels as strings, but old rooms contain them.
    return numbers if int(version) >= 10 else st.one_of(numbers, numbers, numbers, numbers.map(str))


@st.composite
def contents(draw: st.DrawFn, version: str, users: tuple[UserId, ...]) -> dict[str, Any]:
    """Draw the content of a power-levels event that the room version allows."""
    level = _level(version)
    content: dict[str, Any] = {}
    if draw(st.integers(0, 9)):
        content["users"] = draw(st.dictionaries(st.sampled_from(users), level, max_size=5)) if users else {}
    for name in ("users_default", "state_default", "invite", "kick", "ban"):
        if draw(st.booleans()):
            content[name] = draw(level)
    if draw(st.booleans()):
        types = st.sampled_from(["m.room.power_levels", "m.room.name", "m.room.tombstone"])
        content["events"] = draw(st.dictionaries(types, level, max_size=3))
    if draw(st.integers(0, 4)) == 0:
        content["notifications"] = {"room": draw(level)}
    return content


@st.composite
def views(
    draw: st.DrawFn, *, versions: tuple[str, ...] = ("5", "6", "7", "8", "9", "10", "11", "12")
) -> RoomView:
    """Draw a room with any levels, memberships, join rule and accounts, also with odd combinations."""
    version = draw(st.sampled_from(versions))
    first = draw(st.sampled_from([ALICE, ALICE, ALICE, MALLORY]))
    creators: tuple[UserId, ...] = (first,)
    if version == "12":
        more = draw(st.lists(st.sampled_from([BOB, CAROL, remote("oscar")]), max_size=2, unique=True))
        creators = (first, *more)
    listable = tuple(user for user in ALL_USERS if version != "12" or user not in creators)
    content = draw(st.one_of(st.none(), *[contents(version, listable)] * 7))
    kinds = ["join", "join", "join", "leave", "leave", "invite", "knock", "ban"]
    memberships = {user: draw(st.sampled_from(kinds)) for user in ALL_USERS if draw(st.integers(0, 5))}
    states = st.sampled_from([*[AccountState.ACTIVE] * 6, *AccountState])
    accounts = {
        user: Account(state=draw(states), shadow_banned=draw(st.integers(0, 9)) == 0) for user in LOCALS[1:]
    }
    for user, account in accounts.items():
        if (
            account.state in {AccountState.DEACTIVATED, AccountState.MISSING}
            and memberships.get(user) != "ban"
        ):
            memberships[user] = "leave"  # Synapse makes a deactivated user leave
    accounts[ADMIN] = Account()
    joined = [user for user, membership in memberships.items() if membership == "join"]
    rules = [
        "public",
        "invite",
        "invite",
        "invite",
        "restricted",
        "knock",
        "knock_restricted",
        "private",
        None,
    ]
    unnamed = draw(st.sampled_from([0, 0, 1]))
    return RoomView(
        room_id=RoomId("!room:example.org"),
        version=version,
        creators=creators,
        power_levels=content,
        power_levels_sender=draw(st.sampled_from([ALICE, BOB, MALLORY])),
        server_name=HERE,
        join_rule=draw(st.sampled_from(rules)),
        allowed_rooms=(RoomId("!space:example.org"),),
        allowed_members=draw(st.frozensets(st.sampled_from(LOCALS), max_size=3)),
        memberships=memberships,
        accounts=accounts,
        blocked=draw(st.integers(0, 14)) == 0,
        federate=draw(st.integers(0, 9)) != 0,
        joined_local_members=sum(user.endswith(f":{HERE}") for user in joined) + unnamed,
        joined_members=len(joined) + unnamed,
    )


@st.composite
def recoverable_views(draw: st.DrawFn) -> RoomView:
    """Draw a room where a local user has or had power, and a local member is still joined."""
    view = draw(views(versions=("6", "10", "11", "12")))
    content = levels(dict.fromkeys(draw(st.sets(st.sampled_from([ALICE, BOB, CAROL]), min_size=1)), 100))
    if draw(st.booleans()):
        content.update({key: value for key, value in (view.power_levels or {}).items() if key != "users"})
    if view.version == "12":
        content["users"] = {user: 100 for user in content["users"] if user not in view.creators}
    memberships = {**view.memberships, DAVE: "join"}
    accounts = {**view.accounts, DAVE: Account()}
    joined = sum(m == "join" and u.endswith(f":{HERE}") for u, m in memberships.items())
    return replace(
        view,
        power_levels=content,
        memberships=memberships,
        accounts=accounts,
        federate=True,
        joined_local_members=joined + view.unknown_local_members,
    )

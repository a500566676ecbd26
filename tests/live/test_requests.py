"""What it costs the server to regain a room, counted in Synapse's own request log."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import pytest

from synadmin.errors import MatrixError

if TYPE_CHECKING:
    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

# Requests, from start to verified control. Two of them replace guesses: the join rule is read from the
# state, as a room's statistics may be missing or old, and the membership is read back as such.
_MOST = 14
# `Processed request: 0.012sec/0.001sec (…) (…) 812B 200 "POST /…`
_ANSWER = re.compile(r' (?P<size>\d+)B (?P<status>\d+)!? "(?P<method>[A-Z]+) (?P<uri>\S+) HTTP/')
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answered:
    """A request as Synapse logged it, with the size of the answer in bytes."""

    method: str
    uri: str
    size: int

    def kind(self, *names: str) -> str:
        """Return the request without what differs from run to run: these ids."""
        parts = urlsplit(self.uri)
        path = unquote(parts.path)
        for number, name in enumerate(names):
            path = path.replace(name, f"<{number}>")
        return f"{self.method} {path}?{unquote(parts.query)}"


def answered_to(server: Homeserver, who: Person) -> list[Answered]:
    """The requests of one person, once Synapse has written the last one down."""
    mark = f"/_matrix/client/v3/profile/%40mark-{next(_numbers)}%3Anowhere.example"
    with pytest.raises(MatrixError):
        who.call("GET", mark)  # nobody has that name: it is the line in the log that matters
    until = time.monotonic() + 60
    while mark not in (log := server.log.read_text("utf-8", "replace")):
        assert time.monotonic() < until
        time.sleep(0.05)
    found = []
    for line in log.splitlines():
        match = _ANSWER.search(line)
        if match and f"{{{who.user_id}}}" in line and "/profile/%40mark-" not in match["uri"]:
            found.append(Answered(match["method"], match["uri"], int(match["size"])))
    return found


class Regain(Protocol):
    def __call__(self, promoter: Person, room_id: RoomId) -> tuple[Person, list[Answered]]: ...


@pytest.fixture
def regain(homeserver: Homeserver, synadmin: Synadmin) -> Regain:
    """Regain a room as an administrator who has never been in any, and return what that asked for."""

    def run(promoter: Person, room_id: RoomId) -> tuple[Person, list[Answered]]:
        chief = homeserver.register(f"counted-{next(_numbers):03}", admin=True)
        answer = synadmin("room", "make-admin", room_id, "--yes", "-o", "json", acting=chief)
        assert answer.code == 0, answer.stderr
        assert '"control": true' in answer.stdout
        assert '"promoter": "' + promoter.user_id in answer.stdout
        return chief, answered_to(homeserver, chief)

    return run


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_room_is_regained_in_few_requests(
    newcomer: Newcomer, regain: Regain, version: str, *, public: bool
) -> None:
    alice = newcomer()
    room_id = alice.make_room(version=version, public=public, members=[newcomer("bob")])
    _, requests = regain(alice, room_id)
    assert 0 < len(requests) <= _MOST, requests


@pytest.mark.parametrize("version", ["11", "12"])
def test_large_room_costs_as_many_requests_as_a_small_one(
    homeserver: Homeserver, newcomer: Newcomer, regain: Regain, version: str
) -> None:
    alice, bob, carol = newcomer(), newcomer("bob"), newcomer("carol")
    small = alice.make_room(version=version, public=True, members=[bob, carol])
    clutter = [
        {"type": "org.example.clutter", "state_key": f"{number}", "content": {"filler": "x" * 200}}
        for number in range(300)
    ]
    # Its members came by themselves, so that they are in nobody's power levels.
    big = alice.make_room(version=version, public=True, state=clutter)
    for _ in range(50):
        newcomer("member").join(big)
    for room_id in (small, big):
        alice.send_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
    assert len(homeserver.admin.state_events(big)) > 350

    costs = []
    for room_id in (small, big):
        chief, requests = regain(alice, room_id)
        # Some are under way at the same time.
        costs.append(
            sorted(
                (request.kind(room_id, chief.user_id, alice.user_id), request.size) for request in requests
            )
        )
    assert [kind for kind, _ in costs[0]] == [kind for kind, _ in costs[1]]
    # Counts have a digit more, and Alice's own memberships have grown by the one room between the two.
    for (kind, few), (_, many) in zip(*costs, strict=True):
        assert abs(many - few) < 100, kind

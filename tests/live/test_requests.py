"""Count the requests that ``room make-admin`` sends, in Synapse's request log."""

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

# The number of requests until control is verified. Two of them make the result reliable: the join rule is
# read from the state, because statistics may be missing or old, and the membership is read back.
_MAX_REQUESTS = 14
# `Processed request: 0.012sec/0.001sec (…) (…) 812B 200 "POST /…`
_LOG_LINE = re.compile(r' (?P<size>\d+)B (?P<status>\d+)!? "(?P<method>[A-Z]+) (?P<uri>\S+) HTTP/')
_numbers = itertools.count(1)


@dataclass(frozen=True)
class LoggedRequest:
    """A request in Synapse's log, with the size of its answer in bytes."""

    method: str
    uri: str
    size: int

    def kind(self, *names: str) -> str:
        """Return the method and path, with placeholders for these ids, which differ in every run."""
        parts = urlsplit(self.uri)
        path = unquote(parts.path)
        for number, name in enumerate(names):
            path = path.replace(name, f"<{number}>")
        return f"{self.method} {path}?{unquote(parts.query)}"


def requests_of(server: Homeserver, who: Person) -> list[LoggedRequest]:
    """Return the requests of a user, after Synapse has logged the last one."""
    mark = f"/_matrix/client/v3/profile/%40mark-{next(_numbers)}%3Anowhere.example"
    with pytest.raises(MatrixError):
        who.call("GET", mark)  # there is no such user: the request only marks the end of the log
    until = time.monotonic() + 60
    while mark not in (log := server.log.read_text("utf-8", "replace")):
        assert time.monotonic() < until
        time.sleep(0.05)
    found = []
    for line in log.splitlines():
        match = _LOG_LINE.search(line)
        if match and f"{{{who.user_id}}}" in line and "/profile/%40mark-" not in match["uri"]:
            found.append(LoggedRequest(match["method"], match["uri"], int(match["size"])))
    return found


class Regain(Protocol):
    def __call__(self, promoter: Person, room_id: RoomId) -> tuple[Person, list[LoggedRequest]]: ...


@pytest.fixture
def regain(homeserver: Homeserver, synadmin: Synadmin) -> Regain:
    """Return a function that regains a room as a new server admin, and returns the sent requests."""

    def run(promoter: Person, room_id: RoomId) -> tuple[Person, list[LoggedRequest]]:
        admin = homeserver.register(f"counted-{next(_numbers):03}", admin=True)
        answer = synadmin("room", "make-admin", room_id, "--yes", "-o", "json", acting=admin)
        assert answer.code == 0, answer.stderr
        assert '"control": true' in answer.stdout
        assert '"promoter": "' + promoter.user_id in answer.stdout
        return admin, requests_of(homeserver, admin)

    return run


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_room_is_regained_in_few_requests(
    newcomer: Newcomer, regain: Regain, version: str, *, public: bool
) -> None:
    alice = newcomer()
    room_id = alice.make_room(version=version, public=public, members=[newcomer("bob")])
    _, requests = regain(alice, room_id)
    assert 0 < len(requests) <= _MAX_REQUESTS, requests


@pytest.mark.parametrize("version", ["11", "12"])
def test_large_room_needs_as_many_requests_as_a_small_one(
    homeserver: Homeserver, newcomer: Newcomer, regain: Regain, version: str
) -> None:
    alice, bob, carol = newcomer(), newcomer("bob"), newcomer("carol")
    small = alice.make_room(version=version, public=True, members=[bob, carol])
    clutter = [
        {"type": "org.example.clutter", "state_key": f"{number}", "content": {"filler": "x" * 200}}
        for number in range(300)
    ]
    # Its members join without an invitation.
    big = alice.make_room(version=version, public=True, state=clutter)
    for _ in range(50):
        newcomer("member").join(big)
    for room_id in (small, big):
        alice.send_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
    assert len(homeserver.admin.state_events(big)) > 350

    costs = []
    for room_id in (small, big):
        admin, requests = regain(alice, room_id)
        # The requests are sorted, because some of them run at the same time.
        costs.append(
            sorted(
                (request.kind(room_id, admin.user_id, alice.user_id), request.size) for request in requests
            )
        )
    assert [kind for kind, _ in costs[0]] == [kind for kind, _ in costs[1]]
    # The sizes differ a little: counts have another digit, and Alice is a member of one more room.
    for (kind, small_size), (_, large_size) in zip(*costs, strict=True):
        assert abs(large_size - small_size) < 100, kind

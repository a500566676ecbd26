"""Fixtures of the Admin API tests: they detect unknown fields in answers, and record all requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from synadmin.http.endpoint import Endpoint, Paged
from synadmin.http.transport import Transport
from synadmin.sandbox.homeserver import Homeserver
from tests.live.api.answered_requests import AnsweredRequests
from tests.live.api.unknown_fields import unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer, Synadmin

_LAST = "test_every_operation.py"
# Fields of a page that are not records. Synadmin does not need them.
_ENVELOPE = frozenset({"offset", "prev_batch", "start", "state"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of all recorded requests last."""
    last = [item for item in items if item.path.name == _LAST]
    items[:] = [*(item for item in items if item not in last), *last]


@pytest.fixture(scope="session")
def answered_requests() -> Iterator[AnsweredRequests]:
    """The requests that the servers of this session have answered."""
    recorded = AnsweredRequests()
    discard = Homeserver.discard

    def read_log_and_discard(server: Homeserver) -> None:
        recorded.read_log(server)
        discard(server)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Homeserver, "discard", read_log_and_discard)
        yield recorded


@pytest.fixture(autouse=True)
def _no_unknown_fields(
    answered_requests: AnsweredRequests, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Fail a test in which a call of the library gets an answer with a field that its model does not have."""
    # The fixture must exist before the first server is discarded.
    del answered_requests
    found: list[str] = []

    def check(endpoint: Endpoint[Any], raw: bytes) -> None:
        if not endpoint.path.startswith("/_synapse/admin/"):
            return
        answer = msgspec.json.decode(raw)
        where = f"{endpoint.method} {endpoint.path}"
        if isinstance(endpoint, Paged):
            known = {endpoint.items, endpoint.next, endpoint.total} | _ENVELOPE
            found.extend(f"{where}: {name}" for name in answer if name not in known)
            answer, reply = answer[endpoint.items], list[endpoint.reply]  # type: ignore[name-defined]
        else:
            reply = endpoint.reply
        found.extend(f"{where}: {name}" for name in unknown_fields(answer, reply))

    send_raw = Transport.send_raw

    def send_and_check(transport: Transport, endpoint: Endpoint[Any], *arguments: Any, **named: Any) -> bytes:  # noqa: ANN401
        raw = send_raw(transport, endpoint, *arguments, **named)
        check(endpoint, raw)
        return raw

    monkeypatch.setattr(Transport, "send_raw", send_and_check)
    yield
    assert not found, "the server sent fields that the models do not have"


@pytest.fixture
def synadmin(
    synadmin: Synadmin, answered_requests: AnsweredRequests, request: pytest.FixtureRequest
) -> Synadmin:
    """Return a function that runs a command and records its requests."""

    def run(
        *arguments: str,
        server: Homeserver | None = None,
        acting: Person | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        if server is None:
            server = request.getfixturevalue("homeserver")
        with answered_requests.by_command(server):
            return synadmin(*arguments, server=server, acting=acting, stdin=stdin, env=env)

    return run

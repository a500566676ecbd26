"""What the tests of the Admin API have in common: what is unknown in an answer, and what was asked at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from synadmin.http.endpoint import Endpoint, Paged
from synadmin.http.transport import Transport
from synadmin.sandbox.homeserver import Homeserver
from tests.live.api.asked import Asked
from tests.live.api.unknown_fields import unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer, Synadmin

_LAST = "test_every_operation.py"
# Of the answer around the records, and of no use once the pages are walked.
_ENVELOPE = frozenset({"offset", "prev_batch", "start", "state"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who counts what was asked comes last."""
    last = [item for item in items if item.path.name == _LAST]
    items[:] = [*(item for item in items if item not in last), *last]


@pytest.fixture(scope="session")
def asked() -> Iterator[Asked]:
    """What the servers of this session were asked, and by whom."""
    gathered = Asked()
    discard = Homeserver.discard

    def gather_and_discard(server: Homeserver) -> None:
        gathered.gather(server)
        discard(server)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Homeserver, "discard", gather_and_discard)
        yield gathered


@pytest.fixture(autouse=True)
def _no_field_is_unknown(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every answer that a call of the library gets has only fields that its model knows."""
    del asked  # from the first test on, so that no server goes unheard
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

    def checked(transport: Transport, endpoint: Endpoint[Any], *arguments: Any, **named: Any) -> bytes:  # noqa: ANN401
        raw = send_raw(transport, endpoint, *arguments, **named)
        check(endpoint, raw)
        return raw

    monkeypatch.setattr(Transport, "send_raw", checked)
    yield
    assert not found, "the server sent fields that the models do not know"


@pytest.fixture
def synadmin(synadmin: Synadmin, asked: Asked, request: pytest.FixtureRequest) -> Synadmin:
    """The command line; its requests are counted apart from those of the library."""

    def run(
        *arguments: str,
        server: Homeserver | None = None,
        acting: Person | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        if server is None:
            server = request.getfixturevalue("homeserver")
        with asked.by_command(server):
            return synadmin(*arguments, server=server, acting=acting, stdin=stdin, env=env)

    return run

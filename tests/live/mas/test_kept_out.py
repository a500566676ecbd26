"""Where a command says that an account is locked or deactivated, the account's own tokens are refused.

Synapse keeps what MAS said of a token for two minutes. Where a token may still be believed, the outcome is
``pending``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError
from synadmin.sandbox.accounts import Person
from tests.live.mas.world import API

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.conftest import Synadmin
    from tests.live.mas.world import World


def with_device(world: World) -> Person:
    return world.someone("rose")


def without_device(world: World) -> Person:
    """A user with a personal token, as a bot has one."""
    rose = world.someone("rose")
    token = world.personal_token(world.user(rose)["id"], API)
    return Person(world.server.url, rose.user_id, token)


def is_refused(who: Person) -> bool:
    try:
        who.synapse.client_server.whoami()
    except MatrixError as error:
        return error.status == 401
    return False


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
@pytest.mark.parametrize("session", [with_device, without_device])
@pytest.mark.parametrize("verb", ["lock", "deactivate"])
def test_done_means_that_the_token_is_refused(
    mas_homeserver: World, synadmin: Synadmin, verb: str, session: Callable[[World], Person], *, used: bool
) -> None:
    rose = session(mas_homeserver)
    if used:
        assert not is_refused(rose)
    answer = synadmin(
        *("user", verb, rose.user_id, "--yes", "-o", "json"),
        server=mas_homeserver.server,
        acting=mas_homeserver.admin,
    )
    (record,) = json.loads(answer.stdout)
    refused = is_refused(rose)
    rose.close()
    assert answer.code == 0, answer
    assert record["outcome"] in {"done", "pending"}
    assert refused or record["outcome"] == "pending", record
    if record["outcome"] == "pending":
        assert "2 minutes" in record["message"]

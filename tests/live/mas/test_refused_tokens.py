"""After ``done``, Synapse refuses the tokens of a locked or deactivated account.

Synapse caches the answer of MAS about a token for two minutes. While Synapse may still accept a token, the
outcome is ``pending``.
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
    from tests.live.mas.world import MasHomeserver


def with_device(mas: MasHomeserver) -> Person:
    return mas.new_user("rose")


def without_device(mas: MasHomeserver) -> Person:
    """Return a user with a personal token, such as a bot."""
    rose = mas.new_user("rose")
    token = mas.personal_token(mas.user(rose)["id"], API)
    return Person(mas.server.url, rose.user_id, token)


def is_refused(person: Person) -> bool:
    try:
        person.synapse.client_server.whoami()
    except MatrixError as error:
        return error.status == 401
    return False


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
@pytest.mark.parametrize("session", [with_device, without_device])
@pytest.mark.parametrize("verb", ["lock", "deactivate"])
def test_done_means_that_the_token_is_refused(
    mas_homeserver: MasHomeserver,
    synadmin: Synadmin,
    verb: str,
    session: Callable[[MasHomeserver], Person],
    *,
    used: bool,
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

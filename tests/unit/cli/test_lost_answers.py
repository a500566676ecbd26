"""A change whose answer was lost is done if synadmin can verify it, and unknown otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import BROKEN, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

GONE = refused(404, "M_NOT_FOUND", "Nothing here")
TOKEN = "/_synapse/admin/v1/registration_tokens/sesame"
MEDIA = "/_synapse/admin/v1/media/example.org/AbC"


def test_registration_token_gone_after_a_lost_answer_is_done(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(TOKEN, json_reply({"token": "sesame"}), BROKEN, GONE)

    result = synadmin("registration-token", "delete", "sesame", "--yes", "-o", "json")

    assert result.code == 0, result.stderr
    assert [record["outcome"] for record in json.loads(result.stdout)] == ["done"]


def test_media_gone_after_a_lost_answer_is_done(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(MEDIA, BROKEN, GONE)

    result = synadmin("media", "delete", "mxc://example.org/AbC", "--yes", "-o", "json")

    assert result.code == 0, result.stderr
    assert [record["outcome"] for record in json.loads(result.stdout)] == ["done"]


def test_media_still_there_after_a_lost_answer_is_unknown(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(MEDIA, BROKEN, GONE, json_reply({"media_info": {"media_id": "AbC"}}))

    result = synadmin("media", "delete", "mxc://example.org/AbC", "--yes", "-o", "json")

    result.assert_one_line_error(code=1)
    assert "may have been carried out" in result.stderr


@pytest.mark.parametrize("users", [["@a:example.org"], ["@a:example.org", "@b:example.org"]])
def test_unverified_change_is_unknown(signed_in: Stub, synadmin: Synadmin, users: list[str]) -> None:
    for user in users:
        path = f"/_synapse/admin/v1/users/{user.replace('@', '%40').replace(':', '%3A')}/shadow_ban"
        signed_in.on(path, BROKEN, GONE)
    signed_in.on("*", json_reply({"name": "@x:example.org"}))

    result = synadmin("user", "shadow-ban", *users, "--yes", "-o", "json")

    assert result.code == 1, result.stderr
    if len(users) > 1:
        assert [record["outcome"] for record in json.loads(result.stdout)] == ["unknown"] * 2
    else:
        assert "may have been carried out" in result.stderr

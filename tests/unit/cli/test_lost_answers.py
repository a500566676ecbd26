"""A change whose answer was lost: done where that is verified, unknown where it is not, never "not found"."""

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

    answer = synadmin("registration-token", "delete", "sesame", "--yes", "-o", "json")

    assert answer.code == 0, answer.stderr
    assert [one["outcome"] for one in json.loads(answer.stdout)] == ["done"]


def test_media_gone_after_a_lost_answer_is_done(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(MEDIA, BROKEN, GONE)

    answer = synadmin("media", "delete", "mxc://example.org/AbC", "--yes", "-o", "json")

    assert answer.code == 0, answer.stderr
    assert [one["outcome"] for one in json.loads(answer.stdout)] == ["done"]


def test_media_still_there_after_a_lost_answer_is_unknown(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(MEDIA, BROKEN, GONE, json_reply({"media_info": {"media_id": "AbC"}}))

    answer = synadmin("media", "delete", "mxc://example.org/AbC", "--yes", "-o", "json")

    answer.assert_is_one_clear_line(code=1)
    assert "may have been carried out" in answer.stderr


@pytest.mark.parametrize("users", [["@a:example.org"], ["@a:example.org", "@b:example.org"]])
def test_unverified_change_is_unknown(signed_in: Stub, synadmin: Synadmin, users: list[str]) -> None:
    for user in users:
        path = f"/_synapse/admin/v1/users/{user.replace('@', '%40').replace(':', '%3A')}/shadow_ban"
        signed_in.on(path, BROKEN, GONE)
    signed_in.on("*", json_reply({"name": "@x:example.org"}))

    answer = synadmin("user", "shadow-ban", *users, "--yes", "-o", "json")

    assert answer.code == 1, answer.stderr
    if len(users) > 1:
        assert [one["outcome"] for one in json.loads(answer.stdout)] == ["unknown"] * 2
    else:
        assert "may have been carried out" in answer.stderr

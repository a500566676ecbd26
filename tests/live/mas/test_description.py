"""The validation of requests to MAS and of their answers reports each difference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from synadmin.sandbox.mas.web import Reply, Request
from tests.live.mas.description import BASE, UNDOCUMENTED, description, violations

USER = "01FV1XT8X1CXW4FAXT9SH13TVE"
ATTRIBUTES = {
    "username": "rose",
    "created_at": "2026-01-01T00:00:00.5Z",
    "locked_at": None,
    "deactivated_at": None,
    "admin": False,
    "legacy_guest": False,
}


def validate(
    reply: Reply, method: str = "GET", path: str = f"/users/{USER}", body: object = None, **query: str
) -> list[str]:
    content = b"" if body is None else json.dumps(body).encode()
    asked = {name: [value] for name, value in query.items()}
    return list(violations(Request(method, BASE + path, asked, {}, content, ""), reply))


def user(**attributes: object) -> dict[str, Any]:
    path = {"self": f"{BASE}/users/{USER}"}
    data = {"type": "user", "id": USER, "attributes": {**ATTRIBUTES, **attributes}, "links": path}
    return {"data": data, "links": path}


def test_answers_that_match_the_description_pass() -> None:
    assert validate(Reply(200, user())) == []
    assert validate(Reply(404, {"errors": [{"title": "x"}]})) == []
    assert validate(Reply(200, user()), "POST", f"/users/{USER}/deactivate", {"skip_erase": True}) == []
    assert validate(Reply(200, user()), "POST", f"/users/{USER}/deactivate") == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, user(surplus=1)), "surplus"),
        (Reply(200, user(admin="no")), "admin"),
        (Reply(200, user(created_at="yesterday")), "created_at"),
        (Reply(200, {**user(), "meta": {}}), "meta"),
        (Reply(200, {"errors": [{"title": "x"}]}), "data"),
        (Reply(418, {"errors": []}), "status"),
        (Reply(404, {"errors": []}), "errors"),
    ],
    ids=str,
)
def test_answers_that_differ_from_the_description_are_named(reply: Reply, words: str) -> None:
    assert any(words in text for text in validate(reply))


def test_requests_are_checked_against_the_description() -> None:
    assert validate(Reply(200, user()), full="true") != []
    assert validate(Reply(200, user()), "POST", f"/users/{USER}/lock", {"reason": "x"}) != []
    assert validate(Reply(200, user()), "POST", f"/users/{USER}/set-admin", {"admin": 1}) != []
    assert validate(Reply(200, user()), "PATCH") != []


def test_additions_to_the_description_name_known_operations() -> None:
    assert set(UNDOCUMENTED) - {"*"} <= set(description()["operations"])
    for operation, statuses in UNDOCUMENTED.items():
        answers = description()["operations"].get(operation, {"answers": {}})["answers"]
        assert not {str(status) for status in statuses} & set(answers)

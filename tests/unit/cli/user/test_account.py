"""`synadmin user create|modify|register`: options refused before any request, and changes read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "a", "--threepid", "email", "alice"),
        ("create", "a", "--threepid", "email", "a b@example.org"),
        ("create", "a", "--threepid", "pigeon", "alice"),
        ("create", "a", "--avatar-url", "https://example.org/a.png"),
        ("create", "a", "b", "--displayname", "The Same"),
        ("create", "a", "b", "--password-stdin"),
        ("create", "a", "--password", "typed"),
        ("create", "@a:example.org/"),
        ("create",),
        ("modify", "a"),
        ("modify", "a", "--add-threepid", "msisdn", "+44 123"),
        ("modify", "a", "b", "--add-external-id", "oidc", "1"),
        ("register", "a b"),
        ("register", "a"),
        ("register", "a", "--secret-file", "missing"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("user", *arguments, stdin=b"password")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_account_is_not_created_without_the_expected_password(signed_in: Stub, synadmin: Synadmin) -> None:
    result = synadmin("user", "create", "alice", "--password-stdin", stdin=b"\n")

    result.assert_one_line_error(code=2)
    assert signed_in.targets == []


def test_configuration_file_is_not_used_as_a_secret(
    signed_in: Stub, synadmin: Synadmin, tmp_path: Path
) -> None:
    file = tmp_path / "homeserver.yaml"
    file.write_text("server_name: example.org\nregistration_shared_secret: do-not-tell\n", "utf-8")

    result = synadmin("user", "register", "alice", "--secret-file", str(file), stdin=b"password")

    result.assert_one_line_error(code=2)
    assert "do-not-tell" not in result.stderr
    assert signed_in.targets == []


def test_change_missing_in_the_answer_is_not_done(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(
        "/_synapse/admin/v2/users/%40alice%3Aexample.org",
        json_reply({"name": "@alice:example.org", "displayname": "Alice"}),
    )

    result = synadmin("user", "modify", "alice", "--displayname", "Alice Marigold", "--yes")

    result.assert_one_line_error(code=1)
    assert "the server reported success, but displayname of @alice:example.org is 'Alice'" in result.stderr

"""Room settings: valid values in the file, and whether a room has them."""

from __future__ import annotations

from typing import Any

import pytest

from synadmin.control.settings import (
    as_written,
    content_to_send,
    is_as_written,
    parse_settings,
    shown,
    shuts_out,
)

DAY = 86_400_000


def parsed_settings(**settings: Any) -> Any:  # noqa: ANN401
    return dict(parse_settings(settings, "settings"))


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"join_rule": "invite"}, {"join_rule": "invite"}),
        ({"history_visibility": "shared"}, {"history_visibility": "shared"}),
        ({"encryption": True}, {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_ms": 1}),
        ({"retention": "90d"}, {"max_lifetime": 90 * DAY, "min_lifetime": DAY}),
        ({"server_acl": {"deny": ["evil.example"]}}, {"allow": ["*"], "deny": ["evil.example"]}),
        ({"directory": True}, True),
    ],
)
def test_room_may_have_more_settings_than_the_file(settings: dict[str, Any], content: object) -> None:
    ((name, value),) = parsed_settings(**settings).items()
    assert is_as_written(name, value, content)
    assert not is_as_written(name, value, False if name == "directory" else {})
    assert not is_as_written(name, value, None)


def test_restricted_rooms_name_their_allowed_rooms() -> None:
    settings = parsed_settings(join_rule="restricted", allow_members_of=["!space:example.org"])
    assert settings["join_rule"] == {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": "!space:example.org"}],
    }
    assert as_written("join_rule", settings["join_rule"]) == {
        "join_rule": "restricted",
        "allow_members_of": ["!space:example.org"],
    }


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("join_rule", {"join_rule": "knock"}, {"join_rule": "knock"}),
        ("join_rule", {"join_rule": "private"}, {}),
        ("join_rule", {"join_rule": "restricted", "allow": [{"type": "org.example"}]}, {}),
        ("encryption", None, {}),
        ("encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, {"encryption": True}),
        ("retention", {"max_lifetime": 90 * DAY}, {"retention": "90d"}),
        ("retention", {"max_lifetime": 5}, {}),
        (
            "server_acl",
            {"allow": ["*"]},
            {"server_acl": {"allow": ["*"], "deny": [], "allow_ip_literals": True}},
        ),
        ("server_acl", {"allow": "*"}, {}),
        ("directory", False, {"directory": False}),
    ],
)
def test_exported_settings_are_valid_in_a_file(name: str, content: Any, keys: dict[str, Any]) -> None:  # noqa: ANN401
    assert as_written(name, content) == keys


def test_omitted_retention_fields_are_kept() -> None:
    content = content_to_send("retention", {"max_lifetime": DAY}, {"min_lifetime": 5, "max_lifetime": 9})
    assert content == {"min_lifetime": 5, "max_lifetime": DAY}
    assert shown("retention", content) == "1d"


@pytest.mark.parametrize(
    ("acl", "is_excluded"),
    [
        ({"deny": ["evil.example"]}, False),
        ({"deny": ["*.org"]}, True),
        ({"allow": ["elsewhere.example"]}, True),
        ({"allow": ["example.org"]}, False),
        # The case of letters is ignored, and only * and ? are special.
        ({"deny": ["EXAMPLE.*"]}, True),
        ({"deny": ["[e]xample.org"]}, False),
        ({"allow": ["example?org"]}, False),
        ({"allow_ip_literals": False}, False),
    ],
)
def test_acl_that_denies_the_own_server_is_refused(acl: dict[str, Any], is_excluded: bool) -> None:
    assert shuts_out(parsed_settings(server_acl=acl)["server_acl"], "example.org:8448") is is_excluded


@pytest.mark.parametrize(
    "server_name", ["192.0.2.1", "192.0.2.1:8448", "[2001:db8::1]:8448", "[2001:db8::1]"]
)
def test_acl_without_ip_literals_shuts_out_a_server_named_by_its_address(server_name: str) -> None:
    assert shuts_out(parsed_settings(server_acl={"allow_ip_literals": False})["server_acl"], server_name)
    assert not shuts_out(parsed_settings(server_acl={})["server_acl"], server_name)

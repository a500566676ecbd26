from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from synapse.config._base import RootConfig
from synapse.config.ratelimiting import RatelimitConfig, RatelimitSettings

from synadmin.sandbox import config

if TYPE_CHECKING:
    from pathlib import Path


def written(directory: Path, **changes: object) -> dict[str, Any]:
    options: dict[str, Any] = {
        "server_name": "club.example",
        "port": 21001,
        "federation_port": None,
        "registration_shared_secret": "shared",
        "default_rate_limits": False,
        "extra": {},
    }
    path = config.write(directory, **(options | changes))
    read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def test_sandbox_listens_only_on_loopback(tmp_path: Path) -> None:
    listeners = written(tmp_path, federation_port=21002)["listeners"]
    assert [listener["bind_addresses"] for listener in listeners] == [["127.0.0.1"], ["127.0.0.1"]]
    assert [(listener["port"], listener["tls"]) for listener in listeners] == [(21001, False), (21002, True)]


def test_server_without_federation_allows_no_other_server(tmp_path: Path) -> None:
    assert written(tmp_path)["federation_domain_whitelist"] == []


def test_federating_servers_accept_each_others_certificates(tmp_path: Path) -> None:
    read = written(tmp_path, federation_port=21002)
    assert read["federation_verify_certificates"] is False
    assert read["ip_range_blacklist"] == []
    assert "federation_domain_whitelist" not in read
    assert "BEGIN CERTIFICATE" in (tmp_path / "tls.crt").read_text()


def test_no_key_server_and_no_statistics_reporting(tmp_path: Path) -> None:
    read = written(tmp_path)
    assert read["trusted_key_servers"] == []
    assert read["report_stats"] is False


def test_every_rate_limit_of_synapse_is_raised(tmp_path: Path) -> None:
    limits = RatelimitConfig(RootConfig())
    limits.read_config(written(tmp_path))
    low = {
        name: value
        for name, value in vars(limits).items()
        if isinstance(value, RatelimitSettings) and value.per_second < 10_000
    }
    assert not low


def test_default_rate_limits_are_those_of_synapse(tmp_path: Path) -> None:
    assert not [name for name in written(tmp_path, default_rate_limits=True) if name.startswith("rc_")]


def test_extra_configuration_overrides_the_rest(tmp_path: Path) -> None:
    extra = {"rc_invites": {"per_user": {"per_second": 1}}, "presence": {"enabled": True}, "bcrypt_rounds": 5}
    read = written(tmp_path, extra=extra)
    assert read["rc_invites"]["per_user"] == {"per_second": 1, "burst_count": 10_000}
    assert read["rc_invites"]["per_room"] == {"per_second": 10_000, "burst_count": 10_000}
    assert read["presence"] == {"enabled": True}
    assert read["bcrypt_rounds"] == 5


def test_secret_files_are_private(tmp_path: Path) -> None:
    written(tmp_path, federation_port=21002)
    config.make_signing_key(tmp_path)
    for name in ("homeserver.yaml", "signing.key", "tls.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name


def test_each_server_keeps_its_own_signing_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = config.make_signing_key(tmp_path)
    assert config.make_signing_key(tmp_path) == first
    assert config.make_signing_key(tmp_path / "other") != first
    assert first.startswith("ed25519:a_")


def test_merging_configurations_changes_neither() -> None:
    base: dict[str, Any] = {"a": {"b": 1}}
    extra = {"a": {"c": 2}}
    assert config.merged(base, extra) == {"a": {"b": 1, "c": 2}}
    assert base == {"a": {"b": 1}}
    assert extra == {"a": {"c": 2}}

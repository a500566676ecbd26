from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import SettingsError
from synadmin.sandbox.homeserver import Homeserver, Processed

if TYPE_CHECKING:
    from pathlib import Path

_LOG = """\
2026-01-02 03:04:05,006 WARNING synapse.config.logger ***** STARTING SERVER *****
2026-01-02 03:04:06,007 INFO synapse.access.http.21001 127.0.0.1 - 21001 - {None} Processed request: \
0.001sec/0.001sec ru=(0.000sec, 0.002sec) db=(0.000sec/0.000sec/0) 315B 200 \
"GET /_matrix/key/v2/server HTTP/1.1" "-" [0 dbevts]
2026-01-02 03:04:07,008 INFO synapse.access.http.21001 127.0.0.1 - 21001 - {@admin:club.example} Processed \
request: 0.001sec/0.001sec ru=(0.000sec, 0.002sec) db=(0.000sec/0.000sec/0) 31B 403! \
"POST /_synapse/admin/v1/rooms/%21a/make_room_admin?x=1 HTTP/1.1" "synadmin/0.1.0" [0 dbevts]
"""


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ({"synapse"}, f"{sys.executable} -m pip install matrix-synapse"),
        ({"synapse", "pip"}, f"uv pip install --python {sys.executable} matrix-synapse"),
    ],
    ids=["pip", "uv"],
)
def test_missing_synapse_names_the_install_command(
    missing: set[str], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else True)
    with pytest.raises(SettingsError, match="matrix-synapse is not installed") as caught:
        Homeserver(tmp_path / "server").start()
    assert caught.value.hint == f"install it beside synadmin: `{command}`"
    assert not (tmp_path / "server").exists()


def test_requests_are_read_from_the_log_of_synapse(tmp_path: Path) -> None:
    server = Homeserver(tmp_path)
    server.log.write_text(_LOG)
    assert server.processed() == (
        Processed(requester="None", method="GET", uri="/_matrix/key/v2/server", status=200),
        Processed(
            requester="@admin:club.example",
            method="POST",
            uri="/_synapse/admin/v1/rooms/%21a/make_room_admin?x=1",
            status=403,
        ),
    )


def test_unstarted_server_can_be_stopped(tmp_path: Path) -> None:
    server = Homeserver(tmp_path)
    assert server.pid is None
    assert not server.stop()


def test_temporary_directory_is_removed_and_a_given_one_kept(tmp_path: Path) -> None:
    temporary, given = Homeserver(), Homeserver(tmp_path)
    temporary.discard()
    given.discard()
    assert not temporary.directory.exists()
    assert given.directory.exists()


def test_repr_has_no_password_or_shared_secret(tmp_path: Path) -> None:
    server = Homeserver(tmp_path)
    assert server.password not in repr(server)
    assert server.registration_shared_secret not in repr(server)

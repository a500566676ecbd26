"""``synadmin federation check``, ``ping`` and ``well-known`` on the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from synadmin.delegation.names import bracketed
from tests.live.conftest import Answer, clean_environment
from tests.live.delegation.fake_internet import (
    CLIENT_FILE,
    SERVER_FILE,
    VERSION,
    Reply,
    client_well_known,
    homeserver_replies,
    server_well_known,
    stay_silent,
)
from tests.unit.cli.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.delegation.fake_internet import FakeInternet, RawServer, TlsServer

NAME = "example.org"
HOST = "matrix.example.org"


class Federation(Protocol):
    def __call__(self, *arguments: str) -> Answer: ...


@pytest.fixture
def federation_command(internet: FakeInternet, tmp_path: Path) -> Federation:
    """Return a function that runs ``synadmin federation`` without a homeserver and a token."""
    nameserver = f"{bracketed(internet.nameserver.ip)}:{internet.nameserver.port}"

    def run(*arguments: str) -> Answer:
        uses_dns = arguments[0] != "well-known"
        completed = subprocess.run(
            [sys.executable, "-m", "synadmin", "federation", *arguments]
            + (["--nameserver", nameserver] if uses_dns else []),
            cwd=tmp_path,
            env=clean_environment(tmp_path) | {"SYNADMIN_CA_FILE": str(internet.ca_file)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Answer(completed.stdout, completed.stderr, completed.returncode)

    return run


def resolve(name: str, port: int, server: TlsServer | RawServer) -> tuple[str, str]:
    return "--resolve", f"{name}:{port}:{server.address.ip}:{server.address.port}"


@pytest.fixture
def delegated_server(internet: FakeInternet) -> list[str]:
    """Return the --resolve options of a server name with correct delegation."""
    files = {SERVER_FILE: server_well_known(f"{HOST}:443"), CLIENT_FILE: client_well_known(f"https://{HOST}")}
    return [
        *resolve(NAME, 443, internet.https(NAME, files)),
        *resolve(HOST, 443, internet.https(HOST, homeserver_replies(NAME))),
    ]


def test_check_json_has_the_fields_of_the_contract(
    federation_command: Federation, delegated_server: list[str]
) -> None:
    answer = federation_command("check", NAME, *delegated_server, "-o", "json")

    assert (answer.code, answer.stderr) == (0, "")
    result = json.loads(answer.stdout)
    assert result["server_name"] == NAME
    assert result["route"] == {"via": "well-known", "host": HOST, "port": 443, "addresses": ["127.0.0.1"]}
    assert (result["delegation"], result["verdict"]) == ("in-place", "ok")
    assert {(*check,) for check in result["checks"]} == {("name", "ok", "detail")}
    assert all(check["ok"] is True for check in result["checks"])


def test_check_prints_verdict_route_and_each_check(
    federation_command: Federation, delegated_server: list[str]
) -> None:
    answer = federation_command("check", NAME, *delegated_server)

    assert (answer.code, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == (
        "example.org is delegated to matrix.example.org:443 by /.well-known/matrix/server, "
        "and other servers reach it there."
    )
    assert "  1. /.well-known/matrix/server: delegates to matrix.example.org:443" in lines
    assert any(line.startswith("  ok:       keys ") for line in lines)


def test_check_exits_5_and_says_what_to_do_where_unreachable(
    federation_command: Federation, internet: FakeInternet
) -> None:
    internet.zone.a(NAME)
    hosts = [
        *resolve(NAME, 443, internet.https(NAME, homeserver_replies(NAME))),
        *resolve(NAME, 8448, internet.https("other.example", {})),
    ]
    answer = federation_command("check", NAME, *hosts)

    assert (answer.code, answer.stderr) == (5, "")
    why = "example.org:8448 takes connections, but does not answer as the homeserver of example.org"
    assert answer.stdout.startswith(f"{why}; nothing is delegated.\n")
    assert "serve_server_wellknown: true" in answer.stdout
    assert (
        'serve {"m.server": "example.org:443"} at https://example.org/.well-known/matrix/server'
        in answer.stdout
    )


def test_check_csv_has_a_row_for_each_check(
    federation_command: Federation, delegated_server: list[str]
) -> None:
    answer = federation_command("check", NAME, *delegated_server, "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert {row["name"] for row in rows} >= {"well-known", "certificate", "version", "keys"}
    assert {row["ok"] for row in rows} == {"true"}


def test_check_ends_within_the_timeout(federation_command: Federation, internet: FakeInternet) -> None:
    hanging = internet.raw(stay_silent)
    internet.zone.a(NAME)
    hosts = [*resolve(NAME, 443, hanging), *resolve(NAME, 8448, hanging)]

    answer = federation_command("check", NAME, *hosts, "--timeout", "2")

    assert answer.code == 5
    assert "the TLS handshake did not end in time" in answer.stdout


def test_server_name_in_an_answer_is_escaped_on_the_terminal(
    federation_command: Federation, internet: FakeInternet
) -> None:
    internet.zone.a(NAME)
    escape_codes = {
        VERSION: Reply(200, json.dumps({"server": {"name": "\x1b[2J", "version": "\u202e1"}}).encode())
    }
    hosts = [
        *resolve(NAME, 443, internet.https(NAME, {})),
        *resolve(NAME, 8448, internet.https(NAME, homeserver_replies(NAME) | escape_codes)),
    ]
    for form in ("table", "json", "ndjson", "csv"):
        answer = federation_command("check", NAME, *hosts, "-o", form)
        assert answer.code == 0
        assert "\x1b" not in answer.stdout + answer.stderr
        assert "\u202e" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("https://example.org", "it is a URL; write example.org"),
        ("@alice:example.org", "it is a user id; write example.org"),
        ("example.org:0", "port 0 is not between 1 and 65535"),
        ("exa mple.org", "it has a space in it"),
        ("", "it is empty"),
    ],
)
@pytest.mark.parametrize("command", ["check", "ping"])
def test_invalid_server_name_is_one_clear_line(
    federation_command: Federation, command: str, name: str, sentence: str
) -> None:
    answer = federation_command(command, name)

    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr == f"synadmin: {name!r} is not a server name: {sentence}\n"


@pytest.mark.parametrize(
    "value", ["example.org", "example.org:443", "example.org:443:b.example", "a:0:1.2.3.4"]
)
def test_invalid_resolve_option_is_one_clear_line(federation_command: Federation, value: str) -> None:
    answer = federation_command("check", NAME, "--resolve", value)

    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("synadmin: ")


def test_file_without_certificates_is_one_clear_line(
    federation_command: Federation, internet: FakeInternet
) -> None:
    internet.ca_file.write_text("no certificate\n")

    answer = federation_command("check", NAME)

    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"synadmin: SYNADMIN_CA_FILE: {internet.ca_file} holds no certificates")
    assert len(answer.stderr.splitlines()) == 1


# Ping


def pings(answer: Answer) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(answer.stdout)
    return result


def test_ping_prints_the_time_of_each_server(federation_command: Federation, internet: FakeInternet) -> None:
    fast = internet.https("fast.example", homeserver_replies("fast.example"))
    slow = internet.https(
        "slow.example",
        homeserver_replies("slow.example") | {VERSION: Reply(200, b'{"server": {}}', pace=0.03)},
    )
    for name in ("fast.example", "slow.example", "gone.example"):
        internet.zone.a(name)
    hosts = [
        *resolve("slow.example", 9000, slow),
        *resolve("gone.example", 9000, internet.raw(lambda connection, _: connection.close())),
        *resolve("fast.example", 9000, fast),
    ]
    names = ["gone.example:9000", "slow.example:9000", "fast.example:9000"]

    answer = federation_command("ping", *names, *hosts, "--count", "3", "-o", "json")

    assert answer.code == 5
    result = pings(answer)
    # Servers are sorted by time. On a busy machine the slow server may be the first.
    assert [one["avg_ms"] for one in result[:2]] == sorted(one["avg_ms"] for one in result[:2])
    assert result[2]["server_name"] == "gone.example:9000"
    first, second, third = (
        next(one for one in result if one["server_name"] == name) for name in reversed(names)
    )
    assert (first["sent"], first["received"], first["software"], first["version"]) == (3, 3, "Testing", "1.2")
    assert 0 < first["min_ms"] <= first["avg_ms"] <= first["max_ms"]
    assert second["min_ms"] > 200
    assert (third["received"], third["min_ms"], third["avg_ms"], third["max_ms"]) == (0, None, None, None)
    assert "closes the connection during the TLS handshake" in third["problem"]

    table = federation_command("ping", *names, *hosts, "--count", "1").stdout.splitlines()
    marks = {name: mark for mark, name in (line.split()[:2] for line in table[2:])}
    assert (marks["slow.example:9000"], marks["gone.example:9000"]) == ("slow", "none")


def test_ping_exits_0_where_all_servers_answer(
    federation_command: Federation, delegated_server: list[str]
) -> None:
    answer = federation_command("ping", NAME, *delegated_server)

    assert (answer.code, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[2].split()[:2][1] == "example.org"


def test_ping_counts_an_untrusted_certificate_as_a_failure(
    federation_command: Federation, internet: FakeInternet
) -> None:
    hosts = resolve(NAME, 9000, internet.https("other.example", homeserver_replies(NAME)))

    answer = federation_command("ping", f"{NAME}:9000", *hosts, "-o", "json")

    assert answer.code == 5
    assert "the certificate is not for example.org" in pings(answer)[0]["problem"]


def test_ping_has_colours_only_on_a_terminal(internet: FakeInternet, tmp_path: Path) -> None:
    server = internet.https(NAME, homeserver_replies(NAME))
    arguments = ["-m", "synadmin", "federation", "ping", f"{NAME}:9000", *resolve(NAME, 9000, server)]
    script = (
        "import os, sys; os.environ['SYNADMIN_CA_FILE'] = sys.argv.pop(1); sys.argv[0] = 'synadmin';"
        "os.environ['TERM'] = 'xterm'; from synadmin.cli.app import main; main()"
    )
    with Terminal("-c", script, str(internet.ca_file), *arguments[2:], cwd=tmp_path) as terminal:
        terminal.see("\x1b[0m  example.org:90")
    # The time depends on the machine, so both marks are valid.
    assert "\x1b[32mfast\x1b[0m" in terminal.shown or "\x1b[33mslow\x1b[0m" in terminal.shown


def test_ping_without_a_server_name_prints_usage(federation_command: Federation) -> None:
    answer = federation_command("ping")

    assert answer.code == 2
    assert answer.stderr.startswith("synadmin: no server is named: name one, or give --from-rooms ROOM")


def test_ping_takes_servers_of_a_room_and_destinations(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, theirs = federation
    alice, bob = newcomer("alice", server=ours), newcomer("bob", server=theirs)
    room = alice.create_room(join_rule="public")
    bob.join(room, via=[ours.server_name])
    # Synapse knows a destination after it has sent the first event to it.
    alice.send_state(room, "m.room.topic", {"topic": "Hello"})
    until = time.monotonic() + 60
    while not list(ours.admin.synapse.federation.destinations()):
        assert time.monotonic() < until, "nothing was sent to the other server"
        time.sleep(0.05)
    # The certificate of a sandbox is self-signed.
    env = {"SYNADMIN_CA_FILE": str(theirs.directory / "tls.crt")}

    of_room = synadmin("federation", "ping", "--from-rooms", room, "-o", "json", server=ours, env=env)
    known = synadmin("federation", "ping", "--destinations", "-o", "ndjson", server=ours, env=env)

    [answered] = pings(of_room)
    assert (of_room.code, answered["server_name"], answered["received"]) == (0, theirs.server_name, 4)
    assert answered["software"] == "Synapse"
    assert theirs.server_name in {json.loads(line)["server_name"] for line in known.stdout.splitlines()}


def test_ping_of_a_local_room_prints_nothing(newcomer: Newcomer, synadmin: Synadmin) -> None:
    room = newcomer().create_room()

    answer = synadmin("federation", "ping", "--from-rooms", room, "-o", "json")

    assert (answer.code, answer.stdout) == (0, "[]\n")


# Well-known


def test_well_known_prints_files_and_proxy_snippets(federation_command: Federation) -> None:
    answer = federation_command("well-known", NAME, "--to", f"{HOST}:443")

    assert answer.code == 0
    assert '    {"m.server": "matrix.example.org:443"}\n' in answer.stdout
    assert '    {"m.homeserver": {"base_url": "https://matrix.example.org"}}\n' in answer.stdout
    assert [line for line in answer.stdout.splitlines() if line in {"nginx", "apache", "caddy", "haproxy"}]
    assert answer.stderr == "afterwards: synadmin federation check example.org\n"


def test_well_known_prints_the_configuration_of_one_proxy(
    federation_command: Federation,
) -> None:
    answer = federation_command(
        "well-known", NAME, "--to", HOST, "--client", "https://c.example/m/", "--for", "caddy"
    )

    assert answer.code == 0
    assert 'respond `{"m.server": "matrix.example.org"}` 200' in answer.stdout
    assert 'respond `{"m.homeserver": {"base_url": "https://c.example/m"}}` 200' in answer.stdout
    assert "nginx" not in answer.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [NAME, "--to", "https://matrix.example.org"],
        [NAME, "--to", "matrix.example.org:0"],
        [NAME, "--to", HOST, "--client", "http://matrix.example.org"],
        [NAME, "--to", HOST, "--client", "https://a.example/'; }"],
        [NAME, "--to", HOST, "--client", "https://a.example:99999"],
        ["example.org:8448", "--to", HOST],
        ["192.0.2.1", "--to", HOST],
        [NAME],
    ],
)
def test_well_known_refuses_invalid_names(federation_command: Federation, arguments: list[str]) -> None:
    answer = federation_command("well-known", *arguments)

    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("synadmin: ")

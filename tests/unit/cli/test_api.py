"""``synadmin api``: requests are sent as typed, and answers are printed unchanged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.app import main
from tests.unit.stub import Reply, json_reply

if TYPE_CHECKING:
    from tests.unit.stub import Stub

PATH = "/_synapse/admin/v1/rooms/%23club%3Aexample.org/block"


@pytest.fixture(autouse=True)
def _settings(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "token")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(["api", *arguments])
    code: int = exited.value.code  # type: ignore[assignment]
    return code


def test_path_and_query_arrive_unchanged(stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    stub.on(PATH, json_reply({}))

    code = run("GET", f"{PATH}?a=1&b=x%2By", "--query", "b=ä&c", "--query", "empty=")

    assert code == 0
    assert stub.targets == [f"GET {PATH}?a=1&b=x%2By&b=%C3%A4%26c&empty="]
    assert capsysbinary.readouterr().out == b"{}\n"


def test_old_name_of_query_is_refused_with_the_new_name(
    stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run("GET", PATH, "-q", "limit=5") == 2
    assert b"--query NAME=VALUE" in capsysbinary.readouterr().err
    assert stub.targets == []

    stub.on(PATH, json_reply({}))
    assert run("GET", PATH, "-q") == 0


def test_binary_answer_is_written_unchanged(stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    stub.on(PATH, Reply(200, b"\x89PNG\r\n\x1a\n\xff\x00\n"))

    assert run("GET", PATH) == 0
    assert capsysbinary.readouterr().out == b"\x89PNG\r\n\x1a\n\xff\x00\n"


def test_answer_is_escaped_on_a_terminal(
    stub: Stub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on(PATH, Reply(200, '{"name": "\x1b[31m\u202ered"}'.encode()), Reply(200, b"\xff\xfe"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert run("GET", PATH) == 0
    assert capsys.readouterr().out == '{"name": "\\u001b[31m\\u202ered"}\n'
    assert run("GET", PATH) == 2
    assert "not text: 2 bytes" in capsys.readouterr().err


def test_missing_body_is_sent_as_an_empty_object(stub: Stub) -> None:
    stub.on(PATH, json_reply({}))

    for method in ("POST", "PUT", "DELETE"):
        assert run(method, PATH) == 0

    assert [request.body for request in stub.requests if request.method != "GET"] == [b"{}", b"{}", b""]


def test_post_with_a_lost_answer_is_not_repeated(stub: Stub) -> None:
    stub.on(PATH, Reply(broken=True))

    assert run("POST", PATH) == 1
    assert stub.targets == [f"POST {PATH}"]


def test_method_is_case_insensitive_and_invalid_ones_list_all(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.on(PATH, json_reply({}))

    assert run("get", PATH) == 0
    assert run("FETCH", PATH) == 2

    assert stub.targets == [f"GET {PATH}"]
    assert "'FETCH' is not a method: give GET, POST, PUT or DELETE" in capsys.readouterr().err

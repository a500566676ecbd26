"""``synadmin api``: what goes out as it was typed, and what comes back as it came."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.app import main
from tests.unit.stub import Reply, told

if TYPE_CHECKING:
    from tests.unit.stub import Stub

PATH = "/_synapse/admin/v1/rooms/%23club%3Aexample.org/block"


@pytest.fixture(autouse=True)
def _settings(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNADMIN_HOMESERVER", stub.url)
    monkeypatch.setenv("SYNADMIN_ACCESS_TOKEN", "token")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["api", *arguments])
    code: int = ended.value.code  # type: ignore[assignment]
    return code


def test_path_and_query_arrive_as_they_were_meant(
    stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    stub.on(PATH, told({}))

    code = run("GET", f"{PATH}?a=1&b=x%2By", "--query", "b=ä&c", "--query", "empty=")

    assert code == 0
    assert stub.targets == [f"GET {PATH}?a=1&b=x%2By&b=%C3%A4%26c&empty="]
    assert capsysbinary.readouterr().out == b"{}\n"


def test_the_old_name_of_query_is_refused_with_the_new_one(
    stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run("GET", PATH, "-q", "limit=5") == 2
    assert b"--query NAME=VALUE" in capsysbinary.readouterr().err
    assert stub.targets == []

    stub.on(PATH, told({}))
    assert run("GET", PATH, "-q") == 0


def test_bytes_that_are_no_text_reach_a_file_unchanged(
    stub: Stub, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    stub.on(PATH, Reply(200, b"\x89PNG\r\n\x1a\n\xff\x00\n"))

    assert run("GET", PATH) == 0
    assert capsysbinary.readouterr().out == b"\x89PNG\r\n\x1a\n\xff\x00\n"


def test_a_terminal_gets_nothing_that_it_would_obey(
    stub: Stub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on(PATH, Reply(200, '{"name": "\x1b[31m\u202ered"}'.encode()), Reply(200, b"\xff\xfe"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert run("GET", PATH) == 0
    assert capsys.readouterr().out == '{"name": "\\u001b[31m\\u202ered"}\n'
    assert run("GET", PATH) == 2
    assert "not text: 2 bytes" in capsys.readouterr().err


def test_an_empty_body_is_an_empty_object_where_one_is_due(stub: Stub) -> None:
    stub.on(PATH, told({}))

    for method in ("POST", "PUT", "DELETE"):
        assert run(method, PATH) == 0

    assert [request.body for request in stub.requests if request.method != "GET"] == [b"{}", b"{}", b""]


def test_a_post_is_not_sent_again_when_its_answer_was_lost(stub: Stub) -> None:
    stub.on(PATH, Reply(broken=True))

    assert run("POST", PATH) == 1
    assert stub.targets == [f"POST {PATH}"]


def test_a_method_may_be_typed_in_small_letters_and_one_that_is_none_is_answered_with_all(
    stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.on(PATH, told({}))

    assert run("get", PATH) == 0
    assert run("FETCH", PATH) == 2

    assert stub.targets == [f"GET {PATH}"]
    assert "'FETCH' is not a method: give GET, POST, PUT or DELETE" in capsys.readouterr().err

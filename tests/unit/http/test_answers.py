from __future__ import annotations

import json

from synadmin.http.answers import error_of
from synadmin.http.endpoint import Endpoint
from synadmin.http.reader import Answer


def test_reason_of_the_server_is_one_escaped_line() -> None:
    body = {"errcode": "M_FORBIDDEN", "error": "no\nhint: type this\x1b[2J"}
    error = error_of(Answer(403, {}, json.dumps(body).encode()), Endpoint("GET", "/x", dict))
    assert str(error) == r"no\nhint: type this\x1b[2J (M_FORBIDDEN, HTTP 403)"

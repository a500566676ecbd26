"""A person with a browser, who types the code of a device on MAS's page: the stand-in's, or a real one's."""

from __future__ import annotations

import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGES = 8  # at most, until the device is allowed


class _Form(HTMLParser):
    """The fields of the last form of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.target = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.fields, self.target = {}, given.get("action", "")
        elif tag in {"input", "button"} and "name" in given:
            self.fields.setdefault(given["name"], given.get("value", ""))


def allow(url: str, code: str, username: str, password: str, *, deny: bool = False) -> str:
    """Type the code on the page for it, sign in, and allow the device; return the last page.

    Args:
        url: MAS's base URL.
        code: the code that the device shows.
        username: who signs in.
        password: their password.
        deny: deny the device instead.
    """
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.addheaders = [("Accept-Language", "en")]
    action = "deny" if deny else "allow"
    answers = {"code": code, "username": username, "password": password, "action": action}

    def load(target: str, form: Mapping[str, str] | None = None) -> tuple[str, str]:
        data = None if form is None else urlencode(form).encode()
        try:
            with opener.open(target, data, timeout=60) as answer:
                return answer.url, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.url, error.read().decode()

    at, text = load(f"{url}link?code={code}")
    for _ in range(_PAGES):
        form = _Form(text)
        if not form.fields.keys() & answers.keys():
            break
        at, text = load(
            urljoin(at, form.target), form.fields | {n: v for n, v in answers.items() if n in form.fields}
        )
    return text

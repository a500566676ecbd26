"""A browser that enters a device code on the page of MAS, of the stand-in or of a real one."""

from __future__ import annotations

import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

_MAX_PAGES = 6  # until the device is allowed


class _Forms(HTMLParser):
    """The forms of a page: the action of each, and the values of its fields. Buttons are a field, too."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag in {"input", "button"} and given.get("name") and self.forms:
            self.forms[-1][1].setdefault(given["name"], []).append(given.get("value", ""))


def allow(url: str, code: str, username: str, password: str, *, deny: bool = False) -> str:
    """Enter a device code, sign in, and allow the device; return the last page.

    Args:
        url: MAS's base URL.
        code: the code that the device shows.
        username: the name of the user who signs in.
        password: the password of the user.
        deny: deny the device instead of allowing it.
    """
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    decision = "reject" if deny else "consent"
    values = {"code": code, "username": username, "password": password, "action": decision}
    values["confirm_device"] = "on"
    target, text = urljoin(url, "link"), ""
    data: bytes | None = None
    for _ in range(_MAX_PAGES):
        try:
            with opener.open(target, data, timeout=60) as answer:
                target, text = str(answer.url), str(answer.read().decode())
        except HTTPError as error:
            with error:
                return str(error.read().decode())
        form = next((form for form in _Forms(text).forms if _is_next_step(form[1], decision)), None)
        if form is None:
            break
        target = urljoin(target, form[0])
        data = urlencode({name: values.get(name, defaults[0]) for name, defaults in form[1].items()}).encode()
    return text


def _is_next_step(fields: dict[str, list[str]], decision: str) -> bool:
    if "action" in fields:
        return decision in fields["action"]
    return bool(fields.keys() & {"code", "username"})

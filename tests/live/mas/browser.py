"""A person with a browser, who types the code of a device on MAS's page: the stand-in's, or a real one's."""

from __future__ import annotations

import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

_PAGES = 6  # at most, until the device is allowed


class _Forms(HTMLParser):
    """The forms of a page: where each goes, and its fields; a choice of buttons is the value of one field."""

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
    """Type the code on the page for it, sign in, and allow the device; return the last page.

    Args:
        url: MAS's base URL.
        code: the code that the device shows.
        username: who signs in.
        password: their password.
        deny: deny the device instead.
    """
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    decision = "reject" if deny else "consent"
    typed = {"code": code, "username": username, "password": password, "action": decision}
    typed["confirm_device"] = "on"
    target, text = urljoin(url, "link"), ""
    data: bytes | None = None
    for _ in range(_PAGES):
        try:
            with opener.open(target, data, timeout=60) as answer:
                target, text = str(answer.url), str(answer.read().decode())
        except HTTPError as error:
            with error:
                return str(error.read().decode())
        form = next((one for one in _Forms(text).forms if _leads_on(one[1], decision)), None)
        if form is None:
            break
        target = urljoin(target, form[0])
        data = urlencode({name: typed.get(name, values[0]) for name, values in form[1].items()}).encode()
    return text


def _leads_on(fields: dict[str, list[str]], decision: str) -> bool:
    if "action" in fields:
        return decision in fields["action"]
    return bool(fields.keys() & {"code", "username"})

"""Parse an HTTP answer with llhttp, up to a size limit."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO

import httptools

LARGEST = 256 * 1024 * 1024
"""The largest size of an answer in bytes, decompressed.

A page of 10,000 rooms has about 10 MB, the state of a room with 100,000 members about 120 MB.
"""
_LARGEST_HEADERS = 128 * 1024  # bytes
_TLS_RECORD = (b"\x15\x03", b"\x16\x03")
_INTERIM = 200  # a lower status is followed by another answer
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers and body.

    Attributes:
        headers: the values by names in lower case.
        content: the body, decompressed.
        phrase: the reason phrase after the status.
        cut: the body was longer than the limit, and was cut.
        keeps: the connection can be used for another request.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    phrase: str = ""
    cut: bool = False
    keeps: bool = False


class UnreadableError(OSError):
    """The bytes are not an HTTP answer, or not safe to read. The message is the reason.

    Attributes:
        empty: the connection was closed before the first byte.
        answered: it is an HTTP answer, but it cannot be used.
    """

    def __init__(self, message: str, *, empty: bool = False, answered: bool = False) -> None:
        super().__init__(message)
        self.empty = empty
        self.answered = answered


class Body:
    """The body of an answer, decompressed in parts up to a size limit."""

    def __init__(self, encoding: str, most: int, *, cut: bool = False) -> None:
        """Prepare for a body.

        Args:
            encoding: the answer's ``Content-Encoding``.
            most: its largest size in bytes, decompressed.
            cut: cut a longer body, instead of raising an error.

        Raises:
            UnreadableError: the encoding is unknown.
        """
        encoding = encoding.strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            message = f"its encoding is {encoding[:20]!a}, which was not requested"
            raise UnreadableError(message, answered=True)
        self._most = most
        self._may_cut = cut
        self._kept = BytesIO()  # returns its bytes without a copy
        self._size = 0
        self._wbits = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}.get(encoding)
        self._unpacker = None if self._wbits is None else zlib.decompressobj(self._wbits)
        self._begun = False
        self.cut = False

    def add(self, data: bytes) -> None:
        """Add received bytes.

        Raises:
            UnreadableError: the body is too large, or its compression is not valid.
        """
        if self.cut:
            return
        if self._unpacker is None:
            self._keep(data)
            return
        self._begun = True
        while data:
            data = self._unpacked(self._unpacker, data)

    def _unpacked(self, unpacker: "zlib._Decompress", data: bytes) -> bytes:
        """Decompress some of the data; return the rest."""
        if unpacker.eof:
            # Another gzip member after the first.
            assert self._wbits is not None  # noqa: S101  for the type checker
            self._unpacker = unpacker = zlib.decompressobj(self._wbits)
        try:
            part = unpacker.decompress(data, self._most - self._size + 1)
        except zlib.error:
            if self._wbits != zlib.MAX_WBITS or self._size:
                raise UnreadableError("its compression is not valid", answered=True) from None
            # Some servers send "deflate" without its header.
            self._wbits = -zlib.MAX_WBITS
            self._unpacker = zlib.decompressobj(self._wbits)
            return data
        self._keep(part)
        return b"" if self.cut else unpacker.unconsumed_tail or unpacker.unused_data

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            if not self._may_cut:
                raise UnreadableError(f"it is larger than {self._most // 1024 // 1024} MB", answered=True)
            self.cut = True
            data = data[: len(data) - (self._size - self._most)]
        self._kept.write(data)

    def content(self) -> bytes:
        """Return the whole body.

        Raises:
            UnreadableError: the end of the body is missing.
        """
        if self._begun and self._unpacker is not None and not self._unpacker.eof and not self.cut:
            raise UnreadableError("it broke off")
        return self._kept.getvalue()


def read(receive: Callable[[], bytes], *, most: int | None = None, cut: bool = False) -> Answer:
    """Read one answer.

    Args:
        receive: returns received bytes; empty where the connection was closed.
        most: the largest size of the body in bytes, decompressed; default: LARGEST.
        cut: cut a longer body, instead of raising an error.

    Raises:
        UnreadableError: it is not HTTP, too large, or not complete.
        OSError: an error of ``receive``.
    """
    most = LARGEST if most is None else most
    reader = _Reader(most, cut=cut)
    try:
        return _read(receive, reader, most)
    finally:
        reader.release()


def _read(receive: Callable[[], bytes], reader: "_Reader", most: int) -> Answer:
    received = 0
    while not reader.complete:
        data = receive()
        if not data:
            return reader.closed(empty=not received)
        received += len(data)
        reader.feed(data)
        if not reader.has_headers and received > _LARGEST_HEADERS:
            raise _endless()
        # Bytes outside the body, such as the framing of very small chunks, have a limit, too.
        if received > 2 * max(most, _LARGEST_HEADERS) and not reader.complete:
            raise _endless()
    return reader.answer()


def _endless() -> UnreadableError:
    return UnreadableError("it has no end")


class _Reader:
    """The callbacks of the httptools parser, which calls the methods by their names."""

    def __init__(self, most: int, *, cut: bool) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._most = most
        self._may_cut = cut
        self._begin()
        self._first = True
        self._more = False
        self.complete = False

    def _begin(self) -> None:
        self._phrase = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: Body | None = None
        self._keeps = False

    @property
    def has_headers(self) -> bool:
        return self._body is not None

    def feed(self, data: bytes) -> None:
        if self._first and data[:2] in _TLS_RECORD:
            raise UnreadableError("it speaks TLS: use https")
        self._first = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, UnreadableError):
                raise error.__context__ from None
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Bytes after a complete answer do not belong to this request.
            if not self.complete:
                raise UnreadableError("it is no HTTP") from None
            self._more = True
        if self._body is not None and self._body.cut:
            self.complete = True

    def closed(self, *, empty: bool) -> Answer:
        """Return an answer that ends when the connection is closed."""
        if self._body is None or "content-length" in self._headers or "transfer-encoding" in self._headers:
            raise UnreadableError("it broke off", empty=empty)
        return self.answer()

    def answer(self) -> Answer:
        assert self._body is not None  # noqa: S101  for the type checker
        keeps = self.complete and self._keeps and not self._more and not self._body.cut
        content = self._body.content()
        status = self._status
        phrase = self._phrase.decode("latin-1")
        return Answer(status, self._headers, content, phrase=phrase, cut=self._body.cut, keeps=keeps)

    def release(self) -> None:
        """Release the parser: its reference to this reader would keep the body in memory."""
        del self._parser

    # The callbacks

    def on_message_begin(self) -> None:
        if self.complete:
            self._more = True
        else:
            self._begin()

    def on_status(self, phrase: bytes) -> None:
        if not self._more:
            self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._more:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _LARGEST_HEADERS:
            raise _endless()
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        if not self._more:
            self._status = self._parser.get_status_code()
            encoding = self._headers.get("content-encoding", "")
            self._body = Body(encoding, self._most, cut=self._may_cut)

    def on_body(self, data: bytes) -> None:
        if not self._more and self._body is not None:
            self._body.add(data)

    def on_message_complete(self) -> None:
        if not self._more:
            self._keeps = self._parser.should_keep_alive()
            self.complete = self._status >= _INTERIM

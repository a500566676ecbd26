"""The decoders of answers. Each is made once, by one thread at a time.

msgspec reads the annotations of a model when the first decoder for it is made. If two threads do that at the
same time, the process ends with a segmentation fault (msgspec 0.22).
"""

from threading import Lock
from typing import Any, Final, TypeVar, cast

import msgspec

T = TypeVar("T")

_LOCK: Final = Lock()
_MADE: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return the lenient decoder of a type (``strict=False``); any thread may use it."""
    made = _MADE.get(kind)
    if made is None:
        with _LOCK:
            made = _MADE.get(kind) or msgspec.json.Decoder(kind, strict=False)
            _MADE[kind] = made
    return cast("msgspec.json.Decoder[T]", made)

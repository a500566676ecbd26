"""Detection of fields in an answer that its model does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator


def unknown_fields(answer: object, model: Any) -> list[str]:  # noqa: ANN401  a type, or an alias of one
    """Return the paths of the fields that the model does not have, such as ``rooms.[].topic``."""
    return list(dict.fromkeys(_unknown(answer, inspect.type_info(model), "")))


def _unknown(value: object, kind: inspect.Type, where: str) -> Iterator[str]:
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _unknown(value, one, where)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for name, below in value.items():
            if name in fields:
                yield from _unknown(below, fields[name], f"{where}{name}.")
            else:
                yield f"{where}{name}"
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        for name, below in value.items():
            yield from _unknown(below, kind.value_type, f"{where}{name}.")
    elif isinstance(kind, inspect.CollectionType) and isinstance(value, list):
        for below in value:
            yield from _unknown(below, kind.item_type, f"{where}[].")

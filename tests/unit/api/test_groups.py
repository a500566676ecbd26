"""Resource groups: each endpoint constant has a method of the same name, which sends the request."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import re
from typing import TYPE_CHECKING, Any

import pytest

import synadmin.api
import synadmin.mas
from synadmin.errors import SynadminError
from synadmin.http.endpoint import Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from tests.unit.http.ways import way_to
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from types import ModuleType

    from tests.unit.stub import Stub

NO_GROUPS = {"choices", "oauth", "records", "service", "token_list"}
MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in (synadmin.api, synadmin.mas)
    for found in pkgutil.iter_modules(package.__path__)
    if found.name not in NO_GROUPS
]


def group_of(module: ModuleType) -> type[ResourceGroup]:
    (group,) = [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, ResourceGroup) and value.__module__ == module.__name__
    ]
    return group


def _endpoints(module: ModuleType) -> dict[str, Endpoint[Any]]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Endpoint)}


OPERATIONS = [
    pytest.param(module, name, id=f"{module.__name__.removeprefix('synadmin.')}.{name}")
    for module in MODULES
    for name in _endpoints(module)
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.removeprefix("synadmin."))
def test_file_has_one_group_and_at_least_one_operation(module: ModuleType) -> None:
    assert group_of(module).__doc__
    assert _endpoints(module)


@pytest.mark.parametrize(("module", "name"), OPERATIONS)
def test_endpoint_has_a_documented_method_of_the_same_name(module: ModuleType, name: str) -> None:
    assert name.isupper()
    method = getattr(group_of(module), name.lower(), None)
    assert inspect.isfunction(method), f"{module.__name__} has {name}, but no method {name.lower()}"
    assert method.__doc__
    assert "Source:" in f"{method.__doc__}{module.__doc__}"


@pytest.mark.parametrize(("module", "name"), OPERATIONS)
def test_endpoint_declaration_is_consistent(module: ModuleType, name: str) -> None:
    endpoint = _endpoints(module)[name]
    assert endpoint.method in {"GET", "PUT", "POST", "DELETE"}
    assert endpoint.path.startswith(("/_synapse/", "/_matrix/", "/.well-known/matrix/", "/api/admin/v1/"))
    if isinstance(endpoint, Paged):
        assert endpoint.items
        assert endpoint.method == "GET" or endpoint.reads


def test_no_operation_is_declared_twice() -> None:
    declared = [
        (endpoint.method, endpoint.path) for module in MODULES for endpoint in _endpoints(module).values()
    ]
    assert sorted(declared) == sorted(set(declared))


def _argument(parameter: inspect.Parameter) -> object:
    """Return a value that fits the annotation of a parameter."""
    annotation = str(parameter.annotation).lower()
    for part, value in (
        ("mapping", {"a": "b"}),
        ("list", ["x"]),
        ("tuple", ("x",)),
        ("sequence", ["x"]),
        ("iterable", ["x"]),
        ("bool", True),
        ("int", 1),
    ):
        if part in annotation:
            return value
    return "x"


@pytest.mark.parametrize(("module", "name"), OPERATIONS)
def test_method_sends_its_endpoint(module: ModuleType, name: str, stub: Stub) -> None:
    stub.on("*", json_reply({"nonce": "asked for by another"}))
    endpoint = _endpoints(module)[name]
    with way_to(stub.url, longest_wait=0) as transport:
        method = getattr(group_of(module)(transport), name.lower())
        given = {
            parameter.name: _argument(parameter)
            for parameter in inspect.signature(method).parameters.values()
            if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        }
        try:
            answer = method(**given)
            if isinstance(answer, Pager):
                next(iter(answer), None)
        except SynadminError:
            pass  # the stub's answer does not fit most methods
    segments = re.sub(r"\\\{\w+\\\}", "[^/?]*", re.escape(endpoint.path))
    expected = re.compile(rf"{endpoint.method} {segments}(\?.*)?\Z")
    sent = [f"{request.method} {request.target}" for request in stub.requests]
    assert any(expected.match(line) for line in sent), sent


def _records(module: ModuleType) -> list[type[Record]]:
    return [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Record) and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(record, id=f"{module.__name__.removeprefix('synadmin.')}.{record.__name__}")
        for module, record in itertools.chain.from_iterable(
            [(module, record) for record in _records(module)] for module in MODULES
        )
    ],
)
def test_model_is_frozen_and_shows_no_secret(record: type[Record]) -> None:
    assert record.__struct_config__.frozen
    secret = {"access_token", "password", "refresh_token"} & set(record.__struct_fields__)
    if secret:
        assert record.__repr__ is not Record.__repr__, f"{record.__name__} shows its {secret}"

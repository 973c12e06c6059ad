"""Whatever stands in the file, the answer is settings or a list of mistakes, never another error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmsd.config.loader import load
from kmsd.config.source import ConfigurationError

from .conftest import MINIMAL

TENANTS = """\
tenants:
  acme:
    root: main
    default_protection: HSM
    hsm: main
    keeping: resident
    roles: {all: [{operations: "*", object_types: [SymmetricKey], names: ["a*"]}]}
    clients:
      app: {certificate: {common_name: app}, username: me, password: x, roles: [all]}
      two: {certificate: {common_name: two}, listener: {host: a, ca: [ca.pem], version: "2.1", operations: [Put]}}
    algorithms: {AES: [256, 128-256], EC: [P_256]}
    legacy_encryption: []
    quotas: {objects: 10}
    key_service: {shortest_rotation: 9d, longest_rotation: 90d}
    cmks: {c: {rotation: 30d, usage: ENCRYPT/DECRYPT, aliases: [d], tags: {a: b}, description: text}}
    keys: {k: {algorithm: AES, length: 256, usage: [Encrypt], protection: HSM}}
"""

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["*", "main", "HSM", "1s", "AES"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def reported(path: Path) -> bool:
    """Whether the file loads, or each of its mistakes says where it is."""
    try:
        load(path, {})
    except ConfigurationError as error:
        return bool(error.mistakes) and all(m.startswith(f"{path}:") for m in error.mistakes)
    return True


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from places(tree[key])


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_place_is_taken_or_reported(directory: Path, data: st.DataObject) -> None:
    tree = yaml.safe_load(MINIMAL + TENANTS)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(tree))))
        container[key] = data.draw(values)
    path = directory / "any.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True))
    assert reported(path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_taken_or_reported(directory: Path, content: bytes) -> None:
    path = directory / "any.yaml"
    path.write_bytes(content)
    assert reported(path)

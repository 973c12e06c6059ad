"""Imports run one way. Another arrow is a change of the design, not a detail of a change."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What would give the pure packages a clock, I/O, chance, threads or an event loop.
IMPURE = frozenset(
    [
        "asyncio",
        "concurrent",
        "fcntl",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    ]
)

# The generator of the name tables runs at the desk, not in the library.
GENERATOR = ROOT / "protocol" / "tables"

PURE = [
    path
    for package in (ROOT / "protocol", ROOT / "kmsd" / "domain")
    for path in sorted(package.rglob("*.py"))
    if not path.is_relative_to(GENERATOR)
]


def imports(path: Path) -> Iterator[str]:
    """The top-level names of what a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module.partition(".")[0]


def test_no_import_runs_the_other_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_every_part_of_kmsd_is_in_a_layer() -> None:
    """A part that no layer names could import, and be imported, freely."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [contract] = project["tool"]["importlinter"]["contracts"]
    named = {name.strip(" ()") for layer in contract["layers"] for name in layer.split("|")}
    parts = {f"kmsd.{path.parent.name}" for path in (ROOT / "kmsd").glob("*/__init__.py")}
    assert parts <= named


def test_protocol_and_domain_import_nothing_impure() -> None:
    allowed = (sys.stdlib_module_names | {"protocol"}) - IMPURE
    found = {}
    for path in PURE:
        own = {"kmsd"} if path.is_relative_to(ROOT / "kmsd") else set()
        found[path] = set(imports(path)) - allowed - own
    assert {path: names for path, names in found.items() if names} == {}


def test_protocol_and_domain_do_not_wait() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [path for path in PURE if any(isinstance(n, waiting) for n in ast.walk(ast.parse(path.read_text())))]
    assert PURE
    assert found == []

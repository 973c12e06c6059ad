"""YAML to Settings: every mistake at once, each as `file:line: path: what is wrong`.

The text is composed to nodes first, which know their lines, then turned to plain values by our own rules:
YAML 1.1 would make `on` a boolean, `012` ten and `22:22` 1342, and would let the last of two equal keys win.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from kmsd.config import references
from kmsd.config.reading import Surroundings, Wrong, read
from kmsd.config.settings import Settings
from kmsd.config.source import ConfigurationError, Mistake, Place, Source

MAXIMUM_FILE = 4 << 20
MAXIMUM_NODES = 200_000
MAXIMUM_DEPTH = 32


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read, check and freeze the configuration of `path`.

    Of the environment, CREDENTIALS_DIRECTORY is read. Raises ConfigurationError.
    """
    return load_with_source(path, environment)[0]


def store_of(path: Path) -> Path:
    """The store that the configuration names, whatever else is in it. Raises ConfigurationError."""
    tree = _Tree(path)
    raw = tree.read()
    store = raw.get("store") if isinstance(raw, dict) else None
    named = store.get("sqlite") if isinstance(store, dict) else None
    if not tree.mistakes and not isinstance(named, str):
        tree.mistake(("store", "sqlite"), "required, but not given")
    if tree.mistakes:
        raise tree.source.error(tree.mistakes)
    return path.absolute().parent / str(named)


def load_with_source(path: Path | str, environment: Mapping[str, str] = os.environ) -> tuple[Settings, Source]:
    """As `load`, with the lines that the values stand on."""
    path = Path(path)
    tree = _Tree(path)
    raw = tree.read()
    if not tree.mistakes and not isinstance(raw, dict):
        tree.mistake((), "expected a mapping: listeners, tls, store, tenants, ...")
    settings: Settings | None = None
    if isinstance(raw, dict):
        around = _surroundings(raw, path, environment)
        try:
            settings = read(Settings, raw, around)
        except Wrong as wrong:
            for place, text in wrong.problems:
                tree.mistake(place, text)
        for place, text in references.check(raw, raw.get("software_root") is not None):
            tree.mistake(place, text)
    if tree.mistakes or settings is None:
        raise tree.source.error(tree.mistakes)
    return settings, tree.source


def _surroundings(raw: dict[str, Any], path: Path, environment: Mapping[str, str]) -> Surroundings:
    base = path.absolute().parent
    credentials = raw.get("credentials")
    named = credentials.get("directory") if isinstance(credentials, dict) else None
    systemd = Path(environment["CREDENTIALS_DIRECTORY"]) if environment.get("CREDENTIALS_DIRECTORY") else None
    directory = base / named if isinstance(named, str) else systemd
    return Surroundings(base, directory, private=directory != systemd)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Scalars are null, true, false, decimal integers, or text; nothing else is guessed."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|)\Z"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)\Z"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(0|-?[1-9][0-9]{0,17})\Z"), list("-0123456789"))

_SCALARS: dict[str, Any] = {
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:bool": lambda text: text == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:str": str,
}
_SEQUENCE = "tag:yaml.org,2002:seq"
_MAPPING = "tag:yaml.org,2002:map"


class _Tree:
    """The values of a YAML file, the line of each, and the mistakes found so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Place, int] = {(): 1}
        self.source = Source(path, self.lines)
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def mistake(self, place: Place, text: str) -> None:
        self.mistakes.append(self.source.mistake(place, text))

    def read(self) -> object:
        """The plain value of the file: dicts, tuples, str, int, bool, None. Mistakes are kept, not raised."""
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(MAXIMUM_FILE + 1)
        except OSError as error:
            raise ConfigurationError([f"{self.path}: {error.strerror}"]) from error
        if mode & stat.S_IWOTH:
            # Whoever writes here decides who gets the keys.
            raise ConfigurationError([f"{self.path}: all may write it (mode {stat.S_IMODE(mode):04o}): chmod 644 it"])
        if len(content) > MAXIMUM_FILE:
            raise ConfigurationError([f"{self.path}: more than {MAXIMUM_FILE} bytes"])
        try:
            node = yaml.compose(content, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.lines[()] = mark.line + 1 if mark is not None else 1
            self.mistake((), f"not YAML: {error.problem or error.context}")
            return None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.mistake((), f"not YAML: {str(error).splitlines()[0]}")
            return None
        return self._value(node, ()) if node is not None else None

    def _value(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._nodes += 1
        # Aliases make a small file a huge tree, or one without an end.
        if self._nodes > MAXIMUM_NODES or len(place) > MAXIMUM_DEPTH:
            raise ConfigurationError([f"{self.path}:{line}: too large or too deep, with all aliases followed"])
        if isinstance(node, yaml.ScalarNode):
            if node.tag in _SCALARS:
                try:
                    return _SCALARS[node.tag](node.value)
                except ValueError:
                    self.mistake(place, f"no value of the YAML tag {node.tag}")
                    return None
        elif isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            return tuple(self._value(item, (*place, index)) for index, item in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            return self._mapping(node, place)
        self.mistake(place, f"the YAML tag {node.tag} has no meaning here")
        return None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.mistake(place, "expected names as keys")
                continue
            here = (*place, key.value)
            if key.value in values:
                text = f"given twice, first on line {self.lines[here]}"
                self.mistakes.append(Mistake(key.start_mark.line + 1, here, text))
                continue
            self.lines[here] = key.start_mark.line + 1
            values[key.value] = self._value(value, here)
        return values

"""Reads and writes the YAML of a configuration, keeping the line of everything that it says.

YAML is taken as far as people need it and no further: no tags that make objects, no dates (a time
is text, read in the organization's zone), no key twice, no depth and no number of aliases that
could exhaust anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from statustui.domain.configuration import Configuration, read_configuration
from statustui.domain.configuration_writing import configuration_to_mapping
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import shown
from statustui.domain.text import clean

BYTES_MOST = 10_000_000
DEPTH_MOST = 20
NODES_MOST = 1_000_000

_TEXT = "tag:yaml.org,2002:str"
_SCALARS = {
    "tag:yaml.org,2002:null": SafeConstructor.construct_yaml_null,
    "tag:yaml.org,2002:bool": SafeConstructor.construct_yaml_bool,
    "tag:yaml.org,2002:int": SafeConstructor.construct_yaml_int,
    "tag:yaml.org,2002:float": SafeConstructor.construct_yaml_float,
}
# These arrive as the text that was written.
_AS_TEXT = {_TEXT, "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
_MERGE = "tag:yaml.org,2002:merge"

Where = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """A parsed text.

    Attributes:
        value: mappings, lists, texts, numbers, booleans, None.
        lines: line and column, from 1, of each value by its path.
        keys: the same of each key in a mapping, by the path of its value.
        problems: what was wrong with the YAML itself.
    """

    value: object = None
    lines: dict[Where, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def locate(self, problem: Problem) -> Problem:
        """The problem with line and column of what it is about.

        An unknown or repeated key is about the key; a missing one about the mapping around it.
        """
        if problem.line is not None:
            return problem
        path: Where = problem.path
        if path in self.keys and "unknown key" in problem.message:
            line, column = self.keys[path]
            return replace(problem, line=line, column=column)
        while path and path not in self.lines:
            path = path[:-1]
        line, column = self.lines.get(path, (1, 1))
        return replace(problem, line=line, column=column)


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """A file that was read and found right, as far as it alone can tell."""

    name: str
    configuration: Configuration
    document: Document

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Gives what is found wrong with the configuration inside the block its lines.

        Raises:
            ValidationFailed: as raised inside, with file, line and column.
        """
        try:
            yield
        except ValidationFailed as failure:
            if not failure.problems:
                raise
            raise _located(self.name, self.document, failure) from None


def read_file(name: str) -> ConfigurationFile:
    """Reads a configuration file.

    Args:
        name: its path; "-" is standard input.

    Raises:
        ValidationFailed: it cannot be read, or something in it is wrong; every mistake is named
            with file, line and column.
    """
    shown_name = "standard input" if name == "-" else clean(name)
    try:
        data = sys.stdin.buffer.read(BYTES_MOST + 1) if name == "-" else _read(Path(name))
    except OSError as error:
        raise ValidationFailed(f"cannot read {shown_name}: {error.strerror or error}") from None
    except ValueError:
        raise ValidationFailed(f"cannot read {shown_name}: that is no file name") from None
    if len(data) > BYTES_MOST:
        raise ValidationFailed(f"{shown_name} is larger than {BYTES_MOST // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _failed(shown_name, [Problem("is not UTF-8 text", line=line, column=1)]) from None
    document = parse(text)
    if document.problems:
        raise _failed(shown_name, document.problems)
    try:
        configuration = read_configuration(document.value)
    except ValidationFailed as failure:
        raise _located(shown_name, document, failure) from None
    return ConfigurationFile(shown_name, configuration, document)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BYTES_MOST + 1)


def _located(name: str, document: Document, failure: ValidationFailed) -> ValidationFailed:
    return _failed(name, [document.locate(problem) for problem in failure.problems])


def _failed(name: str, problems: list[Problem]) -> ValidationFailed:
    ordered = sorted(problems, key=lambda each: (each.line or 0, each.column or 0))
    lines = [_line(name, problem) for problem in ordered]
    message = lines[0]
    if len(lines) > 1:
        message = f"{len(lines)} mistakes in {name}; the first: {lines[0]}"
    return ValidationFailed(
        message,
        # The lines say where; a path beside them would be said twice.
        problems=[
            Problem(line, excerpt=problem.excerpt)
            for line, problem in zip(lines, ordered, strict=True)
        ],
        advice="nothing was changed",
    )


def _line(name: str, problem: Problem) -> str:
    where = ""
    for step in problem.path:
        where += f"[{step + 1}]" if isinstance(step, int) else f".{clean(step)}"
    about = f"{where.lstrip('.')}: " if where else ""
    return f"{name}:{problem.line or 1}:{problem.column or 1}: {about}{problem.message}"


# -- parsing ---------------------------------------------------------------------------------------


def parse(text: str) -> Document:
    """Parses YAML into plain values that remember where they stood."""
    document = Document()
    try:
        _check_size(text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                document.problems.append(Problem("the file is empty", line=1, column=1))
            else:
                document.value = _Builder(document).build(node, (), frozenset())
        finally:
            loader.dispose()
    except _TooMuch as problem:
        document.problems.append(Problem(str(problem), line=problem.line, column=1))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = clean(" ".join(filter(None, (error.context, error.problem))))
        document.problems.append(
            Problem(
                f"is not YAML: {told}",
                line=mark.line + 1 if mark else 1,
                column=mark.column + 1 if mark else 1,
            )
        )
    except yaml.YAMLError as error:
        document.problems.append(Problem(f"is not YAML: {clean(str(error))}", line=1, column=1))
    return document


class _TooMuch(Exception):
    """The text would need more room than any configuration does."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _check_size(text: str) -> None:
    """Counts before anything is built: building goes as deep as the text does."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MOST:
            raise _TooMuch(f"is nested deeper than {DEPTH_MOST} levels", line)
        if count > NODES_MOST:
            raise _TooMuch(f"has more than {NODES_MOST:,} values", line)


class _Builder:
    """Turns nodes into values; an alias is built anew at each place, within the same limits."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = SafeConstructor()
        self._count = 0

    def build(self, node: yaml.Node, path: Where, around: frozenset[int]) -> object:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self._document.lines[path] = (line, column)
        self._count += 1
        if self._count > NODES_MOST or len(path) > DEPTH_MOST:
            raise _TooMuch("its aliases make it too large", line)
        if id(node) in around:
            self._wrong("an alias holds itself", path, node)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, around | {id(node)})
        if isinstance(node, yaml.SequenceNode):
            if node.tag != "tag:yaml.org,2002:seq":
                self._wrong(f"the tag {shown(node.tag)} means nothing here", path, node)
            inside = around | {id(node)}
            return [
                self.build(item, (*path, index), inside) for index, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise TypeError(f"{type(node).__name__} is no node of YAML")

    def _mapping(
        self, node: yaml.MappingNode, path: Where, around: frozenset[int]
    ) -> dict[object, object]:
        if node.tag != "tag:yaml.org,2002:map":
            self._wrong(f"the tag {shown(node.tag)} means nothing here", path, node)
        result: dict[object, object] = {}
        own: set[object] = set()
        merged = [each for each in node.value if each[0].tag == _MERGE]
        for _, value in merged:
            for source in self._merged(value, path):
                for key, inherited in self._pairs(source, path):
                    if key not in result:
                        result[key] = self.build(inherited, (*path, _step(key)), around)
        for key_node, value in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self._key(key_node, path)
            where = (*path, _step(key))
            mark = key_node.start_mark
            self._document.keys[where] = (mark.line + 1, mark.column + 1)
            if key in own:
                self._wrong(f"the key {shown(key)} stands twice", where, key_node)
            own.add(key)
            result[key] = self.build(value, where, around)
        return result

    def _merged(self, node: yaml.Node, path: Where) -> Iterator[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in nodes:
            if isinstance(each, yaml.MappingNode):
                yield each
            else:
                self._wrong("<< takes keys and values from elsewhere in the file", path, node)

    def _pairs(self, node: yaml.MappingNode, path: Where) -> Iterator[tuple[object, yaml.Node]]:
        for key_node, value in node.value:
            if key_node.tag == _MERGE:
                self._wrong("<< inside what << takes is not followed", path, key_node)
            else:
                yield self._key(key_node, path), value

    def _key(self, node: yaml.Node, path: Where) -> object:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong("a key must be a word", path, node)
            return ""
        key = self._scalar(node, path)
        # `on:` and `yes:` are words to whoever writes them.
        return node.value if isinstance(key, bool) or key is None else key

    def _scalar(self, node: yaml.ScalarNode, path: Where) -> object:
        if node.tag in _AS_TEXT:
            return str(node.value)
        construct = _SCALARS.get(node.tag)
        if construct is None:
            self._wrong(f"the tag {shown(node.tag)} means nothing here", path, node)
            return str(node.value)
        try:
            value: object = construct(self._scalars, node)
        except (ConstructorError, ValueError, KeyError):
            self._wrong(f"{shown(str(node.value))} cannot be read as {node.tag[-5:]}", path, node)
            return None
        return value

    def _wrong(self, message: str, path: Where, node: yaml.Node) -> None:
        mark = node.start_mark
        self._document.problems.append(Problem(message, path, mark.line + 1, mark.column + 1))


def _step(key: object) -> str | int:
    return key if isinstance(key, str) else str(key)


# -- writing ---------------------------------------------------------------------------------------


def write_text(configuration: Configuration) -> str:
    """The configuration as YAML; `read_file` gives the same back."""
    return yaml.safe_dump(
        configuration_to_mapping(configuration),
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )

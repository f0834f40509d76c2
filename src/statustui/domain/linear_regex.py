"""Searches a text by a regular expression in time that grows with the text and with nothing else.

Python's own `re` tries one way after the other and may need longer than the universe for a dozen
letters, in the middle of an event loop, with no way to stop it. Here all ways are followed at once
(Thompson's construction), and what was found out is kept as a table from state and character to
state, so that most characters cost one lookup. The price: no back-references and no looking ahead
or behind, which cannot be had in linear time; they are refused when the pattern is saved.

Syntax and mistakes are those of Python's `re`, whose parser reads the pattern.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.text import clean

# The parser of `re` has no public name; its tree has been stable since Python 3.11.
_parser: Any = importlib.import_module("re._parser")

MOST_NODES = 400
"""How large a pattern may become when its counted repeats are written out."""

SLICE = 1_000
"""Work after which a search hands control back, in nodes looked at: about a millisecond."""

MOST_WORK = 600_000
"""Work after which a search gives up, in the same unit: less than a second."""

_PIECE = 64
# A character found in the table costs about a twentieth of a node looked at.
_LOOKUPS_PER_NODE = 20
_MOST_STATES = 500
_MOST_TRANSITIONS = 10_000

_Predicate = Callable[[str], bool]

# What stands before or after a place in the text.
_NOTHING, _NEWLINE, _LAST_NEWLINE, _WORD, _OTHER = range(5)


class TooMuchWork(Exception):
    """The search needed more than `MOST_WORK`."""


class _Node:
    """A place in the pattern.

    Attributes:
        takes: the characters that lead on, None when nothing is consumed.
        holds: what must stand before and after, for a node that is an anchor.
        following: where it leads.
    """

    __slots__ = ("following", "holds", "takes")

    def __init__(
        self,
        takes: _Predicate | None = None,
        holds: Callable[[int, int], bool] | None = None,
        following: Sequence[int] = (),
    ) -> None:
        self.takes = takes
        self.holds = holds
        self.following = list(following)


class _State(dict[str, "_State"]):
    """A set of places in the pattern, as a table from the next character to the next state."""

    __slots__ = ("before", "owner", "places")

    def __init__(self, owner: LinearPattern, places: frozenset[int], before: int) -> None:
        super().__init__()
        self.owner = owner
        self.places = places
        self.before = before

    def __missing__(self, character: str) -> _State:
        return self.owner.step(self, character, _kind(character))


class LinearPattern:
    """A regular expression, ready to search with; made by `compile_pattern`."""

    def __init__(self, nodes: list[_Node], start: int, final: int) -> None:
        self._nodes = nodes
        self._start = start
        self._final = final
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._transitions = 0
        self._work = 0
        self._matched = _State(self, frozenset({final}), _NOTHING)

    def search(self, text: str) -> Iterator[bool | None]:
        """Looks for the pattern anywhere in a text, a piece at a time.

        Args:
            text: where to look.

        Yields:
            None whenever about a millisecond of work was done; at last whether it was found.

        Raises:
            TooMuchWork: when the pattern makes too much of this text.
        """
        # "$" also matches before a line end that is the last character.
        ends_with_newline = text.endswith("\n")
        length = len(text) - ends_with_newline
        state = self._state(frozenset(), _NOTHING)
        total = since = 0
        for at in range(0, length, _PIECE):
            before = self._work
            for character in text[at : min(at + _PIECE, length)]:
                state = state[character]
            if state is self._matched:
                yield True
                return
            spent = self._work - before + _PIECE // _LOOKUPS_PER_NODE
            total += spent
            since += spent
            if total > MOST_WORK:
                raise TooMuchWork
            if since > SLICE:
                since = 0
                yield None
        if ends_with_newline:
            state = self.step(state, "\n", _LAST_NEWLINE)
        yield state is self._matched or self._final in self._reached(state, _NOTHING)

    def step(self, state: _State, character: str, kind: int) -> _State:
        """The state after one more character, noted in the table of the state."""
        if state is self._matched:
            return state
        reached = self._reached(state, kind)
        if self._final in reached:
            following = self._matched
        else:
            places = set[int]()
            for place in reached:
                node = self._nodes[place]
                if node.takes is not None and node.takes(character):
                    places.update(node.following)
            following = self._state(frozenset(places), _NEWLINE if kind == _LAST_NEWLINE else kind)
        if kind != _LAST_NEWLINE:
            self._transitions += 1
            if self._transitions > _MOST_TRANSITIONS:
                self._forget()
            state[character] = following
        return following

    def _reached(self, state: _State, after: int) -> set[int]:
        """All places that can be reached without consuming anything; a match may begin here too."""
        before = state.before
        reached = set[int]()
        waiting = [self._start, *state.places]
        while waiting:
            place = waiting.pop()
            if place in reached:
                continue
            reached.add(place)
            node = self._nodes[place]
            if node.takes is None and (node.holds is None or node.holds(before, after)):
                waiting.extend(node.following)
        self._work += len(reached)
        return reached

    def _state(self, places: frozenset[int], before: int) -> _State:
        key = (places, before)
        found = self._states.get(key)
        if found is None:
            if len(self._states) >= _MOST_STATES:
                self._forget()
            found = self._states[key] = _State(self, places, before)
        return found

    def _forget(self) -> None:
        """Empties the table; whoever is at a state goes on from it and fills it anew."""
        for state in self._states.values():
            state.clear()
        self._states.clear()
        self._transitions = 0


@lru_cache(maxsize=1_000)
def compile_pattern(pattern: str) -> LinearPattern:
    """Reads a regular expression.

    Args:
        pattern: in the syntax of Python's `re`, without back-references, look-around, possessive
            and atomic groups.

    Raises:
        ValidationFailed: with what is wrong, and its column where there is one.
    """
    try:
        tree = _parser.parse(pattern)
    except re.error as error:
        column = error.pos + 1 if error.pos is not None else None
        raise _refused(f"is not a regular expression: {clean(error.msg)}", column) from None
    except (RecursionError, OverflowError):
        raise _refused("is nested too deeply") from None
    builder = _Builder(tree.state.flags)
    try:
        return builder.build(tree)
    except RecursionError:
        raise _refused("is nested too deeply") from None


def _refused(message: str, column: int | None = None) -> ValidationFailed:
    where = f" (column {column})" if column is not None else ""
    return ValidationFailed(message, problems=[Problem(message + where, column=column)])


class _Builder:
    """Turns the tree of `re`'s parser into nodes, from the end to the beginning."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._nodes: list[_Node] = []

    def build(self, tree: Any) -> LinearPattern:
        """The pattern of a whole tree."""
        final = self._add(_Node())
        start = self._sequence(tree, final)
        return LinearPattern(self._nodes, start, final)

    def _add(self, node: _Node) -> int:
        if len(self._nodes) >= MOST_NODES:
            raise _refused(f"is too large: written out it has more than {MOST_NODES} places")
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _sequence(self, items: Any, then: int) -> int:
        for operator, argument in reversed(list(items)):
            then = self._one(str(operator), argument, then)
        return then

    def _one(self, operator: str, argument: Any, then: int) -> int:
        match operator:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                takes = self._predicate(operator, argument)
                return self._add(_Node(takes=takes, following=(then,)))
            case "BRANCH":
                branches = [self._sequence(branch, then) for branch in argument[1]]
                return self._add(_Node(following=branches))
            case "SUBPATTERN":
                _, added, removed, items = argument
                before = self._flags
                self._flags = (before | added) & ~removed
                start = self._sequence(items, then)
                self._flags = before
                return start
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, items = argument
                return self._repeat(least, most, items, then)
            case "AT":
                return self._add(_Node(holds=self._anchor(str(argument)), following=(then,)))
            case "GROUPREF" | "GROUPREF_EXISTS":
                raise _refused("has a back-reference, which cannot be searched in bounded time")
            case "ASSERT" | "ASSERT_NOT":
                raise _refused("looks ahead or behind, which cannot be searched in bounded time")
            case _:
                raise _refused("has a possessive or atomic group, which is not known here")

    def _repeat(self, least: int, most: Any, items: Any, then: int) -> int:
        tail = then
        if most is _parser.MAXREPEAT:
            tail = self._add(_Node())
            body = self._sequence(items, tail)
            self._nodes[tail].following = [body, then]
        else:
            for _ in range(most - least):
                tail = self._add(_Node(following=(self._sequence(items, tail), then)))
        for _ in range(least):
            size = len(self._nodes)
            tail = self._sequence(items, tail)
            if len(self._nodes) == size:
                # Repeats of nothing would go on for long without ever reaching the limit.
                tail = self._add(_Node(following=(tail,)))
        return tail

    def _anchor(self, name: str) -> Callable[[int, int], bool]:
        multiline = bool(self._flags & re.MULTILINE)
        match name:
            case "AT_BEGINNING_STRING":
                return lambda before, _: before == _NOTHING
            case "AT_BEGINNING":
                begins = (_NOTHING, _NEWLINE) if multiline else (_NOTHING,)
                return lambda before, _: before in begins
            case "AT_END_STRING":
                return lambda _, after: after == _NOTHING
            case "AT_END":
                ends = (_NOTHING, _LAST_NEWLINE) + ((_NEWLINE,) if multiline else ())
                return lambda _, after: after in ends
            case "AT_BOUNDARY":
                return lambda before, after: (before == _WORD) != (after == _WORD)
            case _:
                return lambda before, after: (before == _WORD) == (after == _WORD)

    def _predicate(self, operator: str, argument: Any) -> _Predicate:
        folded = bool(self._flags & re.IGNORECASE)
        match operator:
            case "LITERAL":
                wanted = chr(argument)
                if folded:
                    lowered, raised = wanted.lower(), wanted.upper()
                    return lambda one: one.lower() == lowered or one.upper() == raised
                return lambda one: one == wanted
            case "NOT_LITERAL":
                inner = self._predicate("LITERAL", argument)
                return lambda one: not inner(one)
            case "ANY":
                if self._flags & re.DOTALL:
                    return lambda _: True
                return lambda one: one != "\n"
            case _:
                return self._set(argument, folded)

    def _set(self, items: Any, folded: bool) -> _Predicate:
        negated = False
        members: list[_Predicate] = []
        for operator, argument in items:
            match str(operator):
                case "NEGATE":
                    negated = True
                case "RANGE":
                    first, last = argument
                    members.append(_between(first, last, folded))
                case "CATEGORY":
                    members.append(_category(str(argument), bool(self._flags & re.ASCII)))
                case name:
                    members.append(self._predicate(name, argument))
        if negated:
            return lambda one: not any(member(one) for member in members)
        return lambda one: any(member(one) for member in members)


def _between(first: int, last: int, folded: bool) -> _Predicate:
    def takes(one: str) -> bool:
        if first <= ord(one) <= last:
            return True
        # Some letters become two in the other case ("ß"); those have no other form in a range.
        forms = (one.lower(), one.upper()) if folded else ()
        return any(len(form) == 1 and first <= ord(form) <= last for form in forms)

    return takes


_CATEGORIES: dict[str, _Predicate] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda one: one.isalnum() or one == "_",
}


def _category(name: str, ascii_only: bool) -> _Predicate:
    word = name.removeprefix("CATEGORY_")
    negated = word.startswith("NOT_")
    member = _CATEGORIES[word.removeprefix("NOT_")]
    if ascii_only:
        inner = member

        def member(one: str) -> bool:
            # The separators \x1c to \x1f are white space in Unicode only.
            return one.isascii() and inner(one) and not "\x1c" <= one <= "\x1f"

    return (lambda one: not member(one)) if negated else member


def _kind(character: str) -> int:
    if character == "\n":
        return _NEWLINE
    return _WORD if character.isalnum() or character == "_" else _OTHER

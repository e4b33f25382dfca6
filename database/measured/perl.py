"""The values in text that Perl's Data::Dumper wrote, read by a grammar and never run.

    file      = { comment | "[record]" | "1;" | statement }
    statement = ("$" | "@" | "%") name "=" value ";"
    value     = string | number | "undef" | list | "bless" "(" value "," value ")"
    list      = ("(" | "[" | "{") [ value { ("," | "=>") value } [","] ] (")" | "]" | "}")

Everything else is an error with its line. Hashes come back as flat lists of keys and values.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from whiteline.errors import ParseError

__all__ = ["RECORD", "PerlValue", "Statement", "read_statements"]

PerlValue: TypeAlias = "str | list[PerlValue] | None"

RECORD: Final = "[record]"
_DEEPEST = 30
_SPACE = re.compile(r"(?:\s++|#[^\n]*+)*+")
_TOKEN = re.compile(
    r"""(?P<single>'(?:[^'\\]++|\\.)*+')"""
    r"""|(?P<double>"(?:[^"\\]++|\\.)*+")"""
    r"""|(?P<number>[-+]?(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?)"""
    r"""|(?P<mark>=>|[()\[\]{},;=])"""
    r"""|(?P<variable>[$@%][A-Za-z_]\w*+)"""
    r"""|(?P<word>[A-Za-z_]\w*+)""",
    re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SINGLE_ESCAPE = re.compile(r"\\([\\'])")
_DOUBLE_ESCAPE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "0": "\0"}


@dataclass(frozen=True)
class Statement:
    """One assignment, or the mark that ends a record.

    Attributes:
        name: Name of the variable without its sigil, or `RECORD`.
        value: What was assigned.
        line: Line that it begins on.
    """

    name: str
    value: PerlValue
    line: int


def read_statements(text: str, source: str) -> Iterator[Statement]:
    """Yield the assignments of a text.

    Raises:
        ParseError: Something is neither a value nor an assignment of one, or the text ends inside.
    """
    reader = _Reader(text, source)
    while (token := reader.peek()) is not None:
        kind, word = token
        line = reader.line
        if kind == "number" and word == "1":
            reader.take()
            reader.expect(";")
        elif word == "[":
            reader.take()
            reader.expect("record")
            reader.expect("]")
            yield Statement(RECORD, None, line)
        elif kind == "variable":
            reader.take()
            reader.expect("=")
            value = reader.value()
            reader.expect(";")
            yield Statement(word[1:], value, line)
        else:
            raise reader.refuse("an assignment such as @x = (…);")


class _Reader:
    """A text and the place in it."""

    def __init__(self, text: str, source: str) -> None:
        self._text, self._source = text, source
        self._place = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    @property
    def line(self) -> int:
        """Number of the line of the next token."""
        return bisect_right(self._line_ends, self._next_place()) + 1

    def peek(self) -> tuple[str, str] | None:
        """Return kind and text of the next token; None at the end."""
        match = self._match()
        return None if match is None else (str(match.lastgroup), match.group())

    def take(self) -> tuple[str, str]:
        """Return kind and text of the next token, and go on behind it."""
        match = self._match()
        if match is None:
            raise self.refuse("more")
        self._place = match.end()
        return str(match.lastgroup), match.group()

    def expect(self, text: str) -> None:
        """Go on behind a token that must be this one."""
        token = self.peek()
        if token is None or token[1] != text:
            raise self.refuse(repr(text))
        self.take()

    def refuse(self, expected: str) -> ParseError:
        """Return the error for what comes next."""
        place = self._next_place()
        found = ascii(self._text[place : place + 30]) if place < len(self._text) else "the end of the file"
        return ParseError(
            f"{self._source}, line {self.line}: expected {expected}, got {found}: the project is cut off or damaged, "
            "save it again"
        )

    def value(self, depth: int = 0) -> PerlValue:
        """Return the next value."""
        token = self.peek()
        if token is None or depth > _DEEPEST:
            raise self.refuse("a value")
        kind, word = token
        if kind == "single":
            self.take()
            return _SINGLE_ESCAPE.sub(r"\1", word[1:-1])
        if kind == "double":
            self.take()
            return _DOUBLE_ESCAPE.sub(_unescaped, word[1:-1])
        if kind == "number":
            return self.take()[1]
        if word == "undef":
            self.take()
            return None
        if word == "bless":
            self.take()
            made = self.value(depth + 1)
            return made[0] if isinstance(made, list) and made else None
        if word in _CLOSING:
            return self._list(_CLOSING[self.take()[1]], depth)
        raise self.refuse("a value")

    def _list(self, closing: str, depth: int) -> PerlValue:
        values: list[PerlValue] = []
        while (token := self.peek()) is not None and token[1] != closing:
            # A bare word in front of => is text.
            if token[0] == "word" and token[1] not in ("undef", "bless"):
                values.append(self.take()[1])
            else:
                values.append(self.value(depth + 1))
            following = self.peek()
            if following is not None and following[1] in (",", "=>"):
                self.take()
            elif following is None or following[1] != closing:
                raise self.refuse(f"a comma or {closing!r}")
        self.expect(closing)
        return values

    def _next_place(self) -> int:
        match = _SPACE.match(self._text, self._place)
        return self._place if match is None else match.end()

    def _match(self) -> re.Match[str] | None:
        place = self._next_place()
        if place >= len(self._text):
            return None
        match = _TOKEN.match(self._text, place)
        if match is None:
            raise self.refuse("a value or a mark")
        return match


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code is None:
        return _LETTERS.get(match[3], match[3])
    return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"

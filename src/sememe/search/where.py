"""The language of filters: `lang = 'en' AND year >= 2023`, or {"lang": "en", "year": [2023, 2024]}.

A field is `id`, `text` or a key of the metadata; names that are not plain words stand in "double
quotes", texts in 'single quotes'. Comparisons are = == != <> < <= > >=, IN (…), BETWEEN … AND …,
LIKE (% any text, _ any character, ASCII letters in either case) and IS NULL, each with its NOT;
NOT binds closer than AND, AND closer than OR. What they mean is in `conditions.py`.
"""

import difflib
import math
import re
from collections.abc import Mapping
from typing import NoReturn, cast

from sememe.errors import InputError
from sememe.search.conditions import Condition, Scalar, among, compared, joined, negated, null

# Within the depth that SQLite's parser and its trees may have.
LONGEST, DEEPEST, KEYS = 4_000, 10, 500
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")+")
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)
    | (?P<keyword>(?:AND|OR|NOT|IN|BETWEEN|LIKE|IS|NULL|TRUE|FALSE)\b) | (?P<word>[^\W\d]\w*)
    | (?P<sign>[=!<>~]+|[(),]) | (?P<end>\Z) | (?P<unknown>.))""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_HINTS = {
    "'": "this text has no closing quote (a ' inside a text is written '')",
    '"': "this name is empty or has no closing quote",
    **dict.fromkeys("‘’‚´`“”„«»", "typographic quotes: write a text in straight ones, 'en'"),
    **dict.fromkeys("&|", "write AND and OR"),
}
_NAME = 'a name that is not a plain word stands in double quotes: "a.b"'
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse(where: str | Mapping[str, object] | None) -> Condition | None:
    """The condition that `where` states; of a mapping, that each key has its value or one of them.

    >>> parse("year >= 2023 AND NOT lang IN ('en', 'de')") == parse(None)
    False

    Raises InputError that says what is wrong, and in which column.
    """
    if where is None:
        return None
    if isinstance(where, str) and where.strip():
        return _Parser(where).condition()
    if isinstance(where, Mapping) and 0 < len(where) <= KEYS:
        return joined("AND", [_has(field, value) for field, value in where.items()])
    raise InputError(
        f"where has to be a condition or a mapping of 1 to {KEYS} keys; leave it out for every row"
    )


def _has(field: str, value: object) -> Condition:
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    for each in (field, *values):
        if fault := _fault(each):
            raise InputError(f"where, key {_short(repr(field))}: {_short(repr(each))} {fault}")
    return among(field, cast(list[Scalar | None], values))


def _fault(value: object) -> str:
    """Why the value cannot be compared in every database, or nothing."""
    if isinstance(value, str):
        odd = re.search("[\0\ud800-\udfff]", value)
        return f"has a character that is none: {odd.group()!r}" if odd else ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "is beyond 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "is not a finite number"
    return "" if value is None else "is not a text, a number, True, False, None or a list of these"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 30 else text[:29] + "…"


class _Parser:
    """Recursive descent, a method a rule; the tokens still to be read are a stack."""

    def __init__(self, where: str) -> None:
        if len(where) > LONGEST:
            raise InputError(
                f"where has over {LONGEST:,} characters: give long lists as {{'id': [...]}}"
            )
        if fault := _fault(where):
            raise InputError(f"where {fault}")
        self.where = where
        self.tokens = [*_TOKEN.finditer(where)][::-1]

    @property
    def kind(self) -> str:
        return self.tokens[-1].lastgroup or ""

    @property
    def next(self) -> str:
        return self.tokens[-1][self.kind]

    def fail(self, message: str) -> NoReturn:
        at = self.tokens[-1].start(self.kind)
        if self.kind == "unknown":
            message = _HINTS.get(self.next, _NAME)
        piece = _short(self.where[at:]) or "the end"
        raise InputError(f"where: {message} (column {at + 1}: {piece})")

    def accept(self, *words: str) -> str:
        word = self.next.upper()
        if word not in words:
            return ""
        self.tokens.pop()
        return word

    def expect(self, word: str, message: str) -> None:
        if not self.accept(word):
            self.fail(message)

    def condition(self) -> Condition:
        condition = self.junction("OR", 0)
        if self.kind != "end":
            self.fail("expected AND, OR or the end")
        return condition

    def junction(self, word: str, depth: int) -> Condition:
        parts: list[Condition] = []
        while not parts or self.accept(word):
            parts.append(self.junction("AND", depth) if word == "OR" else self.term(depth))
        return joined(word, parts)

    def term(self, depth: int) -> Condition:
        if self.accept("NOT"):
            # Twice NOT is nothing, in three-valued logic too.
            return self.term(depth) if self.accept("NOT") else negated(self.term(depth))
        if not self.accept("("):
            return self.comparison()
        if depth == DEEPEST:
            self.fail(f"brackets are more than {DEEPEST} deep")
        condition = self.junction("OR", depth + 1)
        self.expect(")", "expected AND, OR or a closing bracket")
        return condition

    def comparison(self) -> Condition:
        if self.kind not in ("word", "name"):
            literal = self.literal("expected a comparison, such as lang = 'en'")
            operator = self.operator()
            if self.kind not in ("word", "name"):
                self.fail("expected a field: one side of a comparison is a name")
            return self.compared(self.field(), _FLIPPED.get(operator, operator), literal)
        field = self.field()
        if self.accept("NOT"):
            return negated(self.predicate(field) or self.fail("expected IN, BETWEEN or LIKE"))
        if condition := self.predicate(field):
            return condition
        if self.accept("IS"):
            is_not = self.accept("NOT")
            self.expect("NULL", "IS takes NULL or NOT NULL; use = for all else")
            return negated(null(field)) if is_not else null(field)
        return self.compared(field, self.operator(), self.literal())

    def predicate(self, field: str) -> Condition | None:
        if self.accept("IN"):
            self.expect("(", "expected a list in brackets: IN ('en', 'de')")
            literals = [self.literal()]
            while self.accept(","):
                literals.append(self.literal())
            self.expect(")", "expected a comma or a closing bracket")
            return among(field, literals)
        if self.accept("BETWEEN"):
            low = compared(field, ">=", self.literal())
            self.expect("AND", "expected AND and the upper end of BETWEEN")
            return joined("AND", [low, compared(field, "<=", self.literal())])
        if self.accept("LIKE"):
            if self.kind == "number":
                self.fail("LIKE takes a text")
            return compared(field, "LIKE", self.literal("LIKE takes a text"))
        return None

    def operator(self) -> str:
        if operator := self.accept("=", "==", "!=", "<>", *_FLIPPED):
            return operator
        near = difflib.get_close_matches(self.next.upper(), ["IN", "BETWEEN", "LIKE", "IS"], 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        self.fail(f"expected = != < <= > >= IN BETWEEN LIKE or IS{guess}")

    def compared(self, field: str, operator: str, literal: Scalar) -> Condition:
        if operator in _FLIPPED:
            return compared(field, operator, literal)
        equal = compared(field, "IN", literal)
        return negated(equal) if operator in ("!=", "<>") else equal

    def field(self) -> str:
        token = self.tokens.pop()
        return token["word"] or token["name"][1:-1].replace('""', '"')

    def literal(self, message: str = "expected a text, a number, TRUE or FALSE") -> Scalar:
        if self.kind == "text":
            return self.tokens.pop()["text"][1:-1].replace("''", "'")
        if boolean := self.accept("TRUE", "FALSE"):
            return boolean == "TRUE"
        if self.kind == "number":
            value = float(self.next) if re.search("[.e]", self.next, re.I) else int(self.next)
            if fault := _fault(value):
                self.fail(f"{_short(self.next)} {fault}")
            self.tokens.pop()
            return value
        if self.kind in ("word", "name"):
            name = _short(self.next.strip('"'))
            self.fail(f"{name} is a name; write '{name}' for a text")
        if self.next.upper() == "NULL":
            self.fail("nothing equals NULL; write IS NULL or IS NOT NULL")
        self.fail(message)

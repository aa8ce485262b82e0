"""The language of filters: `lang = 'en' AND year >= 2023`, or {"lang": "en", "year": [2023, 2024]}.

A field is `id`, `text` or a key of the metadata; names that are not plain words stand in "double
quotes", texts in 'single quotes'. Comparisons are = == != <> < <= > >=, IN (…), BETWEEN … AND …,
LIKE (% any text, _ any character, ASCII letters in either case) and IS NULL, each with its NOT;
NOT binds closer than AND, AND closer than OR.

Types never mix: a text compared with a number is unknown, as is a key that is missing or null, and
so is the NOT of either. An id that is a whole number is a text and that number. Nothing of the
user's is ever in the SQL itself: keys and literals are parameters, the literals as JSON, so that a
number is read just as those in the metadata are.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import cast

from sememe.errors import InputError

Scalar = str | int | float | bool
Dialect = dict[str, str]  # the SQL of each piece that a condition's template names


def _dialect(values: Mapping[str, str], **sources: str) -> Dialect:
    """The values of each type, and whether there are none, of each source of (type, value)."""
    null = "NOT EXISTS (SELECT 1 FROM {} AS typed WHERE type <> 'null')"
    return {f"{source}_null": null.format(rows) for source, rows in sources.items()} | {
        f"{source}_{kind}": f"(SELECT CASE WHEN type IN {value} END FROM {rows} AS typed)"
        for source, rows in sources.items()
        for kind, value in values.items()
    }


# A path such as $."key" cannot name every key; json_each compares the decoded key itself.
SQLITE = _dialect(
    {
        "text": "('text') THEN value",
        "number": "('integer', 'real') THEN value",
        "boolean": "('true', 'false') THEN value",
    },
    id="(SELECT 'text' AS type, id AS value)",
    text="(SELECT typeof(text) AS type, text AS value)",
    key="(SELECT type, value FROM json_each(metadata) WHERE key = ?)",
    literal="(SELECT type, value FROM json_each(?))",
)
_TYPED = "(SELECT jsonb_typeof(value) AS type, value FROM {} AS row(value))"
POSTGRES = _dialect(
    {
        # The "C" collation compares code points and lowers only ASCII, as SQLite does.
        "text": """('string') THEN (value #>> '{}') COLLATE "C\"""",
        "number": "('number') THEN CAST(value AS numeric)",
        "boolean": "('boolean') THEN CAST(value AS boolean)",
    },
    id=_TYPED.format("(SELECT to_jsonb(id))"),
    text=_TYPED.format("(SELECT to_jsonb(text))"),
    key=_TYPED.format("(SELECT metadata -> CAST(? AS text))"),
    literal=_TYPED.format("jsonb_array_elements(CAST(? AS jsonb))"),
)
# An id is a text; one such as 12 also compares with numbers.
_WHOLE = "(CASE WHEN {0} THEN CAST({1} AS {2}) END)"
SQLITE["id_number"] = _WHOLE.format("CAST(CAST(id AS INTEGER) AS TEXT) = id", "id", "INTEGER")
POSTGRES["id_number"] = _WHOLE.format("id ~ '^(0|-{0,1}[1-9][0-9]{0,18})$'", "id", "numeric")


@dataclass(frozen=True)
class Condition:
    """True, false or unknown of a row; a row is found if it is true. `keys` are its metadata's."""

    template: str
    parameters: tuple[str, ...]
    keys: frozenset[str] = frozenset()

    def sql(self, dialect: Dialect) -> tuple[str, list[object]]:
        """A boolean expression over the columns id, text and metadata, and its parameters."""
        return self.template.format_map(dialect), list(self.parameters)


def compared(field: str, operator: str, *literals: Scalar) -> Condition:
    """The field against a literal, or IN literals of one type."""
    if operator in ("!=", "<>"):
        return negated(compared(field, "=", *literals))
    (source, key), kind = _source(field), _kind(literals[0])
    left, right = f"{{{source}_{kind}}}", f"{{literal_{kind}}}"
    template = f"({left} {operator} {right})"
    if operator == "LIKE":
        template = rf"(lower({left}) LIKE lower({right}) ESCAPE '\')"
        literals = tuple(str(pattern).replace("\\", r"\\") for pattern in literals)
    return Condition(template, (*key, json.dumps(literals, ensure_ascii=False)), frozenset(key))


def among(field: str, literals: Iterable[Scalar | None]) -> Condition:
    """The field equals one of the literals, of any types; None is NULL."""
    by_kind = groupby(sorted(literals, key=_kind), _kind)
    kinds = ([each for each in group if each is not None] for _, group in by_kind)
    return joined("OR", [compared(field, "IN", *each) if each else null(field) for each in kinds])


def null(field: str) -> Condition:
    """There is no such key, or it is null."""
    source, key = _source(field)
    return Condition(f"{{{source}_null}}", key, frozenset(key))


def negated(condition: Condition) -> Condition:
    """True of what the condition is false of."""
    return replace(condition, template=f"(NOT {condition.template})")


def joined(word: str, conditions: Sequence[Condition]) -> Condition:
    """All (AND) or any (OR) of the conditions; never true if there are none."""
    if len(conditions) == 1:
        return conditions[0]
    template = f" {word} ".join(condition.template for condition in conditions) or "FALSE"
    keys = frozenset[str]().union(*(each.keys for each in conditions))
    return Condition(f"({template})", tuple(p for c in conditions for p in c.parameters), keys)


def _source(field: str) -> tuple[str, tuple[str, ...]]:
    return (field, ()) if field in ("id", "text") else ("key", (field,))


def _kind(literal: Scalar | None) -> str:
    kinds = {str: "text", bool: "boolean", type(None): "null"}
    return next((kind for of, kind in kinds.items() if isinstance(literal, of)), "number")


LONGEST, DEEPEST, KEYS = 4_000, 10, 500  # within the depth of SQLite's parser and its trees
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")+")
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)
    | (?P<keyword>(?a:AND|OR|NOT|IN|BETWEEN|LIKE|IS|NULL|TRUE|FALSE)(?!\w))
    | (?P<word>[^\W\d]\w*) | (?P<sign>[=!<>~]+|[(),]) | (?P<end>\Z) | (?P<unknown>.))""",
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

    >>> from sememe.search.query import SQLITE
    >>> sql, parameters = parse("year >= 2023 AND NOT lang IN ('en', 'de')").sql(SQLITE)
    >>> parameters
    ['year', '[2023]', 'lang', '["en", "de"]']

    Raises InputError that says what is wrong, and in which column.
    """
    if where is None:
        return None
    if isinstance(where, str) and where.strip():
        parser = _Parser(where)
        condition = parser.junction("OR", 0)
        if parser.kind != "end":
            raise parser.error("expected AND, OR or the end")
        return condition
    if isinstance(where, Mapping) and 0 < len(where) <= KEYS:
        return joined("AND", [_has(field, value) for field, value in where.items()])
    raise InputError(
        f"where has to be a condition or a mapping of 1 to {KEYS} keys; leave it out for every row"
    )


def _has(field: str, value: object) -> Condition:
    if hasattr(value, "tolist"):  # numpy's numbers, arrays, and columns of a table
        value = value.tolist()
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    values = [each.item() if hasattr(each, "item") else each for each in values]
    wrong = [each for each in values if not _usable(each)]
    if wrong or not isinstance(field, str) or not _usable(field):
        raise InputError(
            f"where, {_short(repr(field))}: {_short(repr(wrong[0] if wrong else field))} is not "
            "a text without NUL, a finite number of 64 bits, True, False, None or a list of these"
        )
    return among(field, cast(list[Scalar | None], values))


def _usable(value: object) -> bool:
    if isinstance(value, str):
        return not re.search("[\0\ud800-\udfff]", value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 30 else text[:29] + "…"


class _Parser:
    """Recursive descent, a method a rule; the next token is of `kind`, `next`, and stands `at`."""

    def __init__(self, where: str) -> None:
        if len(where) > LONGEST or not _usable(where):
            raise InputError(
                f"where has more than {LONGEST:,} characters, or a NUL among them: "
                'a long list of values can be given as {"id": [...]}'
            )
        self.where, self.tokens, self.next = where, _TOKEN.finditer(where), ""
        self.advance()

    def advance(self) -> str:
        read, token = self.next, next(self.tokens)
        self.kind = token.lastgroup or ""
        self.next, self.at = token[self.kind], token.start(self.kind)
        return read

    def error(self, message: str) -> InputError:
        if self.kind == "unknown":
            message = _HINTS.get(self.next, f"{self.next} means nothing here; {_NAME}")
        piece = _short(self.where[self.at :]) or "the end"
        return InputError(f"where: {message} (column {self.at + 1}: {piece})")

    def accept(self, *words: str) -> str:
        plain = self.kind in ("keyword", "sign")
        return self.advance().upper() if plain and self.next.upper() in words else ""

    def expect(self, word: str, message: str) -> None:
        if not self.accept(word):
            raise self.error(message)

    def junction(self, word: str, depth: int) -> Condition:
        parts: list[Condition] = []
        while not parts or self.accept(word):
            parts.append(self.junction("AND", depth) if word == "OR" else self.term(depth))
        return joined(word, parts)

    def term(self, depth: int) -> Condition:
        if depth > DEEPEST:
            raise self.error(f"brackets and NOT are more than {DEEPEST} deep")
        if self.accept("NOT"):
            return negated(self.term(depth + 1))
        if not self.accept("("):
            return self.comparison()
        condition = self.junction("OR", depth + 1)
        self.expect(")", "expected AND, OR or a closing bracket")
        return condition

    def comparison(self) -> Condition:
        if self.kind not in ("word", "name"):
            literal = self.literal("expected a comparison, such as lang = 'en'")
            operator = self.operator()
            if self.kind not in ("word", "name"):
                raise self.error("expected a field: one side of a comparison is a name")
            return compared(self.field(), _FLIPPED.get(operator, operator), literal)
        field, invert = self.field(), self.accept("NOT")
        if word := self.accept("IN", "BETWEEN", "LIKE"):
            condition = self.predicate(field, word)
        elif invert:
            raise self.error("expected IN, BETWEEN or LIKE")
        elif self.accept("IS"):
            invert, condition = self.accept("NOT"), null(field)
            self.expect("NULL", "IS takes NULL or NOT NULL; use = for all else")
        else:
            condition = compared(field, self.operator(), self.literal())
        return negated(condition) if invert else condition

    def predicate(self, field: str, word: str) -> Condition:
        if word == "LIKE":
            if self.kind != "text":
                raise self.error("LIKE takes a text, such as 'sci%'")
            return compared(field, "LIKE", self.literal())
        if word == "BETWEEN":
            low = compared(field, ">=", self.literal())
            self.expect("AND", "expected AND and the upper end of BETWEEN")
            return joined("AND", [low, compared(field, "<=", self.literal())])
        self.expect("(", "expected a list in brackets: IN ('en', 'de')")
        literals = [self.literal()]
        while self.accept(","):
            literals.append(self.literal())
        self.expect(")", "expected a comma or a closing bracket")
        return among(field, literals)

    def operator(self) -> str:
        if operator := self.accept("=", "==", "!=", "<>", *_FLIPPED):
            return operator.replace("==", "=")
        words = difflib.get_close_matches(self.next.upper(), ["IN", "BETWEEN", "LIKE", "IS"], 1)
        guess = f"; did you mean {words[0]}?" if words else ""
        raise self.error(f"expected = != < <= > >= IN BETWEEN LIKE or IS{guess}")

    def field(self) -> str:
        quoted = self.kind == "name"
        return self.advance()[1:-1].replace('""', '"') if quoted else self.advance()

    def literal(self, message: str = "expected a text, a number, TRUE or FALSE") -> Scalar:
        if self.kind == "text":
            return self.advance()[1:-1].replace("''", "'")
        if boolean := self.accept("TRUE", "FALSE"):
            return boolean == "TRUE"
        if self.kind == "number":
            value = float(self.next) if re.search("[.eE]", self.next) else int(self.next)
            if not _usable(value):
                raise self.error("this number is beyond 64 bits")
            self.advance()
            return value
        if self.kind in ("word", "name"):
            name = _short(self.next.strip('"'))
            message = f"{name} is a name; write '{name}' for a text"
        elif self.next.upper() == "NULL":
            message = "nothing equals NULL; write IS NULL or IS NOT NULL"
        raise self.error(message)

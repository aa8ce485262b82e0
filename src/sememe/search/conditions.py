"""What a filter says of a row, and its SQL: for SQLite and for PostgreSQL, with equal meaning.

Types never mix: a text compared with a number is unknown, as is a key that is missing or null, and
so is the NOT of either. Nothing of the user's is ever in the SQL itself: keys and literals are
parameters, the literals as JSON, so that a number is read just as those in the metadata are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

Scalar = str | int | float | bool
Dialect = Mapping[str, str]  # the SQL for each piece that a template names


def _dialect(
    sources: Mapping[str, str], values: Mapping[str, str], null: str, escape: str
) -> Dialect:
    """The pieces: of each source of (type, value) rows its values of a type, and if it is null."""
    pieces = {
        f"{source}_{kind}": f"(SELECT {value} FROM {rows} AS typed)"
        for source, rows in sources.items()
        for kind, value in values.items()
    }
    nulls = {f"{source}_null": null.format(rows) for source, rows in sources.items()}
    return {**pieces, **nulls, "escape": escape}


def _case(value: str, *types: str) -> str:
    # Not a WHERE: PostgreSQL may cast before it applies one.
    return f"CASE WHEN type IN ({', '.join(types)}) THEN {value} END"


_NULL = "NOT EXISTS (SELECT 1 FROM {} AS typed WHERE type <> 'null')"
# A path such as $."key" cannot name every key; json_each compares the decoded key itself.
SQLITE = _dialect(
    {
        "id": "(SELECT typeof(id) AS type, id AS value)",
        "text": "(SELECT typeof(text) AS type, text AS value)",
        "key": "(SELECT type, value FROM json_each(metadata) WHERE key = ?)",
        "literal": "(SELECT type, value FROM json_each(?))",
    },
    {
        "text": _case("value", "'text'"),
        "like": _case("value", "'text'"),
        "number": _case("value", "'integer'", "'real'"),
        "boolean": _case("value", "'true'", "'false'"),
    },
    _NULL,
    "",
)
_TYPED = "(SELECT jsonb_typeof(value) AS type, value FROM {} AS row(value))"
# The "C" collation compares code points and lowers only ASCII, as SQLite does.
_TEXT = """(value #>> '{}') COLLATE "C\""""
POSTGRES = _dialect(
    {
        "id": _TYPED.format("(SELECT id)"),
        "text": _TYPED.format("(SELECT to_jsonb(text))"),
        "key": _TYPED.format("(SELECT metadata -> CAST(%s AS text))"),
        "literal": _TYPED.format("jsonb_array_elements(CAST(%s AS jsonb))"),
    },
    {
        "text": _case(_TEXT, "'string'"),
        "like": _case(f"lower({_TEXT})", "'string'"),
        "number": _case("CAST(value AS numeric)", "'number'"),
        "boolean": _case("CAST(value AS boolean)", "'boolean'"),
    },
    _NULL,
    " ESCAPE ''",
)


@dataclass(frozen=True)
class Condition:
    """True, false or unknown of a row; a row is found if it is true."""

    template: str
    parameters: tuple[str, ...]

    def sql(self, dialect: Dialect) -> tuple[str, list[object]]:
        """A boolean expression over the columns id, text and metadata, and its parameters."""
        return self.template.format_map(dialect), list(self.parameters)


def compared(field: str, operator: str, *literals: Scalar) -> Condition:
    """A field against literals of one type; several only if the operator is IN."""
    kind = "like" if operator == "LIKE" else _kind(literals[0])
    source, key = _source(field)
    escape = "{escape}" if operator == "LIKE" else ""
    template = f"({{{source}_{kind}}} {operator} {{literal_{kind}}}{escape})"
    return Condition(template, (*key, json.dumps(literals, ensure_ascii=False)))


def among(field: str, literals: Iterable[Scalar | None]) -> Condition:
    """The field equals one of the literals, of any types; None is NULL."""
    groups = groupby(sorted(literals, key=_kind), _kind)
    return joined(
        "OR",
        [null(field) if kind == "null" else compared(field, "IN", *same) for kind, same in groups],
    )


def null(field: str) -> Condition:
    """There is no such key, or it is null."""
    source, key = _source(field)
    return Condition(f"{{{source}_null}}", key)


def negated(condition: Condition) -> Condition:
    """True of what the condition is false of."""
    return Condition(f"(NOT {condition.template})", condition.parameters)


def joined(word: str, conditions: Sequence[Condition]) -> Condition:
    """All (AND) or any (OR) of the conditions; none of no conditions."""
    if len(conditions) == 1:
        return conditions[0]
    template = f" {word} ".join(condition.template for condition in conditions) or "FALSE"
    return Condition(f"({template})", sum((each.parameters for each in conditions), ()))


def _source(field: str) -> tuple[str, tuple[str, ...]]:
    return (field, ()) if field in ("id", "text") else ("key", (field,))


def _kind(literal: Scalar | None) -> str:
    kinds = {str: "text", bool: "boolean", type(None): "null"}
    return next((kind for of, kind in kinds.items() if isinstance(literal, of)), "number")

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
Dialect = Mapping[str, str]  # the SQL of each piece that a condition's template names


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
    id="(SELECT typeof(id) AS type, id AS value)",
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
    id=_TYPED.format("(SELECT id)"),
    text=_TYPED.format("(SELECT to_jsonb(text))"),
    key=_TYPED.format("(SELECT metadata -> CAST(%s AS text))"),
    literal=_TYPED.format("jsonb_array_elements(CAST(%s AS jsonb))"),
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
    """The field against a literal, or IN literals of one type."""
    if operator in ("!=", "<>"):
        return negated(compared(field, "=", *literals))
    (source, key), kind = _source(field), _kind(literals[0])
    left, right = f"{{{source}_{kind}}}", f"{{literal_{kind}}}"
    template = f"({left} {operator} {right})"
    if operator == "LIKE":
        template = rf"(lower({left}) LIKE lower({right}) ESCAPE '\')"
        literals = tuple(str(pattern).replace("\\", r"\\") for pattern in literals)
    return Condition(template, (*key, json.dumps(literals, ensure_ascii=False)))


def among(field: str, literals: Iterable[Scalar | None]) -> Condition:
    """The field equals one of the literals, of any types; None is NULL."""
    by_kind = groupby(sorted(literals, key=_kind), _kind)
    alike = ([each for each in group if each is not None] for _, group in by_kind)
    return joined("OR", [compared(field, "IN", *each) if each else null(field) for each in alike])


def null(field: str) -> Condition:
    """There is no such key, or it is null."""
    source, key = _source(field)
    return Condition(f"{{{source}_null}}", key)


def negated(condition: Condition) -> Condition:
    """True of what the condition is false of."""
    return Condition(f"(NOT {condition.template})", condition.parameters)


def joined(word: str, conditions: Sequence[Condition]) -> Condition:
    """All (AND) or any (OR) of the conditions; never true if there are none."""
    if len(conditions) == 1:
        return conditions[0]
    template = f" {word} ".join(condition.template for condition in conditions) or "FALSE"
    return Condition(f"({template})", tuple(p for each in conditions for p in each.parameters))


def _source(field: str) -> tuple[str, tuple[str, ...]]:
    return (field, ()) if field in ("id", "text") else ("key", (field,))


def _kind(literal: Scalar | None) -> str:
    kinds = {str: "text", bool: "boolean", type(None): "null"}
    return next((kind for of, kind in kinds.items() if isinstance(literal, of)), "number")

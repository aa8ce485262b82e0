"""A cluster as the map is given it."""

from typing import Any


def group(label: int, size: int, terms: list[str], examples: list[str]) -> dict[str, Any]:
    return {"label": label, "size": size, "terms": terms, "examples": examples}

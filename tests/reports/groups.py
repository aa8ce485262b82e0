"""A cluster as the map is given it."""

from dataclasses import dataclass


@dataclass
class Group:
    label: int
    size: int
    terms: list[str]
    examples: list[str]

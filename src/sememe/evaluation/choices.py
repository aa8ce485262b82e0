"""What is written down of a run: the choices that were made, and what happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sememe.errors import ChoiceWarning, warn

ASKED = "asked for"


@dataclass(frozen=True)
class Choice:
    """A setting, its value and why it has it."""

    name: str
    value: Any
    why: str


def asked_first(suited: Iterable[Choice], given: Mapping[str, Any]) -> list[Choice]:
    """The choices, those that were given in place of those that suit."""
    asked = {name: value for name, value in given.items() if value is not None}
    return [Choice(c.name, asked[c.name], ASKED) if c.name in asked else c for c in suited]


def say(choices: Iterable[Choice]) -> None:
    """Say what was chosen and why, but for what the user asked for."""
    chosen = [f"{c.name} {c.value} ({c.why})" for c in choices if c.why != ASKED]
    if chosen:
        warn(f"Chosen for these data: {'; '.join(dict.fromkeys(chosen))}.", ChoiceWarning)


@dataclass
class History:
    """What happened.

    Attributes:
        losses: of every step.
        rates: the learning rate of every step.
        evaluations: after how many steps, and what was measured.
        best: the index of the best evaluation; None without any.
    """

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    best: int | None = None

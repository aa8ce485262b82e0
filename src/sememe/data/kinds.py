"""Which kind of training data a table holds, told from the names of its columns alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sememe.errors import TableError

Kind = Literal[
    "pairs", "triplets", "taught triplets", "scored pairs", "labelled pairs", "labelled texts"
]

_NEGATIVE = re.compile(r"negative(_\d+)?")
_WORD = re.compile(
    rf"anchor|(positive|{_NEGATIVE.pattern})(_score)?|sentence[12]|premise|hypothesis|query"
    "|document|text|score|label"
)
_PAIRS = (("sentence1", "sentence2"), ("premise", "hypothesis"), ("query", "document"))
_OFFER = (
    "Training reads these: anchor and positive, perhaps with negative, negative_2, …, and then "
    "perhaps a teacher's positive_score, negative_score, negative_2_score, …; query and document; "
    "sentence1 and sentence2 (or premise and hypothesis, or query and document) with score or "
    "label; text and label."
)


@dataclass(frozen=True)
class Layout:
    """A kind, and the table's own name of each column that is read for it."""

    kind: Kind
    texts: dict[str, str]
    targets: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The table's own names of all columns that are read."""
        return [*self.texts.values(), *self.targets.values()]


def layout_of(names: Iterable[str], file: str) -> Layout:
    """The one layout that uses every known name, whatever its case and outer spaces.

    Names that mean nothing here are left alone; negative_1 means negative. Raises TableError where
    the known names make no kind, or more than one.
    """
    names, known = list(names), dict[str, str]()
    for name in names:
        word = re.sub(r"^negative_1(?=_score$|$)", "negative", name.strip().casefold())
        if word in known:
            raise TableError(
                f'{file}: the columns "{known[word]}" and "{name}" both mean {word}; rename one'
            )
        if _WORD.fullmatch(word):
            known[word] = name
    for kind, texts, targets in _possible(sum(map(bool, map(_NEGATIVE.fullmatch, known)))):
        if known.keys() == {*texts, *targets}:
            return Layout(
                kind, *({word: known[word] for word in each} for each in (texts, targets))
            )
    raise TableError(f"{file} has the columns {_listed(names)}. {_problem(known)} {_OFFER}")


def _problem(known: dict[str, str]) -> str:
    """Why known names make no kind, and which columns to add or to leave out."""
    if not known:
        return "None of these names says what they hold; rename those that training is to read."
    negatives = sum(map(bool, map(_NEGATIVE.fullmatch, known)))
    kinds = {(*texts, *targets): kind for kind, texts, targets in _possible(negatives)}
    complete = [names for names in kinds if known.keys() >= {*names}]
    complete = [names for names in complete if not any({*names} < {*other} for other in complete)]
    if len(complete) > 1:
        fits = " and ".join(f"{kinds[names]} ({', '.join(names)})" for names in complete)
        return f"They fit {fits}; keep the columns of one, and rename or remove the others."
    nearest = min(kinds, key=lambda names: len(known.keys() ^ {*names}))
    missing = [name for name in nearest if name not in known]
    extra = [name for word, name in known.items() if word not in nearest]
    advice = " and ".join(
        f"{verb} {_listed(columns)}"
        for verb, columns in (("add", missing), ("rename or remove", extra))
        if columns
    )
    return f"To train on {kinds[nearest]}, {advice}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _possible(negatives: int) -> list[tuple[Kind, tuple[str, ...], tuple[str, ...]]]:
    """The kinds there are with so many negatives: their texts and their targets."""
    more = (f"negative_{number}" for number in range(2, negatives + 1))
    triplet = ("anchor", "positive", "negative", *more)
    return [
        ("pairs", triplet[:2], ()),
        ("pairs", _PAIRS[-1], ()),
        ("triplets", triplet, ()),
        ("taught triplets", triplet, tuple(f"{word}_score" for word in triplet[1:])),
        *(("scored pairs", pair, ("score",)) for pair in _PAIRS),
        *(("labelled pairs", pair, ("label",)) for pair in _PAIRS),
        ("labelled texts", ("text",), ("label",)),
    ]

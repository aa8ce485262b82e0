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
    "anchor, positive[, negative[, negative_2, …]], with a teacher's scores also positive_score, "
    "negative_score[, negative_2_score, …]; query, document; sentence1, sentence2 (or premise, "
    "hypothesis, or query, document) and either score or label; text, label"
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
    found, used = (", ".join(f'"{name}"' for name in each) for each in (names, known.values()))
    raise TableError(
        f"{file} has the columns {found}, and {used or 'none of them'} make no one kind of "
        f"training data. What does: {_OFFER}. Rename the columns that are meant, and remove any "
        "that is too many"
    )


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

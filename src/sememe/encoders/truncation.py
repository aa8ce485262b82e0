"""Say what truncation took: every cut text or pair is counted, and told of once."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sememe.errors import InputError, TruncationWarning, warn
from sememe.text import Tokens

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class Cuts:
    """How many items were seen and cut, how many tokens that took, how many from the longest."""

    seen: int = 0
    cut: int = 0
    tokens: int = 0
    most: int = 0

    def __add__(self, other: "Cuts") -> "Cuts":
        most = max(self.most, other.most)
        return Cuts(self.seen + other.seen, self.cut + other.cut, self.tokens + other.tokens, most)

    def report(self, max_length: int, what: str = "text") -> None:
        """Warn once about all of them."""
        if self.cut:
            warn(
                f"{self.cut:,} of {self.seen:,} {what}s were longer than the {max_length} tokens "
                f"the model reads and were cut: {self.tokens:,} tokens were left out, "
                f"{self.most:,} from the longest {what}.",
                TruncationWarning,
            )


class CutCounter(Generic[Item]):
    """Counts the tokens that truncation takes from some items; `where` says what item i is."""

    def __init__(
        self,
        items: Sequence[Item],
        max_length: int,
        long: str = "truncate",
        where: Callable[[int], str] = "texts[{}]".format,
    ) -> None:
        self._items = items
        self._where = where
        self._max_length = max_length
        self._refuse = long == "error"
        self._lost: dict[Item, int] = {}

    def add(self, tokens: Tokens, unique: Sequence[Item]) -> None:
        """Count one window of different items; with long="error", refuse the first long one."""
        for row in np.flatnonzero(tokens.cut).tolist():
            if self._refuse:
                raise InputError(
                    f"{self._where(self._items.index(unique[row]))} has "
                    f"{int(tokens.lengths[row] + tokens.cut[row]):,} tokens and the model reads "
                    f'{self._max_length}; shorten it, or pass long="chunk" or long="truncate".'
                )
            self._lost[unique[row]] = int(tokens.cut[row])

    def cuts(self) -> Cuts:
        """What was counted, repeated items as often as they come."""
        if not self._lost:
            return Cuts(len(self._items))
        lost = [self._lost[item] for item in self._items if item in self._lost]
        return Cuts(len(self._items), len(lost), sum(lost), max(lost))

"""Say what truncation took: every cut text is counted, and told of once."""

from dataclasses import dataclass

import numpy as np

from sememe.errors import InputError, TruncationWarning, warn
from sememe.text import Tokens


@dataclass(frozen=True)
class Cuts:
    """How many texts were seen and cut, how many tokens that took, how many from the longest."""

    seen: int = 0
    cut: int = 0
    tokens: int = 0
    most: int = 0

    def __add__(self, other: "Cuts") -> "Cuts":
        most = max(self.most, other.most)
        return Cuts(self.seen + other.seen, self.cut + other.cut, self.tokens + other.tokens, most)

    def report(self, max_length: int) -> None:
        """Warn once about all of them."""
        if self.cut:
            warn(
                f"{self.cut:,} of {self.seen:,} texts were longer than the {max_length} tokens the "
                f"model reads and were cut: {self.tokens:,} tokens were left out, "
                f"{self.most:,} from the longest text.",
                TruncationWarning,
            )


class CutCounter:
    """Counts the tokens that truncation takes from some texts, of which `first` is the number."""

    def __init__(self, texts: list[str], max_length: int, long: str, first: int = 0) -> None:
        self._texts = texts
        self._first = first
        self._max_length = max_length
        self._refuse = long == "error"
        self._lost: dict[str, int] = {}

    def add(self, tokens: Tokens, unique: list[str]) -> None:
        """Count one window of different texts; with long="error", refuse the first long one."""
        for row in np.flatnonzero(tokens.cut):
            if self._refuse:
                raise InputError(
                    f"texts[{self._first + self._texts.index(unique[row])}] has "
                    f"{int(tokens.lengths[row] + tokens.cut[row]):,} tokens and the model reads "
                    f'{self._max_length}; shorten it, or pass long="truncate".'
                )
            self._lost[unique[row]] = int(tokens.cut[row])

    def cuts(self) -> Cuts:
        """What was counted, repeated texts as often as they come."""
        if not self._lost:
            return Cuts(len(self._texts))
        lost = [self._lost[text] for text in self._texts if text in self._lost]
        return Cuts(len(self._texts), len(lost), sum(lost), max(lost))

"""Say what truncation took: every cut text is counted, and told of once."""

import numpy as np

from sememe.errors import InputError, TruncationWarning, warn
from sememe.text import Tokens


class CutCounter:
    """Counts the tokens that truncation takes from the texts of one call."""

    def __init__(self, texts: list[str], max_length: int, long: str) -> None:
        if long not in ("truncate", "error"):
            raise InputError(f"long={long!r} is not known; there are truncate, error.")
        self._texts = texts
        self._max_length = max_length
        self._refuse = long == "error"
        self._lost: dict[str, int] = {}

    def add(self, tokens: Tokens, unique: list[str]) -> None:
        """Count one window of different texts; with long="error", refuse the first long one."""
        for row in np.flatnonzero(tokens.cut):
            if self._refuse:
                raise InputError(
                    f"texts[{self._texts.index(unique[row])}] has "
                    f"{int(tokens.lengths[row] + tokens.cut[row]):,} tokens and the model reads "
                    f'{self._max_length}; shorten it, or pass long="truncate".'
                )
            self._lost[unique[row]] = int(tokens.cut[row])

    def report(self) -> None:
        """Warn once, about all texts of the call, repeated ones counted as often as they come."""
        if not self._lost:
            return
        lost = [self._lost[text] for text in self._texts if text in self._lost]
        warn(
            f"{len(lost):,} of {len(self._texts):,} texts were longer than the {self._max_length} "
            f"tokens the model reads and were cut: {sum(lost):,} tokens were left out, "
            f"{max(lost):,} from the longest text.",
            TruncationWarning,
        )

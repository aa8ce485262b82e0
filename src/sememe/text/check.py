"""Check what a user passes as texts."""

import re
from collections.abc import Iterable

from sememe.errors import InputError, SememeWarning, warn

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_texts(texts: Iterable[str], first: int = 0) -> list[str]:
    """Return the texts as a list; InputError names the first one that is not a str.

    `first` is the number of the first text, where these are only some of many.

    Half of a surrogate pair (a damaged emoji, say) is no character and cannot be encoded: it is
    replaced by U+FFFD, and one warning says in how many texts.
    """
    try:
        listed = list(texts)
    except TypeError:
        raise InputError(
            f"texts is a {type(texts).__name__}; pass a str or an iterable of them."
        ) from None
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            shown = repr(text)[:40]
            raise InputError(
                f"texts[{first + index}] is of type {type(text).__name__} ({shown}), not str; "
                "turn it into a str or leave it out."
            )
    return _without_surrogates(listed, first)


def _without_surrogates(texts: list[str], first: int) -> list[str]:
    broken = [i for i, text in enumerate(texts) if not text.isascii() and _SURROGATE.search(text)]
    if broken:
        texts = texts.copy()
        for index in broken:
            texts[index] = _SURROGATE.sub("\ufffd", texts[index])
        warn(
            f"{len(broken)} of {len(texts)} texts (first: texts[{first + broken[0]}]) hold half of "
            "a surrogate pair, which is no character; it was read as U+FFFD.",
            SememeWarning,
        )
    return texts

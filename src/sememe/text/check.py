"""Check what a user passes as texts."""

import re
from collections.abc import Callable, Iterable, Sequence

from sememe.errors import InputError, SememeWarning, warn

SURROGATE = re.compile("[\ud800-\udfff]")


def check_texts(texts: Iterable[str], first: int = 0) -> list[str]:
    """Return the texts as a list; InputError names the first one that is not a str.

    `first` is the number of the first text, where these are only some of many.

    Half of a surrogate pair (a damaged emoji, say) is no character and cannot be encoded: it is
    replaced by U+FFFD, and one warning says in how many texts.
    """
    if isinstance(texts, str):
        raise InputError("texts is a single str; put it into a list.")
    try:
        listed = list(texts)
    except TypeError:
        raise InputError(
            f"texts is a {type(texts).__name__}; pass a str or an iterable of them."
        ) from None
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            raise _no_text(f"texts[{first + index}]", text)
    return _without_surrogates(listed, lambda i: f"texts[{first + i}]")


def check_pairs(pairs: Iterable[Sequence[str]], first: int = 0) -> list[tuple[str, str]]:
    """Return the pairs as a list of tuples; InputError names the first one that is none.

    A blank first text is refused: whatever it is scored against, the score means nothing.
    """
    try:
        listed = list(pairs)
    except TypeError:
        raise InputError(
            f"pairs is a {type(pairs).__name__}; pass an iterable of pairs of str."
        ) from None
    for index, pair in enumerate(listed, first):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(
                f"pairs[{index}] is {repr(pair)[:60]}; two texts are needed: (first, second)."
            )
        for side, text in enumerate(pair):
            if not isinstance(text, str):
                raise _no_text(f"pairs[{index}][{side}]", text)
        if not pair[0].strip():
            raise InputError(f"pairs[{index}][0] is blank; there is nothing to compare with.")
    flat = [text for pair in listed for text in pair]
    if not all(text.isascii() for text in flat):
        flat = _without_surrogates(flat, lambda i: f"pairs[{first + i // 2}][{i % 2}]")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _no_text(where: str, found: object) -> InputError:
    return InputError(
        f"{where} is of type {type(found).__name__} ({repr(found)[:40]}), not str; turn it into a "
        "str or leave it out."
    )


def _without_surrogates(texts: list[str], where: Callable[[int], str]) -> list[str]:
    broken = [i for i, text in enumerate(texts) if not text.isascii() and SURROGATE.search(text)]
    if broken:
        texts = texts.copy()
        for index in broken:
            texts[index] = SURROGATE.sub("\ufffd", texts[index])
        warn(
            f"{len(broken)} of {len(texts)} texts (first: {where(broken[0])}) hold half of "
            "a surrogate pair, which is no character; it was read as U+FFFD.",
            SememeWarning,
        )
    return texts

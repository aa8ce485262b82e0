"""Measure once, for one checkpoint, the ranges that int8 computes with."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sememe import engines
from sememe.checkpoint import DEFAULT_MODEL, read
from sememe.checkpoint.modules import Pooling
from sememe.engines import Output, Ranges, save_ranges
from sememe.errors import InputError
from sememe.text import PairTokenizer, Tokenizer, check_texts

CALIBRATION = Path(engines.__file__).parent / "calibration.txt"

_LEAST_TEXTS = 50
_HELD_BACK = 5


def quantize(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    texts: Iterable[str] | None = None,
    source: str = "texts=",
) -> tuple[Ranges, Path]:
    """Measure a checkpoint's int8 ranges and keep them in the cache, by the hash of its weights.

    From then on `precision="int8"` computes with them, and so does `"auto"` where the processor
    has int8 products and the fidelity is good enough.

    Args:
        model: as `BiEncoder`'s.
        texts: what to calibrate on. None takes sememe's own texts in 35 languages, so that the
            ranges, and so the vectors, do not depend on who made them.
        source: what to call your texts in the fidelity that is kept and shown.

    Returns:
        The ranges, with their fidelity to float32 on every fifth text or pair, which is held back,
        and the file they are kept in.

    Raises:
        InputError: fewer than 50 texts, or a processor without int8 products.
        CheckpointError: the checkpoint cannot be read.

    Example:
        >>> ranges, path = quantize("all-MiniLM-L6-v2")   # doctest: +SKIP
        >>> ranges.fidelity.mean > 0.99                   # doctest: +SKIP
        True
    """
    from sememe.engines.openvino.int8 import calibrate

    if texts is None:
        samples, source = CALIBRATION.read_text(encoding="utf-8").splitlines(), "sememe's own texts"
    else:
        samples = list(dict.fromkeys(check_texts(texts)))
    if len(samples) < _LEAST_TEXTS:
        raise InputError(
            f"{len(samples)} different texts are too few to measure ranges on; give at least "
            f"{_LEAST_TEXTS}, better 500, or none at all for sememe's own."
        )
    checkpoint = read(model)
    if checkpoint.static is not None:
        raise InputError(
            f"{checkpoint.directory} is a static encoder, which computes in f32: there is nothing "
            "to quantize."
        )
    is_cross = checkpoint.scoring is not None
    output: Output = "scores" if is_cross else checkpoint.pooling or Pooling()
    tokenize: Any = (PairTokenizer if is_cross else Tokenizer)(checkpoint)
    items: list[Any] = _pairs(samples) if is_cross else [*samples]
    held_back, seen = items[::_HELD_BACK], [x for i, x in enumerate(items) if i % _HELD_BACK]
    if not is_cross:
        seen.insert(0, "")  # no text at all is also a text, and its vector is unlike the others'
    ranges = calibrate(checkpoint, output, tokenize(seen), tokenize(held_back), source)
    return ranges, save_ranges(checkpoint.weights.sha256, ranges)


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    """Pairs of all kinds: alike and unlike, short and long."""
    following = texts[1:] + texts[:1]
    passages = [" ".join(texts[i : i + 5]) for i in range(len(texts))]
    beginnings = [text[: len(text) // 2 + 1] for text in texts]
    kinds = (zip(texts, other, strict=True) for other in (following, passages, beginnings))
    return [pair for row in zip(*kinds, strict=True) for pair in row]

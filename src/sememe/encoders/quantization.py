"""Measure once, for one checkpoint, the ranges that int8 computes with."""

import os
from collections.abc import Iterable
from pathlib import Path

from sememe.checkpoint import DEFAULT_MODEL, read
from sememe.checkpoint.modules import Pooling
from sememe.engines import Ranges, save_ranges
from sememe.errors import InputError
from sememe.text import Tokenizer, check_texts

_LEAST_TEXTS = 50


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
        The ranges, with their fidelity (cosine to float32 on every fifth text, which is held
        back), and the file they are kept in.

    Raises:
        InputError: fewer than 50 texts, or a processor without int8 products.
        CheckpointError: the checkpoint cannot be read.

    Example:
        >>> ranges, path = quantize("all-MiniLM-L6-v2")   # doctest: +SKIP
        >>> ranges.fidelity.mean > 0.99                   # doctest: +SKIP
        True
    """
    from sememe.engines.openvino.calibrate import BUNDLED, calibrate

    if texts is None:
        listed, source = BUNDLED.read_text(encoding="utf-8").splitlines(), "sememe's own texts"
    else:
        listed = list(dict.fromkeys(check_texts(texts)))
    if len(listed) < _LEAST_TEXTS:
        raise InputError(
            f"{len(listed)} different texts are too few to measure ranges on; give at least "
            f"{_LEAST_TEXTS}, better 500, or none at all for sememe's own."
        )
    checkpoint = read(model)
    pooling = checkpoint.pooling or Pooling()
    ranges = calibrate(checkpoint, pooling, Tokenizer(checkpoint), listed, source)
    return ranges, save_ranges(checkpoint.weights.sha256, ranges)

"""Refuse a tokenizer that makes texts grow without end.

Thirty times "a" to "aa" in a row, a description of a few lines, makes a gigabyte of one letter. So
a bound is computed from the description itself, before any text goes through it.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sememe.errors import CheckpointError

_LIMIT = 256

# How many characters a step can make of one; steps that are not here add a few to a whole text.
_GROWTH = {"BertNormalizer": 8, "ByteLevel": 4, "Lowercase": 2, "NFC": 3, "NFD": 4}
_GROWTH |= {"NFKC": 18, "NFKD": 18}

# Nearly every tokenizer has one of these, and real text hardly grows in it: the first is free.
_UNICODE = {"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Precompiled"}


def check_growth(path: Path, tokenizer: Any) -> None:
    """Raise CheckpointError where steps in a row could make a text hundreds of times as long."""
    growth, free = 1.0, 18.0
    for part in (tokenizer.normalizer, tokenizer.pre_tokenizer):
        for step in _steps(json.loads(part.__getstate__())) if part else ():
            grown = _grown(step)
            if step["type"] in _UNICODE:
                grown, free = grown / free, 1.0
            growth *= max(1.0, grown)
    if growth > _LIMIT:
        raise CheckpointError(
            f"{path}: its normalizer can make a text {growth:.3g} times as long (at most {_LIMIT} "
            "times is allowed), which would fill the memory; this is no usual tokenizer."
        )


def _steps(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps of a sequence of sequences, in their order."""
    inner = description.get("normalizers") or description.get("pretokenizers")
    if inner is None:
        yield description
    for step in inner or ():
        yield from _steps(step)


def _grown(step: dict[str, Any]) -> float:
    """How many characters the step makes of one, at most."""
    if step["type"] == "Replace":
        pattern, content = step["pattern"].get("String"), len(step["content"])
        # An expression may match nothing, and so put its content between any two characters.
        return content / len(pattern) if pattern else content + 1.0
    if step["type"] == "Precompiled":
        raw = base64.b64decode(step["precompiled_charsmap"])
        # A trie behind its size, then what it replaces by, each with a 0 at its end.
        replaced = raw[4 + int.from_bytes(raw[:4], "little") :].split(b"\0")
        return float(max(map(len, replaced)))
    return float(_GROWTH.get(step["type"], 1))

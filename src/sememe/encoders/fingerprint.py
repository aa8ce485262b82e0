"""The hash under which two results may be compared."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.scoring import KEYS
from sememe.engines import Engine


def fingerprint(
    checkpoint: Checkpoint, tokenizer_sha256: str, engine: Engine, behind: Sequence[Any]
) -> str:
    """16 hexadecimal digits over all that a result depends on beside the texts.

    Args:
        checkpoint: the model.
        tokenizer_sha256: of what the tokenizer was read from.
        engine: its identity names the precision, the activation ranges and the graphs' version.
        behind: what stands behind the transformer, as JSON values.
    """
    parts = [
        checkpoint.weights.sha256,
        tokenizer_sha256,
        {key: checkpoint.config[key] for key in sorted({*checkpoint.config} - {*KEYS})},
        [checkpoint.max_length, checkpoint.lowercase, checkpoint.truncate_dim],
        engine.identity,
        *behind,
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]

"""A model that learns quickly: one layer, its weights small as training wants them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel

from tiny_models import make_checkpoint, random_bert
from training_tables import Table, table, texts

QUICK: dict[str, Any] = {
    "epochs": 4, "batch_size": 16, "learning_rate": 1e-2, "precision": "f32", "device": "cpu",
}  # fmt: skip


def make_learner(folder: Path, **settings: Any) -> Path:
    """A bi-encoder whose vectors mean nothing yet."""
    torch.manual_seed(0)
    config: BertConfig = random_bert(num_hidden_layers=1, **settings).config
    config.initializer_range = 0.1
    return make_checkpoint(folder, bert=BertModel(config).eval()).directory


def judged(kind: str, rows: int, seed: int = 0) -> Table:
    """A table for cross-encoders, which learn the second text's topic sooner than a relation."""
    first = texts([i % 4 for i in range(rows)], seed=9 * seed)
    good = texts([i % 2 for i in range(rows)], seed=9 * seed + 1)
    bad = texts([2 + i % 2 for i in range(rows)], seed=9 * seed + 2)
    mixed = [(good, bad)[i % 2][i] for i in range(rows)]
    even = np.arange(rows) % 2 == 0
    match kind:
        case "triplets":
            return {"anchor": first, "positive": good, "negative": bad}
        case "taught triplets":
            taught = {
                "positive_score": [0.9] * rows,
                "negative_score": [0.1 + i % 3 / 10 for i in range(rows)],
            }
            return {"anchor": first, "positive": good, "negative": bad, **taught}
        case "scored pairs":
            return {"sentence1": first, "sentence2": mixed, "score": (0.1 + 0.8 * even).tolist()}
        case "labelled pairs":
            return {"sentence1": first, "sentence2": mixed, "label": even.astype(int).tolist()}
        case _:
            return table(kind, rows, seed)

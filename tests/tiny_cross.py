"""A tiny cross-encoder, made on the spot: a classifier as Hugging Face writes one."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tiny_models import HIDDEN, edit_json, make_checkpoint


def make_classifier(
    directory: Path, *, labels: Sequence[str] = ("score",), max_length: int = 32
) -> Path:
    """Write a BertForSequenceClassification checkpoint with these labels."""
    make_checkpoint(directory, layout="plain", prefix="bert.", max_length=max_length)
    random = torch.Generator().manual_seed(1)
    head = {
        "classifier.weight": torch.randn(len(labels), HIDDEN, generator=random) / HIDDEN**0.5,
        "classifier.bias": torch.zeros(len(labels)),
    }
    weights = directory / "model.safetensors"
    save_file({**load_file(weights), **head}, weights, metadata={"format": "pt"})
    edit_json(
        directory / "config.json",
        architectures=["BertForSequenceClassification"],
        id2label={str(i): name for i, name in enumerate(labels)},
        label2id={name: i for i, name in enumerate(labels)},
    )
    return directory

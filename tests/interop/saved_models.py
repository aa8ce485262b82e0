"""What the tests of this folder share: cross-encoders on disk, and sentence-transformers' own."""

from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers
from transformers import BertForSequenceClassification

from tiny_models import TEXTS, make_checkpoint, random_bert

PAIRS = [(first, second) for first in TEXTS if first for second in TEXTS]
NAMES = ("contradiction", "entailment", "neutral")
SIGMOID = "torch.nn.modules.activation.Sigmoid"
SOFTMAX = "torch.nn.modules.activation.Softmax"
IDENTITY = "torch.nn.modules.linear.Identity"


def make_classifier(
    directory: Path, labels: tuple[str, ...] = ("LABEL_0",), max_length: int = 32
) -> Path:
    """A sequence classifier as transformers writes it, which says nothing of an activation."""
    bert = random_bert(
        num_hidden_layers=1,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        architectures=["BertForSequenceClassification"],
    )
    make_checkpoint(directory, bert=bert, layout="plain", max_length=max_length)
    model = BertForSequenceClassification(bert.config)
    model.bert.load_state_dict(bert.state_dict())
    generator = np.random.default_rng(0)
    weight = generator.normal(0, 0.5, model.classifier.weight.shape).astype(np.float32)
    model.classifier.weight.data = model.classifier.weight.data.new_tensor(weight)
    model.save_pretrained(directory)
    return directory


def open_bi(directory: Path, **options: Any) -> Any:
    """sentence-transformers' bi-encoder."""
    return sentence_transformers.SentenceTransformer(str(directory), device="cpu", **options)


def open_cross(directory: Path, **options: Any) -> Any:
    """sentence-transformers' cross-encoder."""
    return sentence_transformers.CrossEncoder(str(directory), device="cpu", **options)


def resaved(model: Any, directory: Path) -> Path:
    """What sentence-transformers writes of a model."""
    model.save(str(directory))
    return directory

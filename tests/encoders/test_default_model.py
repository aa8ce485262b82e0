"""The default model itself, where it is installed: its vectors, its length, its company."""

import numpy as np
import pytest
import torch

from processes import run_python
from sememe import BiEncoder
from sememe.checkpoint import find
from sememe.errors import TruncationWarning
from tiny_models import TEXTS

SENTENCES = [
    "Nuclear power is dangerous!",
    "Nuclear power is the future of energy.",
    "",
    "The quick brown fox jumps over the lazy dog, and naïve café-goers applaud 😀.",
    *TEXTS,
    "word " * 200,
]


@pytest.mark.slow
def test_vectors_equal_transformers_mean_pooling(default_encoder: BiEncoder) -> None:
    from transformers import BertModel, BertTokenizer

    folder = str(find("all-MiniLM-L6-v2"))
    fed = BertTokenizer.from_pretrained(folder)(
        SENTENCES, padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.no_grad():
        states = BertModel.from_pretrained(folder).eval()(**fed).last_hidden_state
    mask = fed["attention_mask"][:, :, None]
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()
    assert np.abs(default_encoder.encode(SENTENCES) - expected).max() < 1e-4


def test_it_reads_256_tokens_though_its_tokenizer_says_128(default_encoder: BiEncoder) -> None:
    assert (default_encoder.dim, default_encoder.max_length) == (384, 256)
    default_encoder.encode("word " * 254)
    with pytest.warns(TruncationWarning, match="longer than the 256 tokens .*: 1 token"):
        default_encoder.encode("word " * 255)


@pytest.mark.slow
def test_no_heavy_library_is_imported_for_it(default_model: str) -> None:
    ran = run_python(
        f"""
        import sys, sememe
        vectors = sememe.BiEncoder({default_model!r}, precision="f32").encode(["a", "b"])
        print(vectors.shape)
        heavy = ("torch", "transformers", "scipy", "sknetwork", "pyarrow", "huggingface_hub")
        print([name for name in heavy if name in sys.modules])
        """
    )
    assert ran.stdout.splitlines() == ["(2, 384)", "[]"]

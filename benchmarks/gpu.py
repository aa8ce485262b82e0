"""Texts and pairs a second on a GPU, against sentence-transformers in fp16 with FlashAttention-2.

    python benchmarks/gpu.py [--model M] [--cross M] [--texts 20000] [--rounds 5]

Values are compared before anything is timed. Without --cross, a head of random weights is put on
the bi-encoder's transformer. Where there is no GPU, that is said and nothing is done.
"""

import argparse
import tempfile
from functools import partial

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import sememe
from peers import Encode, Peer, interleave, ratio
from sememe.checkpoint import find
from texts import one_line_texts

_BATCH = 256


def pairs(texts: list[str]) -> list[tuple[str, str]]:
    return list(zip(texts[::2], texts[1::2], strict=True))


def our_options(device: str) -> dict[str, str]:
    return {"engine": "torch", "device": device, "precision": "f32" if device == "cpu" else "f16"}


def their_options(device: str) -> dict[str, object]:
    narrow = {"dtype": torch.float16, "attn_implementation": "flash_attention_2"}
    return {"device": device, "model_kwargs": {} if device == "cpu" else narrow}


def our_bi(device: str, model: str) -> Encode:
    return sememe.BiEncoder(model, **our_options(device)).encode  # type: ignore[arg-type]


def their_bi(device: str, model: str) -> Encode:
    encoder = SentenceTransformer(model, **their_options(device))
    return partial(encoder.encode, batch_size=_BATCH)


def our_cross(device: str, model: str) -> Encode:
    cross = sememe.CrossEncoder(model, **our_options(device))  # type: ignore[arg-type]
    return lambda texts: cross.score(pairs(texts))


def their_cross(device: str, model: str) -> Encode:
    cross = CrossEncoder(model, **their_options(device))
    return lambda texts: cross.predict(pairs(texts), batch_size=_BATCH)


def with_random_head(model: str) -> str:
    folder = tempfile.mkdtemp()
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(model, num_labels=1).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def measure(what: str, ours: Peer, theirs: Peer, texts: list[str], rounds: int) -> None:
    a, b = (peer.encode(texts[:1000]) for peer in (ours, theirs))
    farthest = float(np.abs(a - b).max())
    print(f"{what}: the largest difference of a component is {farthest:.1e}")
    assert farthest < 0.02, "these are not the same values"
    interleave([ours, theirs], texts, 1)  # warm up
    interleave([ours, theirs], texts, rounds)
    for peer in (ours, theirs):
        print(f"  {peer.name:22} {len(texts) / np.median(peer.seconds):8.0f} texts/s")
        peer.close()
    print("  {:.2f} times as fast ({:.2f}–{:.2f})".format(*ratio(theirs, ours)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--cross", help="a cross-encoder with one label")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    # For a look at the benchmark itself: float32, without FlashAttention.
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("No CUDA GPU is here, so there is nothing to measure.")
        return
    model = str(find(options.model))
    cross = str(find(options.cross)) if options.cross else with_random_head(model)
    texts = one_line_texts(options.texts)
    for what, place, systems in (
        ("bi-encoder", model, (our_bi, their_bi)),
        ("cross-encoder, two texts a pair", cross, (our_cross, their_cross)),
    ):
        ours, theirs = (
            Peer(name, partial(load, options.device), place)
            for name, load in zip(("sememe", "sentence-transformers"), systems, strict=True)
        )
        measure(what, ours, theirs, texts, options.rounds)


if __name__ == "__main__":
    main()

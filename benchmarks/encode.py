"""Texts a second against sentence-transformers: same texts, same weights, interleaved runs.

    python benchmarks/encode.py [--texts FILE] [--rounds 5]

The vectors are compared before anything is timed. Without a file, 10,000 different one-line texts
are cut from examples/opinions.csv.
"""

import argparse
import random
import statistics
from pathlib import Path

import numpy as np

from peers import Encode, Peer, interleave, ratio
from products import operations_per_token, product_rate
from sememe.checkpoint import find, read
from sememe.tables import read_texts
from sememe.text import Tokenizer

_OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"


def sememe_bf16(model: str) -> Encode:
    from sememe import BiEncoder

    encoder = BiEncoder(model, precision="bf16")
    return lambda texts: encoder.encode(texts, progress=False).astype(np.float32)


def sememe_f32(model: str) -> Encode:
    from sememe import BiEncoder

    encoder = BiEncoder(model, precision="f32")
    return lambda texts: encoder.encode(texts, progress=False).astype(np.float32)


def as_it_comes(model: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu")
    return lambda texts: encoder.encode(texts, show_progress_bar=False)


def its_openvino(model: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, backend="openvino", device="cpu")
    return lambda texts: encoder.encode(texts, batch_size=128, show_progress_bar=False)


SYSTEMS = {
    "sememe, bf16": sememe_bf16,
    "sememe, f32": sememe_f32,
    "sentence-transformers, as it comes": as_it_comes,
    "sentence-transformers, OpenVINO backend, batch 128": its_openvino,
}


def one_line_texts(count: int) -> list[str]:
    """Different windows of 8 to 16 words from the opinions, one after another."""
    words = " ".join(read_texts(_OPINIONS, "text").texts).split()
    chance = random.Random(0)
    texts: dict[str, None] = {}
    while len(texts) < count:
        start = chance.randrange(len(words) - 16)
        texts[" ".join(words[start : start + chance.randint(8, 16)])] = None
    return list(texts)


def report_ceiling(ours: list[Peer], texts: list[str], model: str) -> None:
    """How near the machine's own matrix products come to what was measured (real tokens only)."""
    checkpoint = read(model)
    tokens = int(Tokenizer(checkpoint)(texts).lengths.sum())
    work = tokens * operations_per_token(checkpoint)
    print(f"\n{tokens:,} tokens; products of the model's shapes, 1,024 rows, all cores:\n")
    print("| precision | the machine, GFLOP/s | sememe, GFLOP/s | share |\n|---|---|---|---|")
    for peer in ours:
        precision = peer.name.split(", ")[1]
        ceiling = product_rate(checkpoint, precision)
        reached = work / statistics.median(peer.seconds)
        print(
            f"| {precision} | {ceiling / 1e9:.0f} | {reached / 1e9:.0f} | "
            f"{100 * reached / ceiling:.0f} % |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", help="a file of texts (txt, csv, tsv, jsonl, parquet)")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = read_texts(options.texts).texts if options.texts else one_line_texts(10_000)
    peers = [Peer(name, load, str(find(options.model))) for name, load in SYSTEMS.items()]

    sample = texts[:1000]
    vectors = {peer.name: peer.encode(sample) for peer in peers}
    reference = vectors["sentence-transformers, as it comes"]
    print(
        f"{len(texts):,} texts. Cosine to {'sentence-transformers, as it comes'}, mean and least:"
    )
    for name, found in vectors.items():
        cosines = (found * reference).sum(axis=1)
        print(f"  {name:52} {cosines.mean():.6f}  {cosines.min():.6f}")
        assert cosines.min() > 0.999, f"{name} does not compute the same vectors"

    interleave(peers, texts, 1)  # warm up, and let budgets settle
    interleave(peers, texts, options.rounds)
    print(f"\n| how | sentences/s, median of {options.rounds} | least–most |\n|---|---|---|")
    for peer in peers:
        rates = sorted(len(texts) / seconds for seconds in peer.seconds)
        print(f"| {peer.name} | {statistics.median(rates):.0f} | {rates[0]:.0f}–{rates[-1]:.0f} |")
    print("\n| ratio, round by round | median | least–most |\n|---|---|---|")
    for fast in peers[:2]:
        for slow in peers[2:]:
            median, least, most = ratio(slow, fast)
            print(f"| {fast.name} to {slow.name} | {median:.2f} | {least:.2f}–{most:.2f} |")
    for peer in peers:
        peer.close()
    report_ceiling(peers[:2], texts, options.model)


if __name__ == "__main__":
    main()

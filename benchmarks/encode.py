"""Texts a second against other engines: same texts, same weights, interleaved runs.

    python benchmarks/encode.py [--texts FILE] [--rounds 5]

The vectors are compared before anything is timed. Without a file, 10,000 different one-line texts
are cut from examples/opinions.csv.
"""

import argparse
import statistics

import systems
from peers import Peer, interleave, ratio
from sememe.checkpoint import Checkpoint, find, read
from sememe.engines.openvino.products import product_rate
from sememe.tables import read_texts
from sememe.text import Tokenizer
from texts import one_line_texts

STATIC_INT8 = "sentence-transformers, static int8 OpenVINO export, batch 128"
SYSTEMS = {
    "sememe, int8": systems.sememe_int8,
    "sememe, bf16": systems.sememe_bf16,
    "sememe, f32": systems.sememe_f32,
    "sentence-transformers, as it comes": systems.as_it_comes,
    "sentence-transformers, OpenVINO backend, batch 128": systems.its_openvino,
    STATIC_INT8: systems.its_static_int8,
    "CTranslate2, int8, two workers, sorted": systems.ctranslate2_int8,
    "ONNX Runtime, dynamic int8, sorted": systems.onnxruntime_int8,
    "fastembed, the same model": systems.fastembed,
}
# The least cosine to float32 that still counts as the same vectors.
_EXACT, _ROUNDED = 0.999, 0.9


def operations_per_token(checkpoint: Checkpoint) -> int:
    """Operations of a BERT's matrix products with its weights, for one token."""
    config = checkpoint.config
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return int(config["num_hidden_layers"] * 2 * (4 * hidden * hidden + 2 * hidden * inner))


def report_ceiling(ours: list[Peer], texts: list[str], model: str) -> None:
    """How near the machine's own matrix products come to what was measured (real tokens only)."""
    checkpoint = read(model)
    config = checkpoint.config
    tokens = int(Tokenizer(checkpoint)(texts).lengths.sum())
    work = tokens * operations_per_token(checkpoint)
    print(f"\n{tokens:,} tokens; products of the model's shapes, 1,024 rows, all cores:\n")
    print("| precision | the machine, GFLOP/s | sememe, GFLOP/s | share |\n|---|---|---|---|")
    for peer in ours:
        precision = peer.name.split(", ")[1]
        ceiling = product_rate(precision, config["hidden_size"], config["intermediate_size"], 2)
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
        bar = _ROUNDED if "int8" in name else _EXACT
        assert cosines.min() > bar, f"{name} does not compute the same vectors"

    interleave(peers, texts, 1)  # warm up, and let budgets settle
    interleave(peers, texts, options.rounds)
    print(f"\n| how | sentences/s, median of {options.rounds} | least–most |\n|---|---|---|")
    for peer in peers:
        rates = sorted(len(texts) / seconds for seconds in peer.seconds)
        print(f"| {peer.name} | {statistics.median(rates):.0f} | {rates[0]:.0f}–{rates[-1]:.0f} |")
    print("\n| ratio, round by round | median | least–most |\n|---|---|---|")
    ours = [peer for peer in peers if peer.name.startswith("sememe")]
    for fast in ours:
        for slow in peers[len(ours) :]:
            median, least, most = ratio(slow, fast)
            print(f"| {fast.name} to {slow.name} | {median:.2f} | {least:.2f}–{most:.2f} |")
    for peer in peers:
        peer.close()
    report_ceiling(ours, texts, options.model)


if __name__ == "__main__":
    main()

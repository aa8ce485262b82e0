"""Texts a second against other engines: same texts, same weights, interleaved runs.

    python benchmarks/encode.py [--texts FILE] [--rounds 5]

The vectors are compared before anything is timed. Without a file, 10,000 different one-line texts
are cut from examples/opinions.csv.
"""

import argparse

import systems
from ceiling import report_ceiling
from peers import Peer, interleave, report
from sememe.checkpoint import find, read
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", help="a file of texts (txt, csv, tsv, jsonl, parquet)")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = read_texts(options.texts) if options.texts else one_line_texts(10_000)
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
    ours = [peer for peer in peers if peer.name.startswith("sememe")]
    report(peers, ours, len(texts), "sentences")
    for peer in peers:
        peer.close()
    checkpoint = read(options.model)
    tokens = int(Tokenizer(checkpoint)(texts).lengths.sum())
    report_ceiling(ours, tokens, checkpoint.config)


if __name__ == "__main__":
    main()

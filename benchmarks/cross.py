"""Pairs a second against sentence-transformers' CrossEncoder: same pairs, same weights.

    python benchmarks/cross.py --model DIR --data DIR [--pairs 3000] [--rounds 3]

The scores are compared before anything is timed; the runs of the systems are interleaved. Without
the data (docs/data.md) it says what is missing and stops.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ceiling import report_ceiling
from peers import Encode, Peer, interleave, report
from sememe import CrossEncoder
from sememe.checkpoint import read
from sememe.tables import read_table
from sememe.text import PairTokenizer
from systems import CALIBRATION_TEXTS, export_static_int8

_WIKIQA = "retrieval/wikiqa_rerank.parquet"


def sememe_int8(model: str) -> Encode:
    import sememe

    os.environ["SEMEME_CACHE"] = tempfile.mkdtemp(prefix="ranges-")
    sememe.quantize(model)
    return _sememe(model, "int8")


def sememe_bf16(model: str) -> Encode:
    return _sememe(model, "bf16")


def sememe_f32(model: str) -> Encode:
    return _sememe(model, "f32")


def _sememe(model: str, precision: str) -> Encode:
    cross = CrossEncoder(model, precision=precision)
    return lambda pairs: cross.score(pairs, progress=False)


def as_it_comes(model: str) -> Encode:
    # The checkpoint's weights are float16, in which a CPU computes four times slower.
    return _theirs(model, model_kwargs={"dtype": "float32"})


def its_static_int8(model: str) -> Encode:
    """Its static int8 OpenVINO export, calibrated on pairs of the benchmark's kind."""
    from sentence_transformers import CrossEncoder as Theirs

    # Question and answer as one text: the export calibrates on single texts only.
    pairs = wikiqa(Path(os.environ["SEMEME_BENCHMARK_DATA"]), CALIBRATION_TEXTS, last=True)
    exported = Theirs(model, backend="openvino", device="cpu")
    folder, file = export_static_int8(exported, [f"{a} {b}" for a, b in pairs])
    return _theirs(folder, backend="openvino", model_kwargs=file)


def _theirs(model: str, **options: Any) -> Encode:
    from sentence_transformers import CrossEncoder as Theirs

    cross = Theirs(model, device="cpu", **options)
    batch = 128 if "backend" in options else 32
    return lambda pairs: cross.predict(pairs, batch_size=batch, show_progress_bar=False)


SYSTEMS = {
    "sememe, int8": sememe_int8,
    "sememe, bf16": sememe_bf16,
    "sememe, f32": sememe_f32,
    "sentence-transformers, as it comes, float32": as_it_comes,
    "sentence-transformers, static int8 OpenVINO export, batch 128": its_static_int8,
}


def wikiqa(data: Path, count: int, *, last: bool = False) -> list[tuple[str, str]]:
    """The first pairs of question and answer, or the last."""
    columns = read_table(data / _WIKIQA).columns
    pairs = [(str(q), str(a)) for q, a in zip(columns["query"], columns["answer"], strict=True)]
    return pairs[-count:] if last else pairs[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a cross-encoder's directory")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not (options.data / _WIKIQA).is_file():
        print(
            f"Left out: there is no {options.data / _WIKIQA}; docs/data.md says where it is from."
        )
        return
    os.environ["SEMEME_BENCHMARK_DATA"] = str(options.data)
    pairs = wikiqa(options.data, options.pairs)
    peers = [Peer(name, load, options.model) for name, load in SYSTEMS.items()]

    scores = {peer.name: peer.encode(pairs[:500]) for peer in peers}
    exact = scores["sentence-transformers, as it comes, float32"]
    print(f"{len(pairs):,} pairs. Correlation with float32, and largest difference:")
    for name, found in scores.items():
        correlation = spearmanr(found, exact).statistic
        print(f"  {name:62} {correlation:.6f}  {np.abs(found - exact).max():.6f}")
        assert correlation > (0.98 if "int8" in name else 0.9999), f"{name} scores differently"

    interleave(peers, pairs, 1)  # warm up
    interleave(peers, pairs, options.rounds)
    ours = [peer for peer in peers if peer.name.startswith("sememe")]
    report(peers, ours, len(pairs), "pairs")
    for peer in peers:
        peer.close()
    checkpoint = read(options.model)
    tokens = int(PairTokenizer(checkpoint)(pairs).lengths.sum())
    report_ceiling(ours, tokens, checkpoint.config)


if __name__ == "__main__":
    main()

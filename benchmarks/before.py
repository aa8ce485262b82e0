"""The speed of this checkout against another one's, in turn: pairs or sentences a second.

    git worktree add /tmp/before COMMIT
    python benchmarks/before.py --before /tmp/before/src --model DIR --data DIR
        [--pooling cls] [--precision int8 --precision bf16] [--count 300] [--rounds 30]

A cross-encoder scores WikiQA's pairs; any other model encodes their answers. Each system runs in a
process of its own. What both give is compared first: fingerprints, then bits. On a busy machine the
fastest rounds say more than the median.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from peers import Encode, Peer, interleave, ratio

_WIKIQA = "retrieval/wikiqa_rerank.parquet"
_HERE = Path(__file__).parents[1] / "src"


def load(source: Path, precision: str, pooling: str | None, model: str) -> Encode:
    """A model as the sememe in a folder opens it."""
    sys.path.insert(0, str(source))
    import sememe
    from sememe.checkpoint import read

    assert Path(sememe.__file__).is_relative_to(source), f"{sememe.__file__} was imported"
    if read(model).scoring is None:
        encoder = sememe.BiEncoder(model, precision=precision, pooling=pooling)
        print(f"  {precision} {source}: {encoder.fingerprint}", flush=True)
        return lambda pairs: encoder.encode([answer for _, answer in pairs], progress=False)
    cross = sememe.CrossEncoder(model, precision=precision)
    print(f"  {precision} {source}: {cross.fingerprint}", flush=True)
    return lambda pairs: cross.score(pairs, raw=True, progress=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="another checkout's src")
    parser.add_argument("--model", required=True, help="a model's directory or name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pooling", help="another pooling than the model's")
    parser.add_argument("--precision", action="append", choices=("f32", "bf16", "int8"))
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    if not (options.data / _WIKIQA).is_file():
        print(f"There is no {options.data / _WIKIQA}; docs/data.md says where it is from.")
        return
    os.environ["SEMEME_CACHE"] = tempfile.mkdtemp(prefix="ranges-")
    from sememe import quantize
    from sememe.tables import read_table

    precisions = options.precision or ["f32", "bf16", "int8"]
    if "int8" in precisions:
        quantize(options.model)
    columns = read_table(options.data / _WIKIQA).columns
    pairs: list[Any] = list(zip(columns["query"], columns["answer"], strict=True))[: options.count]
    print("Fingerprints:", flush=True)
    rows = []
    for precision in precisions:
        before, after = (
            Peer(
                f"{precision}, {source}",
                partial(load, source, precision, options.pooling),
                options.model,
            )
            for source in (options.before.resolve(), _HERE)
        )
        old, new = before.encode(pairs), after.encode(pairs)
        interleave([before, after], pairs, options.rounds)
        fastest = [min(peer.seconds) for peer in (before, after)]
        rates = [f"{len(pairs) / seconds:.0f}" for seconds in fastest]
        median, least, most = ratio(before, after)
        bits = "equal" if np.array_equal(new, old) else f"differ by {np.abs(new - old).max():.2g}"
        middle = f"{median:.3f} ({least:.3f}–{most:.3f})"
        best = f"{fastest[0] / fastest[1]:.3f}"
        rows.append(f"| {precision} | {' | '.join(rates)} | {best} | {middle} | {bits} |")
        before.close()
        after.close()
    print(f"\n{len(pairs):,} a round, {options.rounds} rounds in turn; a second, in the fastest:\n")
    print("| precision | before | after | ratio | of all rounds: median (least–most) | bits |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()

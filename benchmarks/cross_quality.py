"""A cross-encoder of similarity on STS-B and SICK: Spearman × 100 in float32 and in int8.

    python benchmarks/cross_quality.py --model DIR --data DIR

Without the data (docs/data.md) it says what is missing and stops.
"""

import argparse
import os
import tempfile
from pathlib import Path

from scipy.stats import spearmanr

import sememe
from sememe.tables import read_table

_SETS = {
    "STS-B dev": ("sts/stsb.parquet", "dev"),
    "STS-B test": ("sts/stsb.parquet", "test"),
    "SICK test": ("sts/sick.parquet", "test"),
}


def spearman(cross: sememe.CrossEncoder, file: Path, split: str) -> float:
    table = read_table(file).columns
    rows = [i for i, part in enumerate(table["split"]) if part == split]
    pairs = [(str(table["sentence1"][i]), str(table["sentence2"][i])) for i in rows]
    scores = cross.score(pairs, progress=False)
    return 100 * float(spearmanr(scores, [table["score"][i] for i in rows]).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    missing = [file for file, _ in _SETS.values() if not (options.data / file).is_file()]
    if missing:
        print(f"Left out: {missing[0]} is not in {options.data}; docs/data.md says whence.")
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SEMEME_CACHE"] = cache
        sememe.quantize(options.model)
        exact, rounded = (
            sememe.CrossEncoder(options.model, precision=each) for each in ("f32", "int8")
        )
        print("| Spearman × 100 | f32 | int8 | to f32 |\n|---|---|---|---|")
        for name, (file, split) in _SETS.items():
            a, b = (spearman(cross, options.data / file, split) for cross in (exact, rounded))
            print(f"| {name} | {a:.2f} | {b:.2f} | {b - a:+.2f} |", flush=True)


if __name__ == "__main__":
    main()

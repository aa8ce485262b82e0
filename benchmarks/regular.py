"""Regular transformer or sentence encoder, classification or similarity: the two by two, measured.

    python benchmarks/regular.py --data DIR --regular DIR [--sentence all-MiniLM-L6-v2]

Similarity is the Spearman correlation of cosines on STS-B's test set; classification the accuracy
of a logistic probe on frozen vectors, on TREC's question types and SST2's sentiment. Without the
data (docs/data.md) it says what is missing and stops.
"""

import argparse
from pathlib import Path

from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sememe import BiEncoder
from sememe.tables import read_table

_STS, _CLASSES = "sts/stsb.parquet", "classification/mr_sst2_trec.parquet"


def similarity(encoder: BiEncoder, data: Path) -> float:
    """Spearman × 100 on STS-B's test set."""
    table = read_table(data / _STS).columns
    rows = [i for i, split in enumerate(table["split"]) if split == "test"]
    first, second = ([str(table[f"sentence{k}"][i]) for i in rows] for k in (1, 2))
    a, b = (encoder.encode(texts, normalize=True, progress=False) for texts in (first, second))
    return 100 * float(spearmanr((a * b).sum(axis=1), [table["score"][i] for i in rows]).statistic)


def classification(encoder: BiEncoder, data: Path, name: str) -> float:
    """Accuracy × 100 of a logistic probe."""
    table = read_table(data / _CLASSES).columns
    parts = {}
    for split in ("train", "test"):
        rows = [
            i
            for i, (dataset, part) in enumerate(zip(table["dataset"], table["split"], strict=True))
            if (str(dataset).lower(), part) == (name, split)
        ]
        vectors = encoder.encode([str(table["text"][i]) for i in rows], progress=False)
        parts[split] = vectors, [str(table["label"][i]) for i in rows]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    probe.fit(*parts["train"])
    return 100 * float(probe.score(*parts["test"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--regular", required=True, help="a transformer without a pooling")
    parser.add_argument("--sentence", default="all-MiniLM-L6-v2")
    options = parser.parse_args()
    missing = [file for file in (_STS, _CLASSES) if not (options.data / file).is_file()]
    if missing:
        print(f"Left out: {missing[0]} is not in {options.data}; docs/data.md says whence.")
        return
    encoders = {
        "sentence encoder": BiEncoder(options.sentence, precision="bf16"),
        "regular transformer, mean": BiEncoder(options.regular, precision="bf16", pooling="mean"),
        "regular transformer, cls": BiEncoder(options.regular, precision="bf16", pooling="cls"),
    }
    print("| vectors of a | similarity: STS-B | classification: TREC | SST2 |\n|---|---|---|---|")
    for name, encoder in encoders.items():
        classes = (classification(encoder, options.data, each) for each in ("trec", "sst2"))
        figures = [similarity(encoder, options.data), *classes]
        print(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()

"""What `evaluate` says of a model beside its published figures, on MTEB's own data.

    python benchmarks/evaluation.py --data DIR [--models all-MiniLM-L6-v2:f32 ...] [--only STS12]

docs/data.md says where each set comes from and how to lay it out in DIR; a set that is not there is
named and left out. The published figures are MTEB's, in DIR/reference/mteb_key_table.tsv; that of
Banking77 is of MTEB's protocol, ten classifiers of eight texts for each label, drawn at random.
"""

import argparse
import csv
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sememe
from sememe.errors import CostWarning, TruncationWarning
from sememe.evaluation.kinds import Task
from sememe.evaluation.tasks import load_task
from sememe.tables import read_table

_PUBLISHED = "reference/mteb_key_table.tsv"
_STS = "sts/sts12_14_16.parquet"


def sts(task: str, path: Path) -> Task:
    """One of SemEval's tasks, which are in one file."""
    table = read_table(path)
    return load_task(
        table.take([i for i, each in enumerate(table.columns["task"]) if each == task])
    )


SETS: dict[str, tuple[str, Callable[[Path], Task], str, float]] = {
    "STSBenchmark": (
        "sts/stsb.parquet",
        lambda path: load_task(path, split="test"),
        "Spearman",
        0.1,
    ),
    "SICK-R": ("sts/sick.parquet", lambda path: load_task(path, split="all"), "Spearman", 0.1),
    "STS12": (_STS, partial(sts, "STS12"), "Spearman", 0.1),
    "STS14": (_STS, partial(sts, "STS14"), "Spearman", 0.1),
    "STS16": (_STS, partial(sts, "STS16"), "Spearman", 0.1),
    "SciFact": ("retrieval/scifact", lambda path: load_task(path, split="test"), "nDCG@10", 0.1),
    "Banking77Classification": (
        "intent/banking77.parquet",
        lambda path: load_task(path, split="test", task="classes", protocol="mteb"),
        "accuracy",
        0.5,
    ),
}


def published(data: Path, model: str) -> dict[str, float]:
    """MTEB's figures for the model, by task."""
    path = data / _PUBLISHED
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    name = next((name for name in rows[0] if name.endswith(model.partition(":")[0])), "")
    return {next(iter(row.values())): float(row[name]) for row in rows if row.get(name)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["all-MiniLM-L6-v2:f32"])
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    warnings.simplefilter("ignore", CostWarning)
    warnings.simplefilter("ignore", TruncationWarning)
    print("| set | metric × 100 | items | model | published | evaluate (95 %) | difference | bar |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.only:
        file, load, metric, bar = SETS[name]
        path = options.data / file
        if not path.exists():
            print(f"| {name} | not measured: {path} is not there |")
            continue
        done = sememe.evaluate(options.models, load(path))
        for row in done.rows:
            figure = row.figures[metric]
            known = published(options.data, row.model).get(name)
            difference = 100 * figure.value - (known or 0)
            compared = (
                f"{known:.2f}",
                f"{difference:+.2f}",
                f"± {bar}{' missed' * (abs(difference) > bar)}",
            )
            other, off, kept = compared if known else ("–", "–", "–")
            interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
            print(
                f"| {name} | {metric} | {done.items:,} | {row.model} | {other} | "
                f"{100 * figure.value:.2f} ({interval}) | {off} | {kept} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

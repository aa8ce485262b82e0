"""Which encoder is the best? It depends: on what it is for, and on what that is worth.

    python examples/it_depends.py [--data DIR] [--only NAME ...]

Runs `sememe.select` on opinions.csv, to group them by topic, and to classify them by topic and by
sentiment; with --data, a folder laid out as docs/data.md says, also on scored pairs (STS-B) and on
search (Cranfield), with the cross-encoder of the folder `models` beside it. Prints the table and
the verdicts of docs/it-depends.md. Measurements are kept, so a second run takes seconds.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import sememe
from sememe.tables import read_table

OPINIONS = Path(__file__).parent / "opinions.csv"
TEXTS = 100_000


def experiments(data: Path | None) -> dict[str, dict[str, Any]]:
    """What is asked of `select`, by name."""
    topic, sentiment = ({"text": "text", "label": name} for name in ("topic", "sentiment"))
    found: dict[str, dict[str, Any]] = {
        "group by topic": {"data": OPINIONS, "task": "cluster", "columns": topic},
        "group by sentiment": {"data": OPINIONS, "task": "cluster", "columns": sentiment},
        "classify topics": {"data": OPINIONS, "task": "classify", "columns": topic},
        "classify sentiment": {"data": OPINIONS, "task": "classify", "columns": sentiment},
    }
    if data is not None:
        table = read_table(data / "sts" / "stsb.parquet").columns
        rows = [i for i, split in enumerate(table["split"]) if split == "test"][:500]
        names = ("sentence1", "sentence2", "score")
        pairs = {name: [list(table[name])[i] for i in rows] for name in names}
        found["similarity of pairs"] = {"data": pairs}
        found["search"] = {"data": data / "retrieval" / "cranfield"}
    return found


def main() -> None:
    """Run the experiments, and print what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    cross = options.data and options.data.parent / "models" / "cross-encoder-sts-minilm"
    models = [cross] if cross and cross.is_dir() else []
    print("| what for | labelled | metric | chosen | default model | static table | "
          "best with the cross-encoder |\n|---|---|---|---|---|---|---|")  # fmt: skip
    verdicts = {}
    for name, arguments in experiments(options.data).items():
        if options.only and name not in options.only:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = sememe.select(models=models, texts=TEXTS, **arguments)
        verdicts[name] = result.verdict
        figures = {
            "default": best(result, lambda row: row.name == "all-MiniLM-L6-v2, int8"),
            "static": best(result, lambda row: row.kind == "static encoder"),
            "cross": best(result, lambda row: row.kind in ("cascade", "cross-encoder")),
        }
        cells = [name, f"{result.labels:,}", result.metric, result.choice, *figures.values()]
        print("| " + " | ".join(cells) + " |", flush=True)
    for name, verdict in verdicts.items():
        print(f"\n**{name}.** {verdict}")


def best(result: Any, is_meant: Any) -> str:
    """The best figure of some candidates, with how long 100,000 texts would take."""
    from sememe.costs import duration

    for row in result.rows:
        if is_meant(row) and row.quality is not None and row.projection is not None:
            return f"{row.quality.with_margin()}, {duration(row.projection.seconds)}"
    return "-"


if __name__ == "__main__":
    main()

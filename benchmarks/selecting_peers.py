"""`sememe select` beside embench and embedbench: the same data, the same bi-encoders.

    python benchmarks/selecting_peers.py --data DIR [--queries 25]

Both peers are asked as their own documentation says, through their interface for one's own model,
so that all three compute the same vectors. Each runs in a process of its own, which prints what it
chose, the texts that were encoded, the seconds it took and the most memory it held.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sememe import BiEncoder, select
from sememe.evaluation.kinds import RetrievalTask
from sememe.evaluation.systems import EncoderSystem
from sememe.selection.choosing import part_of
from sememe.selection.systems import Hybrid

MODELS = {
    "int8": {"precision": "int8"},
    "bf16": {"precision": "bf16"},
    "max-pooled": {"precision": "bf16", "pooling": "max"},
    "wordllama": {},
}


class Counted:
    """An encoder that counts the texts it is given."""

    texts = 0

    def __init__(self, name: str) -> None:
        self.name = name
        model = "wordllama" if name == "wordllama" else "all-MiniLM-L6-v2"
        self._encoder = BiEncoder(model, **MODELS[name])  # type: ignore[arg-type]

    def encode(self, texts: list[str]) -> Any:
        Counted.texts += len(texts)
        return self._encoder.encode(texts, progress=False)


def by_sememe(task: RetrievalTask) -> str:
    """The choice of `select`."""
    pairs = [(q, d, grade) for q, each in enumerate(task.grades) for d, grade in each.items()]
    queries, documents, grades = zip(*pairs, strict=True)
    data: dict[str, Any] = {
        "corpus": {"_id": list(range(len(task.documents))), "text": task.documents},
        "queries": {"_id": list(range(len(task.queries))), "text": task.queries},
        "qrels": {"query_id": queries, "doc_id": documents, "score": grades},
    }
    return select(data, models=map(Counted, MODELS), installed=False).choice


def by_embench(task: RetrievalTask) -> str:
    """The model with the highest nDCG@10."""
    import embench

    class Model(embench.BaseEmbeddingModel):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self._counted = Counted(name)

        def _encode(self, texts: list[str]) -> Any:
            return self._counted.encode(texts)

    data = embench.RetrievalDataset(
        queries={f"q{i}": text for i, text in enumerate(task.queries)},
        corpus={f"d{i}": text for i, text in enumerate(task.documents)},
        qrels={
            f"q{i}": {f"d{d}": grade for d, grade in each.items()}
            for i, each in enumerate(task.grades)
        },
    )
    bench = embench.Benchmark([Model(name) for name in MODELS], [embench.RetrievalTask(data)])
    return str(bench.run(verbose=False).best_model("ndcg@10"))


def by_embedbench(task: RetrievalTask) -> str:
    """The one that its recommendation names, quality and speed being weighed."""
    import embedbench
    from embedbench.models import BaseEmbeddingModel, register_model

    @register_model("sememe")
    class Model(BaseEmbeddingModel):  # type: ignore[misc]
        provider_name = "sememe"
        default_price_usd_per_1m = 0.0

        def load(self) -> None:
            self._counted = Counted(self.model_name)
            self.embedding_dimension = self._counted.encode(["size"]).shape[1]

        def _embed_prepared(self, texts: Any, kind: str = "document") -> Any:  # noqa: ARG002
            return self._counted.encode(list(texts))

    data = embedbench.RetrievalDataset(
        name="cranfield",
        documents=[
            embedbench.DatasetDocument(f"d{i}", text) for i, text in enumerate(task.documents)
        ],
        queries=[
            embedbench.RetrievalQuery(f"q{i}", text, tuple(f"d{d}" for d in grades))
            for i, (text, grades) in enumerate(zip(task.queries, task.grades, strict=True))
        ],
    )
    models = [f"sememe:{name}" for name in MODELS]
    result = embedbench.Evaluator(models, k_values=(10,)).evaluate(data)
    return str(result.recommend()["winner"]).removeprefix("sememe:")


TOOLS: dict[str, Callable[[RetrievalTask], str]] = {
    "sememe": by_sememe,
    "embench": by_embench,
    "embedbench": by_embedbench,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=25)
    parser.add_argument("--tool", choices=TOOLS)
    options = parser.parse_args()
    from selecting import sets

    _, task = sets(options.data)["cranfield (search)"]
    assert isinstance(task, RetrievalTask)
    few = part_of(task, range(min(options.queries, len(task) - 1)))
    assert isinstance(few, RetrievalTask)
    if options.tool:
        started = time.perf_counter()
        choice = TOOLS[options.tool](few)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = [choice, Counted.texts, time.perf_counter() - started, most]
        print(json.dumps(row))
        return
    figure: dict[str, float] = {}
    for name in MODELS:
        system = EncoderSystem(Counted(name))
        for each in (system, Hybrid(f"{name}, with BM25", system)):
            figure[each.name] = 100 * next(iter(task.measure(each).values())).value  # type: ignore[arg-type]
    print(f"{len(few):,} of {len(task):,} queries, {len(few.documents):,} documents. On all:")
    print(", ".join(f"{name} {value:.1f}" for name, value in figure.items()))
    print("\n| tool | choice | points lost | texts encoded | seconds | MB |\n" + "|---" * 6 + "|")
    for tool in TOOLS:
        with TemporaryDirectory() as folder:
            command = [sys.executable, __file__, *sys.argv[1:], "--tool", tool]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        if done.returncode:
            print(f"| {tool} | did not run: {done.stderr.strip().splitlines()[-1]} |")
            continue
        choice, texts, seconds, most = json.loads(done.stdout.splitlines()[-1])
        lost = max(figure.values()) - figure.get(choice, float("nan"))
        print(
            f"| {tool} | {choice} | {lost:.1f} | {texts:,} | {seconds:.0f} | {most:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

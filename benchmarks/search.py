"""Search: quality on SciFact and Cranfield, and speed of the store against LanceDB.

    python benchmarks/search.py --data DIR [--only quality|passages|rerank|speed] [--count 200000]
        [--rounds 3] [--models DIR]

Quality: nDCG@10 of all-MiniLM-L6-v2 in float32, title and text joined by one space: dense, by words
and hybrid, with the published figure of the dense run; and in passages (long="split"), where the
best passage of a text counts. Rerank: for each set, how deep a cross-encoder should read; of
CLINC150 and Banking77 the texts of intents that it was not trained on, which answer one another.
Speed: the same vectors of sentences
(captions, NLI, tweets; encoded once) go into an index of sememe's and a table of LanceDB's with
IVF_HNSW_SQ, whose search is widened until its recall is at least 0.95. Both give ids and texts of
ten rows, and nothing is timed before both are shown to find the true neighbours.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import nDCG

from sememe import BiEncoder, CrossEncoder, Index
from sememe.neighbors import nearest
from sememe.search.index import MODES
from sememe.search.ranking import RerankDepth
from sememe.tables import read_table

_COLUMNS = ("published", *MODES)
_SETS = ("scifact", "cranfield")
_SENTENCES = {
    "train/caption_triplets_100k.parquet": ("anchor", "positive", "negative"),
    "nli/nli_pairs.parquet": ("premise", "hypothesis"),
    "pairs/twitter_url_train.parquet": ("sentence1", "sentence2"),
}
_QUERIES, _TOP = 1000, 10
_RECALL = 0.95
_LABELLED, _DEEPEST = 400, 50  # queries of intents; candidates that are read

Vectors = npt.NDArray[np.float32]


def corpus(data: Path, name: str) -> dict[str, str]:
    """Texts by their ids."""
    table = read_table(data / f"retrieval/{name}/corpus.parquet").columns
    rows = zip(table["doc_id"], table["title"], table["text"], strict=True)
    return {str(document): f"{title} {text}".strip() for document, title, text in rows}


def judged(data: Path, name: str) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    table = read_table(data / f"retrieval/{name}/qrels.parquet").columns
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for split, query, document, score in zip(*table.values(), strict=True):
        if split == "test":
            qrels[str(query)][str(document)] = int(str(score))
    table = read_table(data / f"retrieval/{name}/queries.parquet").columns
    texts = {str(q): str(t) for q, t in zip(table["query_id"], table["text"], strict=True)}
    return {query: texts[query] for query in qrels}, qrels


def published(data: Path) -> str:
    path = data / "reference/mteb_key_table.tsv"
    if not path.is_file():
        return "?"
    with path.open(encoding="utf-8") as file:
        rows = {row["task"]: row for row in csv.DictReader(file, delimiter="\t")}
    return rows["SciFact"]["sentence-transformers/all-MiniLM-L6-v2"]


def quality(data: Path, long: str) -> None:
    encoder = BiEncoder("all-MiniLM-L6-v2", precision="f32")
    print("| nDCG@10 x 100 |", *(f"{column} |" for column in _COLUMNS), "\n|---|---|---|---|---|")
    for name in _SETS:
        documents, (queries, qrels) = corpus(data, name), judged(data, name)
        with tempfile.TemporaryDirectory() as folder:
            index = Index.create(Path(folder) / "index", encoder, long=long)
            index.add(documents.values(), list(documents))
            figures: dict[str, Any] = {}
            for mode in MODES:
                hits = index.search_many(list(queries.values()), mode=mode, top_k=_TOP)
                run = {
                    query: {str(hit.id): 1 / rank for rank, hit in enumerate(ranked, 1)}
                    for query, ranked in zip(queries, hits, strict=True)
                }
                figures[mode] = 100 * ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
            index.close()
        is_published = name == "scifact" and long == "truncate"
        figures["published"] = published(data) if is_published else ""
        label = name if long == "truncate" else f"{name}, in passages"
        cells = [label, *(figures[column] for column in _COLUMNS)]
        print("|", *(f"{c:.2f} |" if isinstance(c, float) else f"{c} |" for c in cells))
    print()


def questions(data: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """WikiQA's answers, its test questions that have one, and which answers these are."""
    table = read_table(data / "retrieval/wikiqa_rerank.parquet").columns
    columns = (table[name] for name in ("split", "query_id", "query", "answer", "label"))
    ids: dict[str, str] = {}
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for split, query, question, answer, label in zip(*columns, strict=True):
        if split == "test":
            row = ids.setdefault(str(answer), str(len(ids)))
            if label:
                queries[str(query)] = str(question)
                qrels.setdefault(str(query), {})[row] = 1
    return {row: text for text, row in ids.items()}, queries, qrels


def intents(
    data: Path, name: str, cross: str
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Training texts, 400 test texts, and which share an intent that the model has not seen."""
    seen = json.loads((Path(cross) / "held_intents.json").read_text())
    trained = {intent for each in seen.values() for intent in each} | {"oos"}
    table = read_table(data / f"intent/{name}.parquet").columns
    rows = [
        (str(split), str(text), str(label))
        for split, text, label in zip(*(table[c] for c in ("split", "text", "label")), strict=True)
        if label not in trained
    ]
    texts = {str(row): text for row, (split, text, _) in enumerate(rows) if split == "train"}
    tests = [row for row, (split, *_) in enumerate(rows) if split == "test"]
    some = tests[:: max(1, len(tests) // _LABELLED)][:_LABELLED]
    by_intent: dict[str, dict[str, int]] = defaultdict(dict)
    for row, (split, _, label) in enumerate(rows):
        if split == "train":
            by_intent[label][str(row)] = 1
    queries = {str(row): rows[row][1] for row in some}
    return texts, queries, {str(row): by_intent[rows[row][2]] for row in some}


def print_depth(name: str, mode: str, depth: RerankDepth, seconds: float) -> None:
    plain, *figures = (f"{100 * figure:.1f}" for figure in depth.figures.values())
    by_depth = ", ".join(f"{d}: {f}" for d, f in zip(depth.changes, figures, strict=True))
    gain = " to ".join(f"{100 * each:+.1f}" for each in (depth.low, depth.high))
    cells = name, mode, depth.depth, plain, by_depth, f"{100 * depth.gain:+.1f} ({gain})"
    print("|", *(f"{cell} |" for cell in cells), f"{seconds:.0f} |", flush=True)


def rerank(data: Path, sts: str, intent: str) -> None:
    encoder = BiEncoder("all-MiniLM-L6-v2")
    print("| set | mode | depth | nDCG@10 | by depth | gain | seconds |")
    print("|" + "---|" * 7)
    for name in ("clinc150", "banking77", "wikiqa", *_SETS):
        cross = CrossEncoder(intent if name in ("clinc150", "banking77") else sts)
        if name == "wikiqa":
            documents, queries, qrels = questions(data)
        elif name in _SETS:
            documents, (queries, qrels) = corpus(data, name), judged(data, name)
            qrels = {
                q: {d: g for d, g in each.items() if documents[d]} for q, each in qrels.items()
            }
        else:
            documents, queries, qrels = intents(data, name, intent)
        with tempfile.TemporaryDirectory() as folder:
            index = Index.create(Path(folder) / "index", encoder)
            index.add(documents.values(), list(documents))
            for mode in MODES:
                started = time.perf_counter()
                depth = index.tune_rerank(queries, qrels, cross, mode=mode, candidates=_DEEPEST)
                seconds = time.perf_counter() - started
                print_depth(name, mode, depth, seconds)
            index.close()
    print()


def sentences(data: Path, count: int) -> list[str]:
    """So many different sentences, and the queries behind them."""
    found: dict[str, None] = {}
    for file, columns in _SENTENCES.items():
        table = read_table(data / file).columns
        found.update(dict.fromkeys(str(text) for name in columns for text in table[name]))
    if len(found) < count + _QUERIES:
        sys.exit(f"There are {len(found):,} sentences: give a smaller --count.")
    order = np.random.default_rng(0).permutation(len(found))[: count + _QUERIES]
    listed = list(found)
    return [listed[row] for row in order]


class Ours:
    """sememe's index, from vectors."""

    name = "sememe"

    def __init__(
        self, folder: Path, texts: list[str], vectors: Vectors, encoder: BiEncoder
    ) -> None:
        self._index = Index.create(folder / "sememe", encoder)
        self._index.add(texts, range(len(texts)), vectors=vectors)

    def search(self, query: Vectors) -> list[tuple[int, str]]:
        return [(int(hit.id), hit.text) for hit in self._index.search(query, top_k=_TOP)]


class Lance:
    """A table of LanceDB's with IVF_HNSW_SQ."""

    name = "LanceDB IVF_HNSW_SQ"

    def __init__(self, folder: Path, texts: list[str], vectors: Vectors, _: BiEncoder) -> None:
        import lancedb
        import pyarrow as pa

        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        columns = {"id": pa.array(range(len(texts))), "text": pa.array(texts), "vector": flat}
        self._table = lancedb.connect(folder / "lance").create_table("texts", pa.table(columns))
        self._table.create_index(metric="dot", index_type="IVF_HNSW_SQ")
        self.widths = {"nprobes": 1, "refine_factor": 1}

    def search(self, query: Vectors) -> list[tuple[int, str]]:
        asked = self._table.search(query).distance_type("dot").limit(_TOP).select(["id", "text"])
        asked = asked.nprobes(self.widths["nprobes"]).refine_factor(self.widths["refine_factor"])
        return [(row["id"], row["text"]) for row in asked.to_list()]


def recall(search: Callable[[Vectors], Any], queries: Vectors, true: Iterable[Any]) -> float:
    found = [{own for own, _ in search(query)} for query in queries]
    return statistics.mean(
        len(f & set(t.tolist())) / _TOP for f, t in zip(found, true, strict=True)
    )


def widened(lance: Lance, queries: Vectors, true: Any) -> float:
    """The quickest of its searches that finds enough."""
    for probes in (1, 2, 4, 8, 16, 32):
        for refined in (1, 2, 4):
            lance.widths = {"nprobes": probes, "refine_factor": refined}
            if (found := recall(lance.search, queries, true)) >= _RECALL:
                return found
    sys.exit("LanceDB does not reach the recall.")


def latency(search: Callable[[Vectors], Any], queries: Vectors) -> float:
    seconds = []
    for query in queries:
        started = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def speed(data: Path, count: int, rounds: int) -> None:
    texts, encoder = sentences(data, count), BiEncoder("all-MiniLM-L6-v2", precision="int8")
    every = encoder.encode(texts, normalize=True)
    vectors, queries = every[:count], every[count:]
    true = nearest(vectors, _TOP, queries=queries).indices
    with tempfile.TemporaryDirectory() as folder:
        systems: list[Any] = []
        built = []
        for system in (Ours, Lance):
            started = time.perf_counter()
            systems.append(system(Path(folder), texts[:count], vectors, encoder))
            built.append(time.perf_counter() - started)
        ours, lance = systems
        found = recall(ours.search, queries, true), widened(lance, queries, true)
        taken: list[list[float]] = [[], []]
        for _ in range(rounds):
            for kept, system in zip(taken, systems, strict=True):
                kept.append(latency(system.search, queries))
    print(f"{count:,} x {vectors.shape[1]}, {len(queries):,} queries, {_TOP} rows with their texts")
    print(f"LanceDB searches with {lance.widths}\n")
    print("| | recall@10 | p50 of a query, ms | build from vectors, s |\n|---|---|---|---|")
    for system, share, kept, seconds in zip(systems, found, taken, built, strict=True):
        print(f"| {system.name} | {share:.3f} | {statistics.median(kept):.2f} | {seconds:.1f} |")
    ratios = sorted(b / a for a, b in zip(*taken, strict=True))
    print(
        f"\nA query: {statistics.median(ratios):.1f} times LanceDB's speed "
        f"({ratios[0]:.1f} to {ratios[-1]:.1f}); the build: {built[1] / built[0]:.1f} times.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("quality", "passages", "rerank", "speed"))
    parser.add_argument("--models", type=Path, help="the folder of the cross-encoders")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not (options.data / "retrieval/scifact/corpus.parquet").is_file():
        sys.exit(f"There is no {options.data / 'retrieval/scifact'}; docs/data.md says what it is.")
    warnings.simplefilter("ignore")
    if options.only in (None, "quality"):
        quality(options.data, "truncate")
    if options.only in (None, "passages"):
        quality(options.data, "split")
    if options.models and options.only in (None, "rerank"):
        models = (options.models / f"cross-encoder-{name}" for name in ("sts-minilm", "intent"))
        rerank(options.data, *map(str, models))
    if options.only in (None, "speed"):
        speed(options.data, options.count, options.rounds)


if __name__ == "__main__":
    main()

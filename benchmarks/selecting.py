"""How well `sememe select` chooses, with many labels, with few and with none, and what it predicts.

    python benchmarks/selecting.py --data DIR [--vectors DIR] [--parts choice prior coverage time cost]

Fourteen candidates, all at hand without a network: all-MiniLM-L6-v2 in three precisions, cut to 128
and 64 components and to 3 and 2 of its layers (untuned), as a regular transformer with other
poolings, WordLlama at two sizes, BM25, their fusion, and the cross-encoders of the models' folder
beside DIR. Every set is a sample of at most 1,500 items, and what all of them say is the truth that
draws of 500 and 50 items (search: 50 and 25 queries) are compared with. Vectors are computed once,
into --vectors.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from sememe import BiEncoder, CrossEncoder
from sememe.checkpoint.find import find
from sememe.evaluation.kinds import PairTask, RetrievalTask, Task, TextTask
from sememe.evaluation.measures import Measurement
from sememe.evaluation.systems import EncoderSystem, ScorerSystem
from sememe.selection.candidates import Candidate
from sememe.selection.systems import TimedEncoder, TimedScorer
from sememe.tables import read_table

Array = npt.NDArray[Any]
MODEL = "all-MiniLM-L6-v2"
MOST = 1500
WORKS = ("search", "cluster", "pairs", "classify")


class Stored:
    """An encoder whose vectors are kept in a file, and computed where they are missing."""

    def __init__(self, open_encoder: Callable[[], Any], file: Path) -> None:
        self._open, self._file = open_encoder, file
        self._encoder: Any = None
        self.prompts: dict[str, str] = {}
        self._vectors: dict[str, Array] = {}
        if file.is_file():
            with np.load(file) as kept:
                self._vectors = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> Array:
        keys = [blake2b(text.encode(), digest_size=12).hexdigest() for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._vectors}
        if new:
            self._encoder = self._encoder or self._open()
            vectors = self._encoder.encode(list(new.values()), progress=False)
            self._vectors.update(zip(new, vectors, strict=True))
            if len(new) > 20:
                values = np.stack(list(self._vectors.values()))
                np.savez(self._file, keys=np.array(list(self._vectors)), vectors=values)
        return np.stack([self._vectors[key] for key in keys])


class StoredScorer:
    """The same of a cross-encoder."""

    def __init__(self, model: Path, file: Path) -> None:
        self._model, self._file, self._cross = model, file, None
        self.fingerprint = ""
        self._scores: dict[str, float] = {}
        if file.is_file():
            self._scores = json.loads(file.read_text())

    def score(self, pairs: Sequence[tuple[str, str]]) -> Array:
        keys = [blake2b("\0".join(pair).encode(), digest_size=12).hexdigest() for pair in pairs]
        new = {k: p for k, p in zip(keys, pairs, strict=True) if k not in self._scores}
        if new:
            self._cross = self._cross or CrossEncoder(self._model)
            scores = self._cross.score(list(new.values()), progress=False)
            self._scores.update(zip(new, scores.tolist(), strict=True))
            if len(new) > 20:
                self._file.write_text(json.dumps(self._scores))
        return np.array([self._scores[key] for key in keys])


def cut_to(layers: int, folder: Path) -> Path:
    """The model without its upper layers, untuned."""
    target = folder / f"{layers}-layers"
    if not target.is_dir():
        shutil.copytree(find(MODEL), target)
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}))
        tensors = load_file(target / "model.safetensors")
        upper = tuple(f"encoder.layer.{i}." for i in range(layers, config["num_hidden_layers"]))
        kept = {name: each for name, each in tensors.items() if not name.startswith(upper)}
        save_file(kept, target / "model.safetensors")
    return target


def candidates(work: str, folder: Path, models: Path) -> list[Candidate]:
    """All candidates, with stored vectors."""

    def encoder(name: str, model: Any = MODEL, **options: Any) -> Callable[[], EncoderSystem]:
        opened: list[EncoderSystem] = []

        def open_() -> EncoderSystem:
            if not opened:
                stored = Stored(lambda: BiEncoder(model, **options), folder / f"{name}.npz")
                opened.append(EncoderSystem(TimedEncoder(stored), name))
            return opened[0]

        return open_

    base = encoder("int8", precision="int8")
    table = encoder("wordllama", "wordllama")
    found = [
        Candidate("MiniLM int8", "bi-encoder", "MiniLM", base),
        Candidate("MiniLM bf16", "bi-encoder", "MiniLM", encoder("bf16", precision="bf16")),
        Candidate("MiniLM f32", "bi-encoder", "MiniLM", encoder("f32", precision="f32")),
        Candidate("MiniLM 128", "bi-encoder", "MiniLM 128", base, size=128),
        Candidate("MiniLM 64", "bi-encoder", "MiniLM 64", base, size=64),
        *(
            Candidate(f"{n} layers", "bi-encoder", f"{n} layers",
                      encoder(f"layers{n}", cut_to(n, folder), precision="bf16"))
            for n in (3, 2)
        ),
        *(
            Candidate(f"{how}-pooled", "regular transformer", how,
                      encoder(how, pooling=how, precision="bf16"))
            for how in ("cls", "max")
        ),
        Candidate("WordLlama 256", "static encoder", "WordLlama 256", table),
        Candidate("WordLlama 64", "static encoder", "WordLlama 64", table, size=64),
    ]  # fmt: skip
    if work == "search":
        found.append(Candidate("BM25", "words", "BM25"))
        found.append(Candidate("MiniLM with BM25", "hybrid", "hybrid", base))
    for name in ("sts-minilm", "intent"):
        model = models / f"cross-encoder-{name}"
        if not model.is_dir():
            continue
        opened = ScorerSystem(TimedScorer(StoredScorer(model, folder / f"{name}.json")), name)
        scorer = partial(lambda system: system, opened)
        if work == "pairs":
            found.append(Candidate(f"cross {name}", "cross-encoder", name, None, scorer))
        if work == "search" and name == "sts-minilm":
            found.append(
                Candidate(f"reranked by {name}", "cascade", f"reranked {name}", base, scorer)
            )
    return found


def sets(data: Path) -> dict[str, tuple[str, Task]]:
    """Samples of the shared sets, by name, with what they are for."""
    random = np.random.default_rng(7)

    def rows(table: Any, where: Array, most: int = MOST) -> Array:
        return np.sort(random.permutation(np.flatnonzero(where))[:most])

    def columns(path: str) -> dict[str, Array]:
        return {k: np.array(v, object) for k, v in read_table(data / path).columns.items()}

    found: dict[str, tuple[str, Task]] = {}

    def texts(
        name: str, work: str, table: dict[str, Array], where: Array, label: str, most: int
    ) -> None:
        at = rows(table, where, most)
        names, gold = np.unique(table[label][at].astype(str), return_inverse=True)
        kind = "groups" if work == "cluster" else "classes"
        task = TextTask(kind, name, table["text"][at].tolist(), gold, tuple(names.tolist()))
        found[f"{name} ({work})"] = (work, task)

    banking, clinc = columns("intent/banking77.parquet"), columns("intent/clinc150.parquet")
    short, moods = (
        columns("clustering/short_text.parquet"),
        columns("classification/mr_sst2_trec.parquet"),
    )
    inside = (clinc["split"] == "test") & (clinc["label"] != "oos")
    texts("Banking77", "cluster", banking, banking["split"] == "test", "label", MOST)
    texts("CLINC150", "cluster", clinc, inside, "label", MOST)
    for name in np.unique(short["dataset"].astype(str)):
        texts(name, "cluster", short, short["dataset"] == name, "label", MOST)
    texts("Banking77", "classify", banking, banking["split"] == "test", "label", 1000)
    texts("CLINC domains", "classify", clinc, inside, "domain", 1000)
    for name in np.unique(moods["dataset"].astype(str)):
        texts(name, "classify", moods, moods["dataset"] == name, "label", 1000)

    def pairs(name: str, table: dict[str, Array], where: Array, target: str) -> None:
        at = rows(table, where, 1000)
        both = list(
            zip(table["sentence1"][at].tolist(), table["sentence2"][at].tolist(), strict=True)
        )
        gold = table[target][at].astype(float)
        kind = "similarity" if target == "score" else "pairs"
        task = PairTask(kind, name, both, gold if target == "score" else gold.astype(int))
        found[f"{name} (pairs)"] = ("pairs", task)

    sts = columns("sts/stsb.parquet")
    pairs("STS-B", sts, sts["split"] == "test", "score")
    sick = columns("sts/sick.parquet")
    pairs("SICK", sick, np.full(len(sick["score"]), True), "score")
    more = columns("sts/sts12_14_16.parquet")
    for name in np.unique(more["task"].astype(str)):
        pairs(name, more, more["task"] == name, "score")
    qqp = columns("pairs/qqp_dev.parquet")
    pairs("QQP", qqp, np.full(len(qqp["label"]), True), "label")
    urls = columns("pairs/twitter_url_train.parquet")
    pairs("Twitter URLs", urls, np.full(len(urls["label"]), True), "label")

    for name in ("scifact", "cranfield"):
        corpus, queries, qrels = (
            columns(f"retrieval/{name}/{table}.parquet") for table in ("corpus", "queries", "qrels")
        )
        text_of = {
            i: f"{title} {text}".strip()
            for i, title, text in zip(
                *(corpus[c].tolist() for c in ("doc_id", "title", "text")), strict=True
            )
        }
        keep = np.full(len(queries["query_id"]), True)
        if name == "scifact":
            keep = queries["split"] == "test"
        query_of = dict(
            zip(queries["query_id"][keep].tolist(), queries["text"][keep].tolist(), strict=True)
        )
        judged: dict[str, dict[str, float]] = {}
        for q, d, s in zip(
            *(qrels[c].tolist() for c in ("query_id", "doc_id", "score")), strict=True
        ):
            if q in query_of and d in text_of and s > 0:
                judged.setdefault(q, {})[d] = float(s)
        needed = {d for each in judged.values() for d in each}
        others = [d for d in random.permutation(sorted(set(text_of) - needed)).tolist()]
        documents = sorted([*needed, *others[: max(0, MOST - len(needed))]], reverse=True)
        place = {d: i for i, d in enumerate(documents)}
        found[f"{name} (search)"] = ("search", RetrievalTask(
            name, [query_of[q] for q in judged], [text_of[d] for d in documents],
            [{place[d]: grade for d, grade in each.items()} for each in judged.values()],
        ))  # fmt: skip
    return found


def measured(
    all_sets: dict[str, tuple[str, Task]], folder: Path, models: Path
) -> dict[str, dict[str, Measurement]]:
    """The main figure of every candidate on every set."""
    answers = {}
    pools = {work: candidates(work, folder, models) for work in WORKS}
    for name, (work, task) in all_sets.items():
        answers[name] = {}
        for candidate in pools[work]:
            started = time.perf_counter()
            answers[name][candidate.name] = next(iter(task.measure(candidate.system).values()))
            print(f"# {name}: {candidate.name} {answers[name][candidate.name].value:.3f} "
                  f"{time.perf_counter() - started:.1f} s", flush=True)  # fmt: skip
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, default=Path("/tmp/vec-f"))
    options = parser.parse_args()
    measured(sets(options.data), options.vectors, options.data.parent / "models")

"""How well `sememe select` chooses, with many labels, with few and with none, and what it predicts.

    python benchmarks/selecting.py --data DIR [--vectors DIR] [--draws N]
        [--parts few many prior coverage time cost]

Fourteen candidates, all at hand without a network: all-MiniLM-L6-v2 in three precisions, cut to 128
and 64 components and to 3 and 2 of its layers (untuned), as a regular transformer with other
poolings, WordLlama at two sizes, BM25, their fusion, and the cross-encoders of the models' folder
beside DIR. Every set is a sample of at most 1,400 items, and what all of them say is the truth that
draws of 500 and 50 items (search: 50 and 25 queries) are compared with. Vectors are computed once,
into --vectors.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from sememe import BiEncoder, CrossEncoder
from sememe.checkpoint.find import find
from sememe.clustering.grouping import default_partitions
from sememe.costs import Speed
from sememe.evaluation.kinds import PairTask, RetrievalTask, Task, TextTask
from sememe.evaluation.measures import Measurement
from sememe.evaluation.systems import EncoderSystem, ScorerSystem
from sememe.selection.candidates import Candidate
from sememe.selection.candidates import speed_of as measured_speed
from sememe.selection.choosing import NOTHING, part_of
from sememe.selection.jury import AGREEMENT, LatentWords, Material, Prior, combined, judge
from sememe.selection.measuring import Round, eliminate
from sememe.selection.result import Scale, Selection, projected
from sememe.selection.sample import Sample
from sememe.selection.systems import RERANKED, Words
from sememe.tables import read_table

Array = npt.NDArray[Any]
MODEL = "all-MiniLM-L6-v2"
MOST, PAIRS, DOCUMENTS, QUERIES = 1400, 1000, 800, 150
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
        self._model, self._file = model, file
        self._cross: Any = None
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
                opened.append(EncoderSystem(stored, name))
            return opened[0]

        return open_

    base = encoder("int8", precision="int8")
    table = encoder("wordllama", "wordllama")
    found = [
        Candidate("MiniLM int8", "bi-encoder", "MiniLM", base),
        Candidate("MiniLM bf16", "bi-encoder", "MiniLM", encoder("bf16", precision="bf16")),
        Candidate("MiniLM f32", "bi-encoder", "MiniLM", encoder("f32", precision="f32")),
        Candidate("MiniLM 128", "bi-encoder", "MiniLM 128", base, part=slice(128)),
        Candidate("MiniLM 64", "bi-encoder", "MiniLM 64", base, part=slice(64)),
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
        Candidate("WordLlama 64", "static encoder", "WordLlama 64", table, part=slice(64)),
    ]  # fmt: skip
    if work == "search":
        found.append(Candidate("BM25", "words", "BM25"))
        found.append(Candidate("MiniLM with BM25", "hybrid", "hybrid", base))
    for name in ("sts-minilm", "intent"):
        model = models / f"cross-encoder-{name}"
        if not model.is_dir():
            continue
        opened = ScorerSystem(StoredScorer(model, folder / f"{name}.json"), name)
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

    def rows(where: Array, most: int) -> Array:
        return np.sort(random.permutation(np.flatnonzero(where))[:most])

    def columns(path: str) -> dict[str, Array]:
        return {k: np.array(v, object) for k, v in read_table(data / path).columns.items()}

    found: dict[str, tuple[str, Task]] = {}

    def texts(
        name: str, work: str, table: dict[str, Array], where: Array, label: str, most: int
    ) -> None:
        at = rows(where, most)
        names, gold = np.unique(table[label][at].astype(str), return_inverse=True)
        kind: Any = "groups" if work == "cluster" else "classes"
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
        at = rows(where, PAIRS)
        both = list(
            zip(table["sentence1"][at].tolist(), table["sentence2"][at].tolist(), strict=True)
        )
        gold = table[target][at].astype(float)
        kind: Any = "similarity" if target == "score" else "pairs"
        task = PairTask(kind, name, both, gold if target == "score" else gold.astype(int))
        found[f"{name} (pairs)"] = ("pairs", task)

    sts = columns("sts/stsb.parquet")
    pairs("STS-B", sts, sts["split"] == "test", "score")
    sick = columns("sts/sick.parquet")
    pairs("SICK", sick, np.full(len(sick["score"]), True), "score")
    more = columns("sts/sts12_14_16.parquet")
    for name in ("STS16",):
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
        judged = dict(list(judged.items())[:QUERIES])
        needed = {d for each in judged.values() for d in each}
        others = random.permutation(sorted(set(text_of) - needed)).tolist()
        documents = sorted([*needed, *others[: max(0, DOCUMENTS - len(needed))]], reverse=True)
        place = {d: i for i, d in enumerate(documents)}
        found[f"{name} (search)"] = ("search", RetrievalTask(
            name, [query_of[q] for q in judged], [text_of[d] for d in documents],
            [{place[d]: grade for d, grade in each.items()} for each in judged.values()],
        ))  # fmt: skip
    return found


def measured(
    all_sets: dict[str, tuple[str, Task]], pools: dict[str, list[Candidate]], folder: Path
) -> dict[str, dict[str, Measurement]]:
    """The main figure of every candidate on every set; answers are kept in a file."""
    file = folder / "answers.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    answers: dict[str, dict[str, Measurement]] = {}
    for name, (work, task) in all_sets.items():
        answers[name] = {}
        empty = next(iter(task.measure(NOTHING).values()))
        for candidate in pools[work]:
            values = kept.setdefault(name, {}).get(candidate.name)
            if values is None:
                measurement = next(iter(task.measure(candidate.system).values()))
                kept[name][candidate.name] = np.asarray(measurement.values).tolist()
                file.write_text(json.dumps(kept))
                values = kept[name][candidate.name]
                print(f"# {name}: {candidate.name} {measurement.value:.3f}", flush=True)
            answers[name][candidate.name] = replace(empty, values=np.array(values), details=None)
    return answers


# ---- Choosing: draws of labelled items against what all items say. ----


def labelled(work: str, few: bool) -> int:
    """How many labelled items: of search, queries."""
    return (25 if few else 50) if work == "search" else (50 if few else 500)


def some(measurement: Measurement, rows: Array) -> Measurement:
    """The answers to some items."""
    gold = tuple(each[rows] for each in measurement.gold)
    return replace(measurement, values=measurement.values[rows], gold=gold)


def selection(
    work: str, task: Task, pool: list[Candidate], state: Round, prior: Prior | None, labels: int
) -> Selection:
    """What `select` would make of measurements, at 100,000 texts."""
    sample = Sample(work, "", task.subset(np.arange(labels)), task.texts(), [])  # type: ignore[arg-type]
    speeds = {each.name: speed_of(each) for each in pool}
    return Selection(sample, Scale(100_000), pool, state, prior, speeds, {})


def speed_of(candidate: Candidate) -> Speed:
    """Seconds of the order that `select` measures on two cores of a server."""
    rates = {"int8": 1500, "bf16": 900, "f32": 450, "3 layers": 1800, "2 layers": 2500}
    text = 1 / next((rate for name, rate in rates.items() if name in candidate.name), 1500)
    if candidate.kind == "static encoder":
        text = 1 / 20_000
    if candidate.kind in ("words", "cross-encoder"):
        text = 0.0
    pair = 1 / 800 if candidate.open_scorer else 0.0
    return Speed(text, pair, 1e-9, 0.005, 0.01, 0, candidate.size or 384)


HOWS = ("by labels", "with the prior", "the cheapest equal", "as select chooses")


def choice(
    all_sets: dict[str, tuple[str, Task]],
    answers: dict[str, dict[str, Measurement]],
    pools: dict[str, list[Candidate]],
    priors: dict[str, Prior],
    draws: int,
    fews: Sequence[bool],
) -> None:
    """Points lost to the best, and the share of draws within one, from many and few labels."""
    for few in fews:
        print(f"\n### From {'few' if few else 'many'} labels: points lost, share within one\n")
        print(f"| set | items | best | {' | '.join(HOWS)} | equals | best among them |")
        print("|---" * 9 + "|")
        totals: dict[str, list[list[float]]] = {}
        for name, (work, task) in all_sets.items():
            full, pool = answers[name], pools[work]
            truth = {each: measurement.value for each, measurement in full.items()}
            families = {each.name: each.family for each in pool}
            count = min(labelled(work, few), len(task))
            best = max(truth, key=lambda each: truth[each])
            lost: dict[str, list[float]] = {how: [] for how in HOWS}
            sizes, holds = [], []
            for seed in range(draws if few or work != "classify" else 5):
                rows = np.sort(np.random.default_rng(seed).permutation(len(task))[:count])
                state = Round(
                    measured={
                        each.name: drawn(work, full[each.name], rows, few, task, each)
                        for each in pool
                    }
                )
                values = {each: m.value for each, m in state.measured.items()}
                scores = combined(values, priors.get(name), count, families)
                result = selection(work, task, pool, state, priors.get(name), count)
                picks = (
                    max(values, key=lambda each: values[each]),
                    max(scores, key=lambda each: scores[each]),
                    result.equals[0],
                    result.choice,
                )
                for how, pick in zip(HOWS, picks, strict=True):
                    lost[how].append(truth[best] - truth[pick])
                equal = {families[each] for each in result.equals}
                sizes.append(len(equal))
                holds.append(families[best] in equal)
            shares = [float(np.mean(np.array(lost[how]) <= 0.01)) for how in HOWS]
            cells = [
                f"{100 * np.mean(lost[how]):.1f}, {share:.2f}"
                for how, share in zip(HOWS, shares, strict=True)
            ]
            line = [
                name,
                str(count),
                best,
                *cells,
                f"{np.mean(sizes):.1f}",
                f"{np.mean(holds):.2f}",
            ]
            print("| " + " | ".join(line) + " |", flush=True)
            totals.setdefault(work, []).append([*shares, float(np.mean(holds))])
        print(f"\n| work | {' | '.join(HOWS)} | best among the equals |\n|---|---|---|---|---|---|")
        for work, values_ in totals.items():
            print(f"| {work} | " + " | ".join(f"{v:.2f}" for v in np.mean(values_, axis=0)) + " |")


def drawn(
    work: str, full: Measurement, rows: Array, few: bool, task: Task, candidate: Candidate
) -> Measurement:
    """What is measured on some items: the same answers, but classes are learned of these alone."""
    if work != "classify":
        return some(full, rows)
    part: Any = task.subset(rows)
    if few:
        vectors = candidate.system.vectors(part.items)
        return Measurement("Brier", np.mean, leave_one_out(vectors, part.gold))
    measurement: Measurement = next(iter(part.measure(candidate.system).values()))
    return measurement


def leave_one_out(vectors: Array, gold: Array) -> Array:
    """Minus the squared error of ridge regression on each text, left out: float (n,)."""
    x = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
    y = (gold[:, None] == np.unique(gold)).astype(np.float64)
    gram = x @ x.T
    hat = gram @ np.linalg.inv(gram + 0.3 * np.eye(len(x)))
    errors = (y - hat @ y) / np.maximum(1 - np.diag(hat), 1e-9)[:, None]
    return np.asarray(-np.square(errors).sum(axis=1))


# ---- Without labels. ----

WEAK = ("2 layers", "3 layers", "WordLlama 64", "WordLlama 256", "max-pooled", "MiniLM 64",
        "cls-pooled")  # fmt: skip


def judged(
    all_sets: dict[str, tuple[str, Task]], pools: dict[str, list[Candidate]]
) -> tuple[dict[str, Prior], dict[str, Prior]]:
    """The fixed jury's order on every set; and that of one good and seven weak candidates, each of
    which has a vote and is left out of its own jury.
    """
    fixed, majority = {}, {}
    for name, (work, task) in all_sets.items():
        texts = task.documents if isinstance(task, RetrievalTask) else task.texts()
        material = Material(Sample(work, name, task, list(texts), []))  # type: ignore[arg-type]
        by_name = {each.name: each for each in pools[work]}
        words: Any = Words() if work == "search" else EncoderSystem(LatentWords(material.texts))
        jury = {
            "default": by_name["MiniLM int8"].system,
            "static": by_name["WordLlama 256"].system,
            "words": words,
        }
        votes = {role: material.evidence(system) for role, system in jury.items()}
        evidence = {
            each: material.evidence(candidate.system)
            for each, candidate in by_name.items()
            if not candidate.open_scorer
        }
        fixed[name] = judge(work, evidence, votes)  # type: ignore[arg-type]
        mixed = ["MiniLM int8", *(each for each in WEAK if each in evidence)]
        values = {}
        for each in mixed:
            others = [evidence[other] for other in mixed if other != each]
            values[each] = AGREEMENT[work](others, [1.0] * len(others))(evidence[each])
        majority[name] = Prior(work, values, tuple(mixed))  # type: ignore[arg-type]
        print(f"# judged {name}", flush=True)
    return fixed, majority


def tau(values: dict[str, float], truth: dict[str, float], names: Sequence[str]) -> float:
    """Kendall's tau over pairs of candidates more than a point apart; NaN without any."""
    signs = [
        np.sign((values[a] - values[b]) * (truth[a] - truth[b]))
        for i, a in enumerate(names)
        for b in names[:i]
        if abs(truth[a] - truth[b]) > 0.01
    ]
    return float(np.mean(signs)) if signs else float("nan")


def without_labels(
    all_sets: dict[str, tuple[str, Task]],
    answers: dict[str, dict[str, Measurement]],
    pools: dict[str, list[Candidate]],
    fixed: dict[str, Prior],
    majority: dict[str, Prior],
) -> None:
    """How right the jury's order is."""
    print("\n### Without labels: tau1, and points lost\n")
    print("| set | tau1 | lost | lost by always taking the default | one good, seven weak: tau1 by "
          "the jury | by their own votes |\n|---|---|---|---|---|---|")  # fmt: skip
    means: dict[str, list[list[float]]] = {}
    for name, (work, _) in all_sets.items():
        truth = {each: m.value for each, m in answers[name].items()}
        values = dict(fixed[name].values)
        family = {each.family: each.name for each in reversed(pools[work]) if each.name in values}
        names = list(family.values())
        best = max(truth.values())
        mixed = list(majority[name].values)
        line = [
            tau(values, truth, names),
            100 * (best - truth[max(names, key=lambda each: values[each])]),
            100 * (best - truth["MiniLM int8"]),
            tau(values, truth, mixed),
            tau(dict(majority[name].values), truth, mixed),
        ]
        means.setdefault(work, []).append(line)
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in line) + " |")
    for work, lines in means.items():
        mean = " | ".join(f"{v:.2f}" for v in np.nanmean(lines, axis=0))
        print(f"| **{work}**, worst tau1 {np.nanmin([each[0] for each in lines]):.2f} | {mean} |")


# ---- Are the intervals honest? ----


def coverage(
    all_sets: dict[str, tuple[str, Task]], answers: dict[str, dict[str, Measurement]], draws: int
) -> None:
    """How often 95 % intervals hold the whole set's figure.

    V depends on how many texts there are: there it is the mean figure of samples of that size.
    """
    print("\n### How often a 95 % interval holds the whole set's figure\n")
    print("| work | items | share |\n|---|---|---|")
    for work in WORKS:
        for few in (True, False):
            held = []
            for name, (other, task) in all_sets.items():
                for each in ("MiniLM int8", "WordLlama 256", "2 layers") if other == work else ():
                    full = answers[name][each]
                    count, random = labelled(work, few), np.random.default_rng(0)
                    samples = [some(full, random.integers(0, len(task), count)) for _ in range(400)]
                    truth = full.value
                    if work == "cluster":
                        truth = float(np.mean([sample.value for sample in samples]))
                    for sample in samples[:draws]:
                        interval = sample.interval()
                        held.append(interval.low <= truth <= interval.high)
            if held:
                print(f"| {work} | {labelled(work, few)} | {np.mean(held):.3f} |", flush=True)


# ---- What it saves. ----


def saving(
    all_sets: dict[str, tuple[str, Task]],
    answers: dict[str, dict[str, Measurement]],
    pools: dict[str, list[Candidate]],
) -> None:
    """The words that transformers read in the rounds, against every candidate reading everything.

    Words, not seconds: they are the same on a busy machine.
    """
    print("\n### Words read against measuring every candidate on everything\n")
    print("| set | share of the words | measured on all | points lost |\n|---|---|---|---|")
    shares: dict[str, list[float]] = {}
    for name, (work, task) in all_sets.items():
        order = np.random.default_rng(0).permutation(len(task))
        last: dict[str, int] = {}
        measure = partial(_measure, answers[name], order, last)
        costs = {
            each.name: projected(each, work, speed_of(each), Scale(100_000)).seconds
            for each in pools[work]
        }
        families = {each.name: each.family for each in pools[work]}
        may_stop = not isinstance(task, RetrievalTask)
        state = eliminate(list(costs), measure, len(task), costs, families, may_stop)
        everything = dict.fromkeys(last, len(task))
        share = _words(task, pools[work], order, last, POOLED) / _words(
            task, pools[work], order, everything, {}
        )
        result = selection(work, task, pools[work], state, None, len(task))
        truth = {each: m.value for each, m in answers[name].items()}
        complete = [*last.values()].count(len(task))
        lost = 100 * (max(truth.values()) - truth[result.choice])
        shares.setdefault(work, []).append(share)
        print(f"| {name} | {share:.2f} | {complete} of {len(last)} | {lost:.1f} |", flush=True)
    for work, values in shares.items():
        print(f"| **{work}** | {np.mean(values):.2f} | | |")


POOLED = {"cls-pooled": "pooled", "max-pooled": "pooled"}
"""Poolings of a regular transformer are of one pass over the texts."""


def _words(
    task: Task, pool: list[Candidate], order: Array, last: dict[str, int], readers: dict[str, str]
) -> int:
    """Words that transformers read to answer so many items each; sizes share one reading."""
    items: dict[str, int] = {}
    for each in pool:
        if each.open_encoder and each.kind != "static encoder":
            stands_on = "MiniLM int8" if each.size or each.kind in ("hybrid", "cascade") else ""
            reader = readers.get(each.name) or stands_on or each.name
            items[reader] = max(items.get(reader, 0), last[each.name])
    words = 0
    for count in items.values():
        answered = part_of(task, np.sort(order[:count]))
        words += sum(len(text.split()) for text in answered.texts())
    for each in pool:
        if each.open_scorer:
            part: Any = part_of(task, np.sort(order[: last[each.name]]))
            if isinstance(part, RetrievalTask):
                document = np.mean([len(text.split()) for text in part.documents])
                query = np.mean([len(text.split()) for text in part.queries])
                words += int(len(part) * RERANKED * (query + document))
            else:
                words += sum(len(text.split()) for pair in part.pairs for text in pair)
    return words


def _measure(
    answers: dict[str, Measurement], order: Array, last: dict[str, int], each: str, items: int
) -> Measurement:
    last[each] = items
    return some(answers[each], np.sort(order[:items]))


# ---- What it predicts. ----


def predictions(sizes: Sequence[int]) -> None:
    """The cost model beside real runs: encoding, clustering."""
    from sememe import cluster
    from texts import many_texts

    print("\n### The cost model beside real runs\n")
    print("| work | texts | predicted s | real s | ratio |\n|---|---|---|---|---|")
    encoder = BiEncoder(MODEL, precision="int8")
    candidate = Candidate("int8", "bi-encoder", "", lambda: EncoderSystem(encoder))
    texts = list(dict.fromkeys(many_texts(max(sizes))))
    speed = measured_speed(candidate, "cluster", texts[:2000], {})
    for size in sizes:
        some_texts = texts[:size]
        count = len(some_texts)
        started = time.perf_counter()
        vectors = encoder.encode(some_texts, progress=False)
        encoded = time.perf_counter()
        cluster(some_texts, encoder, vectors=vectors, progress=False)
        clustered = time.perf_counter()
        guess = speed.encoding(count)
        real = encoded - started
        print(f"| encode | {count:,} | {guess:.1f} | {real:.1f} | {guess / real:.2f} |", flush=True)
        guess = speed.clustering(count, default_partitions(count)) - guess
        real = clustered - encoded
        print(
            f"| cluster | {count:,} | {guess:.1f} | {real:.1f} | {guess / real:.2f} |", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, default=Path("/tmp/vec-f"))
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--only", nargs="+", help="sets, by their names in the tables")
    parser.add_argument("--skip", nargs="+", default=[], help="candidates")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--parts", nargs="+", default=["few", "many", "prior", "coverage", "time", "cost"]
    )
    options = parser.parse_args()
    if "cost" in options.parts:
        predictions(options.sizes)
    if options.parts == ["cost"]:
        raise SystemExit
    every_set = sets(options.data)
    every_set = {
        name: each for name, each in every_set.items() if name in (options.only or every_set)
    }
    models = options.data.parent / "models"
    pools = {
        work: [c for c in candidates(work, options.vectors, models) if c.name not in options.skip]
        for work in WORKS
    }
    answers = measured(every_set, pools, options.vectors)
    fixed, majority = judged(every_set, pools)
    if "prior" in options.parts:
        without_labels(every_set, answers, pools, fixed, majority)
    if "coverage" in options.parts:
        coverage(every_set, answers, options.draws)
    if "time" in options.parts:
        saving(every_set, answers, pools)
    fews = [few for few, name in ((True, "few"), (False, "many")) if name in options.parts]
    choice(every_set, answers, pools, fixed, options.draws, fews)

"""What distilling is worth: students by their teacher, judged on gold labels, side by side.

    python benchmarks/distillation.py --data DIR --models DIR --only PART ...
                                      [--keep DIR] [--seeds 0 1] [--most N]

About how long each part takes for one seed on two idle cores that have int8 products (estimated):
layers         10 min  three of all-MiniLM-L6-v2's six layers, taught by texts of the domains that
                       are measured; most of it is --budget
foreign        10 min  the same, taught by texts of other domains alone
static          8 min  tables of tokens from both kinds of texts, beside model2vec.distill,
                       WordLlama and, some 30 min more, Tokenlearn of the same texts
clinc, banking  9, 6   cross-encoder-intent teaches from texts of intents that it was not trained on
                       (held_intents.json), without their labels; average precision among 15
                       neighbours and over all pairs of the test split's texts of those intents, and
                       their clusters
sts             9 min  cross-encoder-sts-minilm teaches from STS-B's train sentences, without scores
speed           1 min  three layers beside six, and a static table, sentences a second
time           20 min  10,000 texts and a cross-encoder, 20 pairs a text, from start to verdict
mining          4 min  hard negatives beside sentence-transformers' mine_hard_negatives: time and
                       memory
mining-large    9 min  100,000 queries on a million passages: memory
layers, foreign and static are measured by STS-B test and SICK-R (Spearman), Banking77 (accuracy of
a logistic regression, C = 10) and SciFact (nDCG@10), all x 100, with 95 % intervals over
the examples; they say nothing of other seeds, which --seeds adds as further rows.
--keep is where students are kept: what is there is measured again, and not distilled again.
--most N takes no more than N rows of a file, evenly, to try a part: its figures mean nothing.
docs/data.md says where the data come from; no text of a test set teaches.
"""

import argparse
import json
import os
import platform
import re
import resource
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sememe
from cascade import Sample
from distillation_measures import (
    FIGURES,
    Data,
    cosines,
    distilled,
    drawn,
    fields,
    four,
    plain,
    row,
    scifact,
    shown,
    sure,
    table,
    unlabelled,
)
from distillation_static import static_students
from sememe.cascade.scores import Reader
from sememe.checkpoint import DEFAULT_MODEL
from sememe.costs import Budget
from sememe.errors import InputError
from sememe.evaluation.intervals import Interval
from sememe.evaluation.metrics import average_precision, spearman
from sememe.neighbors import nearest

_NEIGHBORS = 15


def closed_share(now: Interval, start: Interval, goal: Interval) -> str:
    """How much of the gap to the teacher is closed, x 100; "no gap" where it is not ahead."""
    gap = goal.value - start.value
    return f"{100 * (now.value - start.value) / gap:.0f}" if gap > 0 else "no gap"


def speed(encoder: Any, texts: list[str]) -> float:
    """Sentences a second, the best of three rounds."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        encoder.encode(texts, progress=False)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def layers(options: argparse.Namespace, *, foreign: bool) -> None:
    data, kind = options.data, "foreign" if foreign else "mixed"
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision=options.precision)
    table("model", *FIGURES)
    reference = four(plain(teacher), data)
    fields(f"teacher, {teacher.precision}", reference, reference)
    for seed in options.seeds:
        folder = distilled(
            options, f"layers-{kind}-{seed}", partial(unlabelled, data, foreign=foreign),
            teacher=teacher, layers=3, budget=options.budget, seed=seed,
        )  # fmt: skip
        student = sememe.BiEncoder(folder, precision=options.precision)
        figures = four(plain(student), data)
        fields(f"3 layers, {kind} texts, seed {seed}, {student.precision}", figures, reference)
        mixed = scifact(plain(student), plain(teacher), data)
        print(f"<!-- SciFact, questions by it, documents by the teacher: {shown(mixed)} -->")
    print()


def unseen(options: argparse.Namespace, name: str, split: str) -> tuple[list[str], list[str]]:
    """Texts of the intents that the cross-encoder was not trained on, and these intents."""
    key = "clinc" if name == "clinc150" else "banking"
    file = options.models / "cross-encoder-intent/held_intents.json"
    known = {*json.loads(file.read_text(encoding="utf-8"))[key], "oos"}
    labelled = Data(options.data.folder, 10**9).columns(f"intent/{name}.parquet", split=split)
    rows: dict[str, str] = {}
    counts: dict[str, int] = {}
    for text, intent in zip(labelled["text"], labelled["label"], strict=True):
        if intent not in known and text not in rows and counts.get(intent, 0) < options.per_intent:
            rows[text] = intent
            counts[intent] = counts.get(intent, 0) + 1
    most = options.data.most
    return [*rows][:most], [*rows.values()][:most]


def intents(options: argparse.Namespace, name: str) -> None:
    cross = sememe.CrossEncoder(options.models / "cross-encoder-intent")
    before = sememe.BiEncoder(DEFAULT_MODEL)
    texts, labels = unseen(options, name, "test")
    sample = Sample(texts, labels, before)
    near = nearest(sample.vectors, _NEIGHBORS).indices
    rows = np.repeat(np.arange(len(texts)), _NEIGHBORS), near.ravel().astype(np.int64)
    same = sample.gold[rows[0]] == sample.gold[rows[1]]

    def among_neighbors(values: Any) -> tuple[Interval, Interval]:
        """Average precision over all pairs together, and the mean over the texts'."""
        each = [
            average_precision(value, right)
            for value, right in zip(
                values.reshape(-1, _NEIGHBORS), same.reshape(-1, _NEIGHBORS), strict=True
            )
            if 0 < right.sum() < _NEIGHBORS
        ]
        return sure(average_precision, values, same), sure(np.mean, each)

    goal = among_neighbors(Reader(cross, texts, Budget(), len(same), False).read(*rows))
    print(
        f"{len(texts):,} texts of {len(set(labels))} intents. Teacher, among {_NEIGHBORS} "
        f"neighbours: {shown(goal[0])}, mean over texts {shown(goal[1])}\n"
    )
    table(
        "model", f"AP of {_NEIGHBORS} neighbours", "gap closed %", "mean over texts",
        "gap closed %", "AP of all pairs", "AMI", "ARI", "AMI, none given", "ARI, none given",
    )  # fmt: skip
    first: tuple[Interval, Interval] | None = None
    hows = [(how, seed) for how in ("map", "tune") for seed in options.seeds]
    for how, seed in [("before", 0), *hows]:
        encoder = before
        if how != "before":
            folder = distilled(
                options, f"{name}-{how}-{seed}", lambda: unseen(options, name, "train")[0],
                teacher=cross, student=before, how=how, seed=seed,
                budget=options.pairs if how == "tune" else "3n",
            )  # fmt: skip
            encoder = sememe.BiEncoder(folder)
        taught = Sample(texts, labels, encoder)
        figures = taught.alone()
        reached = among_neighbors((taught.vectors[rows[0]] * taught.vectors[rows[1]]).sum(1))
        first = first or reached
        closed = [closed_share(*each) for each in zip(reached, first, goal, strict=True)]
        row(
            how if how == "before" else f"{how}, seed {seed}", shown(reached[0]), closed[0],
            shown(reached[1]), closed[1], *(figures[place] for place in (6, 2, 1, 4, 3)),
        )  # fmt: skip
    print()


def similarity(options: argparse.Namespace) -> None:
    cross, data = sememe.CrossEncoder(options.models / "cross-encoder-sts-minilm"), options.data
    before = sememe.BiEncoder(DEFAULT_MODEL)
    first, second, gold = data.pairs("stsb")
    dev, train = (data.columns("sts/stsb.parquet", split=split) for split in ("dev", "train"))
    tested = {*first, *second, *dev["sentence1"], *dev["sentence2"]}
    texts = drawn([*train["sentence1"], *train["sentence2"]], 20_000, tested)
    scores = cross.score(list(zip(first, second, strict=True)), progress=False)
    goal, start = (
        sure(spearman, scores, gold),
        sure(spearman, cosines(plain(before), first, second), gold),
    )
    print(f"{len(texts):,} texts, {len(gold):,} test pairs\n")
    table("model", "STS-B test", "gap closed %")
    row("teacher", shown(goal), 100)
    row("before", shown(start), 0)
    labelled: dict[str, list[Any]] = {name: dev[name] for name in ("sentence1", "sentence2")}
    labelled["score"] = [float(score) for score in dev["score"]]
    for how, seed in [(how, seed) for how in ("map", "tune") for seed in options.seeds]:
        try:
            folder = distilled(
                options, f"stsb-{how}-{seed}", lambda: texts, teacher=cross, student=before,
                how=how, dev=labelled, budget=options.pairs if how == "tune" else "3n", seed=seed,
            )  # fmt: skip
        except InputError as error:
            row(f"{how}, seed {seed}", f"none: {error}", "")
            continue
        reached = sure(spearman, cosines(plain(sememe.BiEncoder(folder)), first, second), gold)
        row(f"{how}, seed {seed}", shown(reached), closed_share(reached, start, goal))
    print()


def speeds(options: argparse.Namespace) -> None:
    """Of students that learned for a moment: what they learned does not change their speed."""
    texts = [*options.data.pairs("sick")[0]][:6000]
    lessons = lambda: unlabelled(options.data, foreign=True)[:1000]  # noqa: E731
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision=options.precision)
    three = distilled(options, "speed-layers", lessons, teacher=teacher, layers=3, budget="5s")
    static = distilled(options, "speed-static", lessons, teacher=teacher, how="static")
    students = {
        f"6 layers, {teacher.precision}": teacher,
        f"3 layers, {teacher.precision}": sememe.BiEncoder(three, precision=options.precision),
        "static": sememe.BiEncoder(static),
    }
    print(f"{len(texts):,} sentences of SICK-R, the best of three rounds\n")
    table("model", "sentences/s", "times the teacher")
    rates = {name: speed(student, texts) for name, student in students.items()}
    for name, rate in rates.items():
        row(name, f"{rate:,.0f}", rate / next(iter(rates.values())))
    print()


def duration(options: argparse.Namespace) -> None:
    """From start to verdict, nothing scored before."""
    texts = unseen(options, "clinc150", "train")[0] + unseen(options, "banking77", "train")[0]
    texts = list(dict.fromkeys(texts))[:10_000]

    class Fresh(sememe.CrossEncoder):
        """A cross-encoder whose scores are not in the cache."""

        fingerprint = f"timed {time.time()}"

    cross = Fresh(options.models / "cross-encoder-intent")
    table("how", "texts", "pairs a text", "seconds")
    for how, pairs in (("map", "3n"), ("tune", "20n")):
        folder = options.keep / f"timed-{how}-{int(time.time())}"
        began = time.perf_counter()
        sememe.distill(texts, folder, teacher=cross, how=how, budget=pairs, progress=False)
        row(how, len(texts), pairs, time.perf_counter() - began)
    print()


class Vectors:
    """Random vectors in an encoder's place, so that mining alone is measured.

    Those of n texts begin those of more, so that each query is its answer's.
    """

    def encode(self, texts: list[str]) -> Any:
        return np.random.default_rng(0).standard_normal((len(texts), 384), np.float32)


def mining(queries: int, passages: int) -> None:
    texts = [f"passage {i}" for i in range(passages)]
    pairs = {"anchor": [f"query {i}" for i in range(queries)], "positive": texts[:queries]}

    def measured(name: str, mine: Callable[[], Any]) -> None:
        began = time.perf_counter()
        mine()
        seconds = time.perf_counter() - began
        gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        row(name, f"{queries:,}", f"{passages:,}", seconds, gigabytes)

    table("by", "queries", "passages", "seconds", "peak until then, GiB")
    measured(
        "sememe",
        lambda: sememe.mine_negatives(pairs, texts, Vectors(), margin=0, same=None, progress=False),
    )
    if passages == queries:
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

        options: Any = {"range_max": 100, "num_negatives": 1, "use_faiss": False, "verbose": False}
        measured(
            "sentence-transformers",
            lambda: mine_hard_negatives(
                Dataset.from_dict(pairs), TheirVectors(), corpus=texts, **options
            ),
        )
    print()


class TheirVectors(Vectors):
    """The same in the place of a SentenceTransformer."""

    similarity_fn_name, device = "dot", "cpu"

    def encode(self, texts: list[str], **_: Any) -> Any:
        import torch

        return torch.from_numpy(super().encode(list(texts)))

    encode_query = encode_document = encode

    def similarity(self, one: Any, other: Any) -> Any:
        return one @ other.T

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        return (one * other).sum(-1)

    def start_multi_process_pool(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def machine() -> str:
    """The processor's name, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else []
    return f"{(names or [platform.processor()])[0]}, {len(os.sched_getaffinity(0))} cores"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--keep", type=Path, default=Path("distilled"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--budget", default="6min", help="of training from vectors")
    parser.add_argument("--pairs", default="10n", help="that a cross-encoder reads to tune")
    parser.add_argument("--per-intent", type=int, default=10**6, help="texts of each, at the most")
    parser.add_argument("--queries", type=int, default=100_000, help="of mining")
    parser.add_argument("--precision", default="int8", help="of layers, static and speed")
    parser.add_argument("--most", type=int, default=10**9, help="rows of a file")
    options = parser.parse_args()
    options.data = Data(options.data, options.most)
    warnings.simplefilter("ignore")
    for part in options.only:
        print(f"## {part}: {machine()}\n", flush=True)
        PARTS[part](options)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "layers": lambda options: layers(options, foreign=False),
    "foreign": lambda options: layers(options, foreign=True),
    "static": static_students,
    "clinc": lambda options: intents(options, "clinc150"),
    "banking": lambda options: intents(options, "banking77"),
    "sts": similarity,
    "speed": speeds,
    "time": duration,
    "mining": lambda options: mining(options.queries, options.queries),
    "mining-large": lambda options: mining(options.queries, 10 * options.queries),
}

if __name__ == "__main__":
    main()

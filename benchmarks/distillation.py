"""What distilling is worth: students by their teacher, judged on gold labels, side by side.

    python benchmarks/distillation.py --data DIR --models DIR --only PART ...
                                      [--keep DIR] [--seeds 0 1] [--most N]

About how long each part takes for one seed on two idle cores that have int8 products (estimated):
layers         10 min  three of all-MiniLM-L6-v2's six layers, taught by texts of the domains that
                       are measured; most of it is --budget
foreign        10 min  the same, taught by texts of other domains alone
static          8 min  tables of tokens from both kinds of texts, beside model2vec.distill and
                       WordLlama
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sememe
from cascade import Sample
from sememe.cascade.scores import Reader
from sememe.checkpoint import DEFAULT_MODEL
from sememe.costs import Budget
from sememe.errors import InputError, SememeError
from sememe.evaluation.intervals import Interval, interval
from sememe.evaluation.metrics import average_precision, spearman
from sememe.neighbors import nearest, normalized
from sememe.tables import read_table

Encode = Callable[[list[str]], Any]

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_RESAMPLES = 500
_NEIGHBORS = 15


@dataclass(frozen=True)
class Data:
    """The files, of each no more than so many rows, evenly between."""

    folder: Path
    most: int

    def columns(self, file: str, **where: str) -> dict[str, list[str]]:
        """A file's columns as texts, of the rows where some columns have these values."""
        table = read_table(self.folder / file).columns
        rows = [
            row
            for row in range(len(next(iter(table.values()))))
            if all(table[name][row] == value for name, value in where.items())
        ]
        rows = rows[:: -(-len(rows) // self.most) or 1]
        return {name: [str(values[row]) for row in rows] for name, values in table.items()}

    def pairs(self, name: str) -> tuple[list[str], list[str], Any]:
        """Sentences and gold scores of STS-B test or SICK-R."""
        where = {"split": "test"} if name == "stsb" else {}
        table = self.columns(f"sts/{name}.parquet", **where)
        return table["sentence1"], table["sentence2"], np.array(table["score"], float)


def drawn(texts: Iterable[str], count: int, tested: set[str]) -> list[str]:
    """Different texts, drawn at random, without those of the tests."""
    different = [text for text in dict.fromkeys(texts) if text.strip() and text not in tested]
    order = np.random.default_rng(0).permutation(len(different))[:count]
    return [different[row] for row in order]


def unlabelled(data: Data, *, foreign: bool) -> list[str]:
    """About 90,000 texts; foreign ones are not of banks, assistants or science."""
    tested = {
        text for name in ("stsb", "sick") for column in data.pairs(name)[:2] for text in column
    }
    tested |= {*data.columns("intent/banking77.parquet", split="test")["text"]}
    captions = data.columns("train/caption_triplets_100k.parquet")
    nli = data.columns("nli/nli_pairs.parquet")
    parts = [
        ([*captions["anchor"], *captions["positive"]], 30_000),
        ([*nli["premise"], *nli["hypothesis"]], 20_000),
        (data.columns("retrieval/wikiqa_rerank.parquet")["answer"], 12_000),
    ]
    if foreign:
        questions = data.columns("pairs/qqp_dev.parquet")
        news = data.columns("clustering/short_text.parquet", dataset="GoogleNews-TS")["text"]
        parts += [([*questions["sentence1"], *questions["sentence2"]], 15_000), (news, 10_000)]
    else:
        corpus = data.columns("retrieval/scifact/corpus.parquet")
        sentences = [s for text in corpus["text"] for s in _SENTENCE.split(text)]
        clinc, banking = (
            data.columns(f"intent/{name}.parquet", split="train")["text"]
            for name in ("clinc150", "banking77")
        )
        parts += [(clinc, 12_000), (banking, 10_000), ([*corpus["title"], *sentences], 20_000)]
    return list(dict.fromkeys(text for part, count in parts for text in drawn(part, count, tested)))


def cosines(encode: Encode, first: list[str], second: list[str]) -> Any:
    one, other = (normalized(encode(texts)) for texts in (first, second))
    return (one * other).sum(1)


def sure(statistic: Callable[..., Any], *arrays: Any) -> Interval:
    """A figure with its 95 % interval."""
    return interval(statistic, *arrays, resamples=_RESAMPLES)


def shown(figure: Interval) -> str:
    """A figure x 100, and its interval."""
    return f"{100 * figure.value:.2f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"


def closed_share(now: Interval, start: Interval, goal: Interval) -> str:
    """How much of the gap to the teacher is closed, x 100; "no gap" where it is not ahead."""
    gap = goal.value - start.value
    return f"{100 * (now.value - start.value) / gap:.0f}" if gap > 0 else "no gap"


def four(encode: Encode, data: Data) -> list[Interval]:
    """STS-B, SICK-R, Banking77 and SciFact."""
    from sklearn.linear_model import LogisticRegression

    figures = []
    for name in ("stsb", "sick"):
        first, second, gold = data.pairs(name)
        figures.append(sure(spearman, cosines(encode, first, second), gold))
    train, test = (data.columns("intent/banking77.parquet", split=s) for s in ("train", "test"))
    classifier = LogisticRegression(C=10, max_iter=1000)
    classifier.fit(normalized(encode(train["text"])), train["label"])
    labels = classifier.predict(normalized(encode(test["text"])))
    figures.append(sure(np.mean, (labels == np.array(test["label"])).astype(float)))
    return [*figures, scifact(encode, encode, data)]


def scifact(encode_queries: Encode, encode_documents: Encode, data: Data) -> Interval:
    """nDCG@10."""
    full = Data(data.folder, 10**9)
    corpus, queries = (
        full.columns(f"retrieval/scifact/{name}.parquet") for name in ("corpus", "queries")
    )
    qrels = full.columns("retrieval/scifact/qrels.parquet", split="test")
    text_of = dict(zip(queries["query_id"], queries["text"], strict=True))
    relevant: dict[str, set[str]] = {}
    for query, document, score in zip(
        qrels["query_id"], qrels["doc_id"], qrels["score"], strict=True
    ):
        if float(score) > 0 and (query in relevant or len(relevant) < data.most):
            relevant.setdefault(query, set()).add(document)
    needed = {document for documents in relevant.values() for document in documents}
    rows = [i for i, name in enumerate(corpus["doc_id"]) if i < data.most or name in needed]
    names = [corpus["doc_id"][row] for row in rows]
    texts = [f"{corpus['title'][row]} {corpus['text'][row]}" for row in rows]
    asked = normalized(encode_queries([text_of[query] for query in relevant]))
    best = nearest(normalized(encode_documents(texts)), 10, queries=asked).indices
    gains = 1 / np.log2(np.arange(2, 12))
    values = []
    for query, places in zip(relevant, best, strict=True):
        hits = np.array([names[place] in relevant[query] for place in places])
        values.append((hits * gains).sum() / gains[: len(relevant[query])].sum())
    return sure(np.mean, values)


def speed(encoder: Any, texts: list[str]) -> float:
    """Sentences a second, the best of three rounds."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        encoder.encode(texts, progress=False)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def table(*heads: str) -> None:
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|", flush=True)


def row(*cells: Any) -> None:
    texts = [f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {' | '.join(texts)} |", flush=True)


def fields(name: str, figures: Sequence[Interval], teacher: Sequence[Interval]) -> None:
    """The row of a model that is measured by four figures."""
    values, goals = ([each.value for each in part] for part in (figures, teacher))
    shares = [100 * value / goal for value, goal in zip(values, goals, strict=True)]
    mean = float(np.mean(values))
    share = f"{100 * mean / float(np.mean(goals)):.1f}"
    row(name, *map(shown, figures), 100 * mean, share, f"{min(shares):.1f}")


def plain(encoder: Any) -> Encode:
    return lambda texts: np.asarray(encoder.encode(list(texts), progress=False), np.float32)


def distilled(
    options: argparse.Namespace, name: str, texts: Callable[[], list[str]], **settings: Any
) -> Path:
    """A student's folder, distilled now or by an earlier call."""
    folder: Path = options.keep / name
    if not folder.is_dir():
        began, sentences = time.perf_counter(), texts()
        outcome = sememe.distill(sentences, folder, progress=False, **settings)
        seconds = time.perf_counter() - began
        print(
            f"<!-- {name}: {len(sentences):,} texts, {seconds:.0f} s. {outcome.verdict} -->",
            flush=True,
        )
    return folder


_FOUR = ("model", "STS-B", "SICK-R", "Banking77", "SciFact", "mean", "% of the teacher", "least %")


def layers(options: argparse.Namespace, *, foreign: bool) -> None:
    data, kind = options.data, "foreign" if foreign else "mixed"
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision=options.precision)
    table(*_FOUR)
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


def tables(options: argparse.Namespace) -> None:
    """Static students of mixed and of foreign texts, beside those of others."""
    data = options.data
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision=options.precision)
    table(*_FOUR)
    reference = four(plain(teacher), data)
    fields(f"teacher, {teacher.precision}", reference, reference)
    theirs = options.keep / "model2vec"
    students = {"model2vec.distill": theirs, "WordLlama 256": Path("wordllama")}
    try:
        from model2vec.distill import distill as their_distill

        if not theirs.is_dir():
            their_distill(str(teacher._checkpoint.directory), device="cpu").save_pretrained(theirs)
    except ImportError as error:
        print(f"<!-- model2vec.distill is left out: {error} -->")
        del students["model2vec.distill"]
    for kind in ("mixed", "foreign"):
        for seed in options.seeds:
            students[f"sememe, {kind} texts, seed {seed}"] = distilled(
                options, f"static-{kind}-{seed}",
                partial(unlabelled, data, foreign=kind == "foreign"),
                teacher=teacher, how="static", seed=seed,
            )  # fmt: skip
    for name, folder in students.items():
        try:
            student = sememe.StaticEncoder(folder)
        except SememeError as error:
            print(f"<!-- {name} is left out: {error} -->")
            continue
        fields(name, four(plain(student), data), reference)
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
    """Random vectors in an encoder's place, so that mining alone is measured."""

    def encode(self, texts: list[str]) -> Any:
        random = np.random.default_rng(len(texts))
        return random.normal(size=(len(texts), 384)).astype(np.float32)


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
    "static": tables,
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

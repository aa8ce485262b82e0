"""What distilling is worth: students by their teacher, judged on gold labels, side by side.

    python benchmarks/distillation.py --data DIR --models DIR --only PART ... [--keep DIR]
    PART: layers, foreign, static, sts, clinc, banking, mine, mine-large

layers, foreign: three of all-MiniLM-L6-v2's six layers, taught by texts of the domains that are
measured, or by texts of others alone; STS-B test and SICK-R (Spearman), Banking77 (accuracy of a
logistic regression, C = 10), SciFact (nDCG@10), all x 100, and sentences a second.
static: tables of tokens from the same texts, beside model2vec.distill and WordLlama.
sts: cross-encoder-sts-minilm teaches from STS-B's train sentences, without their scores.
clinc, banking: cross-encoder-intent teaches from texts of intents that it was not trained on
(held_intents.json), without their labels; precision among 15 neighbours and over all pairs of the
test split's texts of those intents, and their clusters.
mine, mine-large: hard negatives beside sentence-transformers' mine_hard_negatives: time, and the
memory of 100,000 queries on a million passages.
`--keep` is where students are kept: what is there is measured again, and not distilled again.
docs/data.md says where the data come from; no text of a test set teaches.
"""

import argparse
import json
import re
import resource
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import sememe
from cascade import Sample
from sememe.cascade.scores import Reader
from sememe.checkpoint import DEFAULT_MODEL
from sememe.costs import Budget
from sememe.evaluation.metrics import average_precision
from sememe.neighbors import nearest, normalized
from sememe.tables import read_table

Encode = Callable[[list[str]], Any]

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def columns(file: Path, **where: str) -> dict[str, list[str]]:
    """A file's columns as texts, of the rows where some columns have these values."""
    table = read_table(file).columns
    rows = [
        row
        for row in range(len(next(iter(table.values()))))
        if all(table[name][row] == value for name, value in where.items())
    ]
    return {name: [str(values[row]) for row in rows] for name, values in table.items()}


def drawn(texts: Iterable[str], count: int, tested: set[str]) -> list[str]:
    """Different texts, drawn at random, without those of the tests."""
    different = [text for text in dict.fromkeys(texts) if text.strip() and text not in tested]
    order = np.random.default_rng(0).permutation(len(different))[:count]
    return [different[row] for row in order]


def unlabelled(data: Path, *, foreign: bool) -> list[str]:
    """About 90,000 texts; foreign ones are not of banks, assistants or science."""
    stsb, sick = (
        columns(data / "sts/stsb.parquet", split="test"),
        columns(data / "sts/sick.parquet"),
    )
    tested = {*stsb["sentence1"], *stsb["sentence2"], *sick["sentence1"], *sick["sentence2"]}
    tested |= {*columns(data / "intent/banking77.parquet", split="test")["text"]}
    captions = columns(data / "train/caption_triplets_100k.parquet")
    nli = columns(data / "nli/nli_pairs.parquet")
    parts = [
        drawn([*captions["anchor"], *captions["positive"]], 30_000, tested),
        drawn([*nli["premise"], *nli["hypothesis"]], 20_000, tested),
        drawn(columns(data / "retrieval/wikiqa_rerank.parquet")["answer"], 12_000, tested),
    ]
    if foreign:
        questions = columns(data / "pairs/qqp_dev.parquet")
        news = columns(data / "clustering/short_text.parquet", dataset="GoogleNews-TS")["text"]
        parts += [
            drawn([*questions["sentence1"], *questions["sentence2"]], 15_000, tested),
            drawn(news, 10_000, tested),
        ]
    else:
        scifact = columns(data / "retrieval/scifact/corpus.parquet")
        sentences = [s for text in scifact["text"] for s in _SENTENCE.split(text)]
        parts += [
            drawn(columns(data / "intent/clinc150.parquet", split="train")["text"], 12_000, tested),
            drawn(
                columns(data / "intent/banking77.parquet", split="train")["text"], 10_000, tested
            ),
            drawn([*scifact["title"], *sentences], 20_000, tested),
        ]
    return list(dict.fromkeys(text for part in parts for text in part))


def cosines(encode: Encode, first: list[str], second: list[str]) -> Any:
    one, other = (normalized(encode(texts)) for texts in (first, second))
    return (one * other).sum(1)


def four(encode: Encode, data: Path) -> list[float]:
    """STS-B, SICK-R, Banking77 and SciFact, each x 100."""
    from sklearn.linear_model import LogisticRegression

    figures = []
    for table in (
        columns(data / "sts/stsb.parquet", split="test"),
        columns(data / "sts/sick.parquet"),
    ):
        gold = np.array(table["score"], float)
        figures.append(spearmanr(cosines(encode, table["sentence1"], table["sentence2"]), gold)[0])
    train, test = (columns(data / "intent/banking77.parquet", split=s) for s in ("train", "test"))
    classifier = LogisticRegression(C=10, max_iter=1000).fit(
        normalized(encode(train["text"])), train["label"]
    )
    figures.append(classifier.score(normalized(encode(test["text"])), test["label"]))
    figures.append(scifact(encode, encode, data))
    return [100 * float(figure) for figure in figures]


def scifact(encode_queries: Encode, encode_documents: Encode, data: Path) -> float:
    """nDCG@10."""
    corpus, queries = (
        columns(data / f"retrieval/scifact/{name}.parquet") for name in ("corpus", "queries")
    )
    qrels = columns(data / "retrieval/scifact/qrels.parquet", split="test")
    relevant: dict[str, set[str]] = {}
    for query, document, score in zip(
        qrels["query_id"], qrels["doc_id"], qrels["score"], strict=True
    ):
        if float(score) > 0:
            relevant.setdefault(query, set()).add(document)
    text_of = dict(zip(queries["query_id"], queries["text"], strict=True))
    documents = normalized(
        encode_documents(
            [f"{title} {text}" for title, text in zip(corpus["title"], corpus["text"], strict=True)]
        )
    )
    found = nearest(
        documents, 10, queries=normalized(encode_queries([text_of[q] for q in relevant]))
    ).indices
    gains = 1 / np.log2(np.arange(2, 12))
    values = []
    for query, places in zip(relevant, found, strict=True):
        hits = np.array([corpus["doc_id"][place] in relevant[query] for place in places])
        values.append((hits * gains).sum() / gains[: len(relevant[query])].sum())
    return float(np.mean(values))


def speed(encoder: Any, texts: list[str]) -> float:
    """Sentences a second, the best of three rounds."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        encoder.encode(texts, progress=False)
        seconds.append(time.perf_counter() - began)
    return len(texts) / min(seconds)


def row(name: str, values: Iterable[float], *further: str) -> None:
    cells = [f"{value:.2f}" for value in values]
    print(f"| {name} | {' | '.join([*cells, *further])} |", flush=True)


def fields(
    name: str, figures: list[float], teacher: list[float], encoder: Any, texts: list[str]
) -> None:
    shares = [100 * one / other for one, other in zip(figures, teacher, strict=True)]
    mean = np.mean(figures)
    row(
        name,
        [*figures, float(mean)],
        f"{100 * mean / np.mean(teacher):.1f}",
        f"{min(shares):.1f}",
        f"{speed(encoder, texts):,.0f}",
    )


def plain(encoder: Any) -> Encode:
    return lambda texts: np.asarray(encoder.encode(list(texts), progress=False), np.float32)


def distilled(
    options: argparse.Namespace, name: str, texts: Callable[[], list[str]], **settings: Any
) -> Path:
    """A student's folder, distilled now or by an earlier call."""
    folder: Path = options.keep / name
    if not folder.is_dir():
        began = time.perf_counter()
        outcome = sememe.distill(texts(), folder, progress=False, **settings)
        print(
            f"<!-- {name}: {time.perf_counter() - began:.0f} s. {outcome.verdict} -->", flush=True
        )
    return folder


_FOUR = (
    "| model | STS-B | SICK-R | Banking77 | SciFact | mean | % of the teacher | least % | "
    "sentences/s |\n|---|---|---|---|---|---|---|---|---|"
)


def layers(options: argparse.Namespace, *, foreign: bool) -> None:
    name = "layers-foreign" if foreign else "layers-mix"
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision="int8")
    folder = distilled(
        options,
        name,
        lambda: unlabelled(options.data, foreign=foreign),
        teacher=teacher,
        layers=3,
        budget=options.budget,
    )
    texts = columns(options.data / "sts/sick.parquet")["sentence1"][:6000]
    print(_FOUR)
    reference = four(plain(teacher), options.data)
    fields("teacher, int8", reference, reference, teacher, texts)
    student = sememe.BiEncoder(folder, precision="int8")
    fields(
        f"3 layers, {'foreign' if foreign else 'mixed'} texts, int8",
        four(plain(student), options.data),
        reference,
        student,
        texts,
    )
    mixed = scifact(plain(student), plain(teacher), options.data)
    print(f"\nSciFact, questions by the student and documents by the teacher: {100 * mixed:.2f}\n")


def tables(options: argparse.Namespace) -> None:
    """Static students of mixed and of foreign texts, beside those of others."""
    from model2vec.distill import distill as their_distill

    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision="int8")
    texts = columns(options.data / "sts/sick.parquet")["sentence1"][:6000]
    print(_FOUR)
    reference = four(plain(teacher), options.data)
    fields("teacher, int8", reference, reference, teacher, texts)
    theirs = options.keep / "model2vec"
    if not theirs.is_dir():
        their_distill(str(teacher._checkpoint.directory), device="cpu").save_pretrained(theirs)
    students = {"model2vec.distill": theirs, "WordLlama 256": Path("wordllama")}
    for name, foreign in (("mixed", False), ("foreign", True)):
        texts_of = partial(unlabelled, options.data, foreign=foreign)
        students[f"sememe, {name} texts"] = distilled(
            options, f"static-{name}", texts_of, teacher=teacher, how="static"
        )
    for name, folder in students.items():
        try:
            student = sememe.StaticEncoder(folder)
        except sememe.errors.SememeError as error:
            print(f"<!-- {name} is left out: {error} -->")
            continue
        fields(name, four(plain(student), options.data), reference, student, texts)
    print()


def unseen(options: argparse.Namespace, name: str, split: str) -> tuple[list[str], list[str]]:
    """Texts of the intents that the cross-encoder was not trained on, and these intents."""
    key = "clinc" if name == "clinc150" else "banking"
    file = options.models / "cross-encoder-intent/held_intents.json"
    known = {*json.loads(file.read_text(encoding="utf-8"))[key], "oos"}
    table = columns(options.data / f"intent/{name}.parquet", split=split)
    rows: dict[str, str] = {}
    counts: dict[str, int] = {}
    for text, intent in zip(table["text"], table["label"], strict=True):
        if intent not in known and text not in rows and counts.get(intent, 0) < options.per_intent:
            rows[text] = intent
            counts[intent] = counts.get(intent, 0) + 1
    return [*rows], [*rows.values()]


def intents(options: argparse.Namespace, name: str) -> None:
    cross = sememe.CrossEncoder(options.models / "cross-encoder-intent")
    before = sememe.BiEncoder(DEFAULT_MODEL)
    texts, labels = unseen(options, name, "test")
    sample = Sample(texts, labels, before)
    neighbors = nearest(sample.vectors, 15).indices
    rows = np.repeat(np.arange(len(texts)), 15), neighbors.ravel().astype(np.int64)
    same = sample.gold[rows[0]] == sample.gold[rows[1]]
    scores = Reader(cross, texts, Budget(), len(same), False).read(*rows)

    def among_neighbors(values: Any) -> tuple[float, float]:
        """Average precision over all pairs together, and the mean over the texts'."""
        each = [
            average_precision(value, right)
            for value, right in zip(values.reshape(-1, 15), same.reshape(-1, 15), strict=True)
            if 0 < right.sum() < 15
        ]
        return 100 * average_precision(values, same), 100 * float(np.mean(each))

    goal = among_neighbors(scores)
    print(
        f"{len(texts):,} texts of {len(set(labels))} intents. Teacher, among 15 neighbours: "
        f"{goal[0]:.2f}, mean over texts {goal[1]:.2f}\n"
    )
    print(
        "| model | AP of 15 neighbours | gap closed % | mean over texts | gap closed % | AP of all "
        "pairs | AMI | ARI | AMI, none given | ARI, none given |\n" + "|---" * 10 + "|"
    )
    first: tuple[float, float] | None = None
    for how in ("before", "map", "tune"):
        encoder = before
        if how != "before":
            encoder = sememe.BiEncoder(
                distilled(
                    options,
                    f"{name}-{how}",
                    lambda: unseen(options, name, "train")[0],
                    teacher=cross,
                    student=before,
                    how=how,
                    budget=options.pairs if how == "tune" else "3n",
                )
            )
        taught = Sample(texts, labels, encoder)
        figures = taught.alone()
        near = among_neighbors((taught.vectors[rows[0]] * taught.vectors[rows[1]]).sum(1))
        first = first or near
        closed = [
            100 * (now - start) / (end - start)
            for now, start, end in zip(near, first, goal, strict=True)
        ]
        row(
            how, [near[0], closed[0], near[1], closed[1], figures[6], figures[2], figures[1],
                  figures[4], figures[3]],
        )  # fmt: skip
    print()


def similarity(options: argparse.Namespace) -> None:
    cross = sememe.CrossEncoder(options.models / "cross-encoder-sts-minilm")
    before = sememe.BiEncoder(DEFAULT_MODEL)
    test = columns(options.data / "sts/stsb.parquet", split="test")
    dev = columns(options.data / "sts/stsb.parquet", split="dev")
    train = columns(options.data / "sts/stsb.parquet", split="train")
    tested = {*test["sentence1"], *test["sentence2"], *dev["sentence1"], *dev["sentence2"]}
    texts = drawn([*train["sentence1"], *train["sentence2"]], 20_000, tested)
    gold = np.array(test["score"], float)
    pairs = list(zip(test["sentence1"], test["sentence2"], strict=True))
    goal = 100 * spearmanr(cross.score(pairs, progress=False), gold)[0]
    print(f"{len(texts):,} texts\n\n| model | STS-B test | gap closed % |\n|---|---|---|")
    row("teacher", [goal, 100])
    start = 100 * spearmanr(cosines(plain(before), test["sentence1"], test["sentence2"]), gold)[0]
    row("before", [start, 0])
    labelled: dict[str, list[Any]] = {name: dev[name] for name in ("sentence1", "sentence2")}
    labelled["score"] = [float(score) for score in dev["score"]]
    for how in ("map", "tune"):
        try:
            folder = distilled(
                options, f"stsb-{how}", lambda: texts, teacher=cross, student=before, how=how,
                dev=labelled, budget=options.pairs if how == "tune" else "3n",
            )  # fmt: skip
        except sememe.errors.InputError as error:
            print(f"| {how} | {error} | |")
            continue
        encode = plain(sememe.BiEncoder(folder))
        value = 100 * spearmanr(cosines(encode, test["sentence1"], test["sentence2"]), gold)[0]
        row(how, [value, 100 * (value - start) / (goal - start)])
    print()


class Vectors:
    """Random vectors in an encoder's place, so that mining alone is measured."""

    def encode(self, texts: list[str]) -> Any:
        random = np.random.default_rng(len(texts))
        return random.normal(size=(len(texts), 384)).astype(np.float32)


def mining(queries: int, passages: int) -> None:
    texts = [f"passage {i}" for i in range(passages)]
    pairs = {"anchor": [f"query {i}" for i in range(queries)], "positive": texts[:queries]}
    began = time.perf_counter()
    sememe.mine_negatives(pairs, texts, Vectors(), margin=0, same=None, progress=False)
    seconds = time.perf_counter() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("| by | queries | passages | seconds | peak, GiB |\n|---|---|---|---|---|")
    row("sememe", [queries, passages, seconds, gigabytes])
    if passages > queries:
        print()
        return
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    began = time.perf_counter()
    model = TheirVectors()
    mine_hard_negatives(
        Dataset.from_dict(pairs), model, corpus=texts, range_max=100, num_negatives=1,
        use_faiss=False, verbose=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row("sentence-transformers", [queries, passages, seconds, gigabytes])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--keep", type=Path, default=Path("distilled"))
    parser.add_argument("--budget", default="10min", help="of training from vectors")
    parser.add_argument("--pairs", default="20n", help="that a cross-encoder reads to tune")
    parser.add_argument("--per-intent", type=int, default=10**6, help="texts of each, at the most")
    parser.add_argument("--queries", type=int, default=100_000, help="of mining")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for part in options.only:
        print(f"## {part}\n", flush=True)
        PARTS[part](options)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "layers": lambda options: layers(options, foreign=False),
    "foreign": lambda options: layers(options, foreign=True),
    "static": tables,
    "clinc": lambda options: intents(options, "clinc150"),
    "banking": lambda options: intents(options, "banking77"),
    "sts": similarity,
    "mine": lambda options: mining(options.queries, options.queries),
    "mine-large": lambda options: mining(options.queries, 10 * options.queries),
}

if __name__ == "__main__":
    main()

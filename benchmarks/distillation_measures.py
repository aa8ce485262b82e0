"""What the benchmarks of distilling share: texts that teach, and the four figures that judge."""

import argparse
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sememe
from sememe.evaluation.intervals import Interval, interval
from sememe.evaluation.metrics import spearman
from sememe.neighbors import nearest, normalized
from sememe.tables import read_table

Encode = Callable[[list[str]], Any]

FIGURES = ("STS-B", "SICK-R", "Banking77", "SciFact", "mean", "% of the teacher", "least %")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_RESAMPLES = 500


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

"""Does it pay to subtract the mean vector? Pairs, search and probes, with intervals.

    python benchmarks/centring.py --data DIR [--models M ...] [--only pairs|few|search|probes]

DIR is laid out as docs/data.md says. Vectors are encoded once and kept in a temporary folder. Every
line compares the same vectors as they are (scaled to length 1) and centred (less the mean vector,
then scaled to length 1 again). `pairs`: average precision of "the same label" over all pairs of
1,000 texts, 40 random samples of a set, with the middle 95 % of their differences; of labelled
pairs, with a bootstrap over the pairs, and F1 at the threshold that find_pairs suggests. `few`: the
same on three sets with the mean of
fewer texts. `search`: nDCG@10, documents and queries less the documents' mean. `probes`: accuracy
of a logistic regression on 1,000 texts. Bootstraps draw 2,000 times.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe import BiEncoder
from sememe.classification.training import fit_probe
from sememe.evaluation.intervals import Comparison, paired_test
from sememe.evaluation.metrics import average_precision
from sememe.neighbors import normalized
from sememe.pairs.search import suggest_threshold
from sememe.tables import read_table

Floats = NDArray[np.float32]
Labelled = tuple[str, list[str], NDArray[np.intp]]

_SAMPLES, _SAMPLE, _MOST, _LEARNED = 40, 1000, 5000, 1000


def vectors(model: str, texts: Sequence[str]) -> Floats:
    """Unit vectors, kept between runs."""
    key = hashlib.sha256("\0".join([model, *texts]).encode()).hexdigest()[:16]
    file = Path(tempfile.gettempdir()) / "sememe-centring" / f"{key}.npy"
    if not file.exists():
        pooling = "mean" if Path(model).is_dir() else None
        file.parent.mkdir(exist_ok=True)
        np.save(file, normalized(BiEncoder(model, pooling=pooling).encode(texts)))
    return np.asarray(np.load(file))


def centred(rows: Floats, mean: Floats | None = None) -> Floats:
    return normalized(rows - (rows.mean(axis=0) if mean is None else mean))


def columns(data: Path, file: str, **equal: str) -> dict[str, list[Any]]:
    """The columns of a file, of the rows that have these values."""
    table = read_table(data / f"{file}.parquet")
    keep = [i for i in range(len(table)) if all(table.columns[k][i] == v for k, v in equal.items())]
    return {name: list(values) for name, values in table.take(keep).columns.items()}


def label_sets(data: Path) -> Iterator[Labelled]:
    """Different texts, and the number of each one's label."""
    sources = {
        "CLINC150": ("intent/clinc150", {"split": "test"}),
        "Banking77": ("intent/banking77", {"split": "test"}),
        "TREC": ("classification/mr_sst2_trec", {"dataset": "TREC", "split": "train"}),
        "SearchSnippets": ("clustering/short_text", {"dataset": "SearchSnippets"}),
        "Biomedical": ("clustering/short_text", {"dataset": "Biomedical"}),
        "GoogleNews-TS": ("clustering/short_text", {"dataset": "GoogleNews-TS"}),
    }
    for name, (file, equal) in sources.items():
        table = columns(data, file, **equal)
        order = np.random.default_rng(0).permutation(len(table["text"]))[:_MOST]
        labels = {str(table["text"][i]): str(table["label"][i]) for i in order}
        yield name, list(labels), np.unique(list(labels.values()), return_inverse=True)[1]


def pair_sets(data: Path) -> Iterator[tuple[str, list[str], NDArray[np.intp], NDArray[np.bool_]]]:
    """Different texts, the two rows of each labelled pair, and whether they mean the same."""
    for name, file in (("QQP", "qqp_dev"), ("Twitter URLs", "twitter_url_train")):
        table = {key: values[:10_000] for key, values in columns(data, f"pairs/{file}").items()}
        texts = list(dict.fromkeys(map(str, [*table["sentence1"], *table["sentence2"]])))
        row = {text: i for i, text in enumerate(texts)}
        ends = [[row[str(text)] for text in table[f"sentence{side}"]] for side in (1, 2)]
        yield name, texts, np.array(ends), np.array(table["label"]) == 1


def percent_ap(scores: Floats, same: NDArray[Any]) -> float:
    return 100 * average_precision(scores, same)


def all_pairs(rows: Floats, same: NDArray[np.bool_]) -> float:
    return percent_ap((rows @ rows.T)[np.tri(len(rows), k=-1, dtype=bool)], same)


def cosines(rows: Floats, ends: NDArray[np.intp]) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", rows[ends[0]], rows[ends[1]]))


def shown(task: str, name: str, raw: float, test: Comparison) -> None:
    interval = f"{test.difference:+.2f} ({test.low:+.2f} to {test.high:+.2f})"
    print(f"| {task} | {name} | {raw:.2f} | {raw + test.difference:.2f} | {interval} |", flush=True)


def sampled(rows: Floats, labels: NDArray[np.intp], mean: Floats) -> tuple[float, Comparison]:
    """Over all pairs of samples: the mean without centring, and what centring changes."""
    random, figures = np.random.default_rng(0), []
    for _ in range(_SAMPLES):
        sample = random.choice(len(rows), _SAMPLE, replace=False)
        same = labels[sample][:, None] == labels[sample]
        same = same[np.tri(_SAMPLE, k=-1, dtype=bool)]
        figures.append([all_pairs(each[sample], same) for each in (rows, centred(rows, mean))])
    return summary(figures)


def summary(figures: list[list[float]]) -> tuple[float, Comparison]:
    """The mean without centring, and of the differences the mean and the middle 95 %."""
    raw, moved = np.array(figures).T
    low, high = np.percentile(moved - raw, [2.5, 97.5])
    return float(raw.mean()), Comparison(float(np.mean(moved - raw)), low, high, np.nan)


def duplicates(
    rows: Floats, ends: NDArray[np.intp], same: NDArray[np.bool_]
) -> tuple[float, Comparison]:
    """As `sampled`, of the texts of 500 labelled pairs; unlabelled pairs are different."""
    random, figures, moved_rows = np.random.default_rng(0), [], centred(rows)
    for _ in range(_SAMPLES):
        pairs = random.choice(len(same), _SAMPLE // 2, replace=False)
        texts, places = np.unique(ends[:, pairs], return_inverse=True)
        first, second = places.reshape(2, -1)
        table = np.zeros((len(texts), len(texts)), bool)
        table[np.maximum(first, second)[same[pairs]], np.minimum(first, second)[same[pairs]]] = True
        gold = table[np.tri(len(texts), k=-1, dtype=bool)]
        figures.append([all_pairs(each[texts], gold) for each in (rows, moved_rows)])
    return summary(figures)


def f1(rows: Floats, ends: NDArray[np.intp], same: NDArray[np.bool_]) -> tuple[float, float]:
    """At the threshold that is suggested, and at the best one."""
    scores = cosines(rows, ends)

    def at(threshold: float) -> float:
        over = scores >= threshold
        return 200 * float((over & same).sum()) / float(over.sum() + same.sum())

    return at(suggest_threshold(rows)[0]), max(map(at, np.arange(0.1, 1, 0.01)))


def report_pairs(model: str, data: Path) -> None:
    for name, texts, labels in label_sets(data):
        rows = vectors(model, texts)
        shown("AP, all pairs", name, *sampled(rows, labels, rows.mean(axis=0)))
    for name, texts, ends, same in pair_sets(data):
        rows = vectors(model, texts)
        raw, moved = cosines(rows, ends), cosines(centred(rows), ends)
        test = paired_test(percent_ap, moved, raw, same, resamples=500)
        shown("AP, labelled pairs", name, percent_ap(raw, same), test)
        shown("AP, duplicates among all", name, *duplicates(rows, ends, same))
        for which, before, after in zip(
            ("suggested", "best"), f1(rows, ends, same), f1(centred(rows), ends, same), strict=True
        ):
            print(f"| F1, {which} threshold | {name} | {before:.1f} | {after:.1f} | |", flush=True)


def report_few(model: str, data: Path) -> None:
    """The mean of n other texts of the set, in place of that of all."""
    for name, texts, labels in islice(label_sets(data), 3):
        rows = vectors(model, texts)
        order = np.random.default_rng(1).permutation(len(rows))
        for count in (5, 20, 100):
            mean = rows[order[:count]].mean(axis=0)
            shown(f"AP, mean of {count}", name, *sampled(rows, labels, mean))


def ndcg(scores: Floats, relevant: NDArray[np.bool_]) -> float:
    gains = 1 / np.log2(np.arange(2, 12))
    best = np.argsort(-scores, kind="stable")[:10]
    return 100 * float(gains[relevant[best]].sum() / gains[: min(10, relevant.sum())].sum())


def report_search(model: str, data: Path) -> None:
    test = {"split": "test"}
    for name in ("scifact", "cranfield"):
        corpus, queries, qrels = (
            columns(data, f"retrieval/{name}/{part}", **equal)
            for part, equal in (("corpus", {}), ("queries", test), ("qrels", test))
        )
        number = {document: i for i, document in enumerate(corpus["doc_id"])}
        text_of = dict(zip(queries["query_id"], queries["text"], strict=True))
        answers: dict[Any, list[int]] = {}
        for query, document in zip(qrels["query_id"], qrels["doc_id"], strict=True):
            answers.setdefault(query, []).append(number[document])
        texts = [" ".join(parts) for parts in zip(corpus["title"], corpus["text"], strict=True)]
        documents = vectors(model, texts)
        questions = vectors(model, [text_of[query] for query in answers])
        mean = documents.mean(axis=0)
        figures = []
        for docs, asks in (
            (documents, questions),
            (centred(documents), centred(questions, mean)),
        ):
            relevant = np.zeros((len(asks), len(docs)), bool)
            for row, rows in enumerate(answers.values()):
                relevant[row, rows] = True
            figures.append(list(map(ndcg, asks @ docs.T, relevant)))
        shown("nDCG@10", name, float(np.mean(figures[0])), paired_test(np.mean, *figures[::-1]))


def report_probes(model: str, data: Path) -> None:
    for name, file, equal in (
        ("Banking77", "intent/banking77", {}),
        ("MR", "classification/mr_sst2_trec", {"dataset": "MR"}),
        ("SST2", "classification/mr_sst2_trec", {"dataset": "SST2"}),
        ("TREC", "classification/mr_sst2_trec", {"dataset": "TREC"}),
    ):
        table = columns(data, file, **equal)
        split = np.array(table["split"])
        test, train = split == "test", split == "train"
        if not test.any():
            test = np.random.default_rng(0).random(len(split)) < 0.3
            train = ~test
        gold = np.unique(list(map(str, table["label"])), return_inverse=True)[1].astype(np.int32)
        rows = vectors(model, list(map(str, table["text"])))
        learned = np.flatnonzero(train)
        learned = np.random.default_rng(1).permutation(learned)[:_LEARNED]
        correct = []
        for each in (rows, centred(rows, rows[learned].mean(axis=0))):
            weight, bias, _ = fit_probe(each[learned], gold[learned])
            label = (each[test] @ weight.T + bias).argmax(axis=1)
            correct.append(100.0 * (label == gold[test]))
        shown("accuracy", name, correct[0].mean(), paired_test(np.mean, *correct[::-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["all-MiniLM-L6-v2", "wordllama"])
    parser.add_argument("--only", choices=list(_REPORTS))
    options = parser.parse_args()
    for model in options.models:
        print(f"\n{model}\n\n| | set | as it is | centred | difference |\n|---|---|---|---|---|")
        for name, report in _REPORTS.items():
            if options.only in (None, name):
                report(model, options.data)


_REPORTS = {
    "pairs": report_pairs,
    "few": report_few,
    "search": report_search,
    "probes": report_probes,
}

if __name__ == "__main__":
    main()

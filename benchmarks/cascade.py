"""The cascade beside the bi-encoder, the graph rescored in full, and its nearest edges rescored.

    python benchmarks/cascade.py --data DIR --models DIR [--sets clinc150 ...] [--split train]
                                 [--samples 5] [--size 2000] [--budget 3n]
                                 [--fast | --plot SVG | --pairs | --labels | --time N ...]

Of CLINC150 and Banking77 only the intents that the cross-encoder was not trained on
(held_intents.json). SearchSnippets and Biomedical have a cross-encoder that was made for similarity
and doesn't fit them; so it should change nothing. `--size 0` takes whole sets. V, ARI and AMI x 100
with the number of clusters given, then ARI, AMI and how many were found with nothing given; of
differences the 95 % t-interval over the subsamples. AP: of "same label" over all pairs, x 100.
`--plot`: AMI for budgets of 0.5n to 8n, as a table and a drawing, with the gain's intervals.
`--pairs`: labelled duplicates, with 100 labels. `--labels`: what some labelled texts say of a map
of weight 0.4, and how often its interval is clear of 0. `--time`: from vectors to clusters, without
reading. Scores are cached (SEMEME_CACHE), so that a second run is quick. What is missing is named
and left out.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit
from scipy.stats import t as student
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    average_precision_score,
    v_measure_score,
)

import sememe
from sememe.cascade import Cascade, teach
from sememe.cascade.edges import Edges, Values, standardized
from sememe.cascade.flow import Lesson
from sememe.cascade.labelled import signal_weights
from sememe.cascade.labels import Evidence, Gain, Labels
from sememe.cascade.linear import Space, fit
from sememe.cascade.scores import Reader
from sememe.cascade.trust import RESOLUTIONS, logistic, weight_of_map
from sememe.clustering.resolution import best_grain
from sememe.costs import Budget
from sememe.neighbors import Neighbors, normalized, self_join
from sememe.neighbors import communities as by
from sememe.tables import read_table

Floats = NDArray[np.float32]
Figures = dict[float, list[tuple[float, float]]]

_SETS = {
    "clinc150": ("intent/clinc150.parquet", "cross-encoder-intent", "clinc"),
    "banking77": ("intent/banking77.parquet", "cross-encoder-intent", "banking"),
    "SearchSnippets": ("clustering/short_text.parquet", "cross-encoder-sts-minilm", ""),
    "Biomedical": ("clustering/short_text.parquet", "cross-encoder-sts-minilm", ""),
    "GoogleNews-TS": ("clustering/short_text.parquet", "cross-encoder-sts-minilm", ""),
}
_BUDGETS = ("0.5n", "1n", "2n", "3n", "4.5n", "6n", "8n")
_COLUMNS = ("V", "ARI", "AMI", "ARI*", "AMI*", "found", "AP", "pairs/n")
_LABELLED, _LABELS, _DRAWS = 5000, 100, 40
_RHO, _LABEL_DRAWS = 0.4, 10
_MOST_AP_TEXTS = 4000  # all pairs of more would not fit


class Sample:
    """Texts with their gold labels, vectors, neighbours and the graph of these."""

    def __init__(self, texts: list[str], labels: Sequence[str], encoder: sememe.BiEncoder) -> None:
        self.texts = texts
        self.gold = np.unique(labels, return_inverse=True)[1]
        self.vectors = normalized(encoder.encode(texts, progress=False))
        self.neighbors = self_join(self.vectors, by.neighborhood_size(len(texts)))
        self.graph = by.neighbor_graph(self.neighbors)

    def measured(
        self, vectors: Floats, neighbors: Neighbors, graph: sparse.csr_matrix, pairs: int = 0
    ) -> list[float]:
        """A row of the table."""
        smooth = by.smoothed(vectors, graph)
        given = by.exactly(int(self.gold.max()) + 1, graph, smooth)
        found = best_grain(vectors, neighbors, graph, smooth=smooth)[0].labels
        return [
            100 * v_measure_score(self.gold, given),
            100 * adjusted_rand_score(self.gold, given),
            100 * adjusted_mutual_info_score(self.gold, given),
            100 * adjusted_rand_score(self.gold, found),
            100 * adjusted_mutual_info_score(self.gold, found),
            float(found.max()) + 1,
            self.all_pairs_precision(vectors),
            pairs / len(self.texts),
        ]

    def all_pairs_precision(self, vectors: Floats) -> float:
        if len(vectors) > _MOST_AP_TEXTS:
            return float("nan")
        first, second = np.triu_indices(len(vectors), 1)
        same = self.gold[first] == self.gold[second]
        return 100 * float(average_precision_score(same, (vectors @ vectors.T)[first, second]))

    def alone(self) -> list[float]:
        return self.measured(self.vectors, self.neighbors, self.graph)

    def centered(self) -> list[float]:
        row = self.alone()
        row[6] = self.all_pairs_precision(Space(self.vectors).points)
        return row

    def rescored(self, cross: sememe.CrossEncoder, budget: str = "") -> list[float]:
        """All edges weighed by the cross-encoder, or the nearest ones within a budget alone."""
        edges = Edges.between(self.neighbors)
        if budget:
            cosine = edges.products(self.vectors, self.vectors)
            count = min(len(edges), Budget.parse(budget).count(len(self.texts)))
            edges = edges[np.argsort(-cosine, kind="stable")]
        else:
            count = len(edges)
        reader = Reader(cross, self.texts, Budget(), count, False)
        logits = reader.read(edges.first[:count], edges.second[:count])
        # Edges that nobody read weigh as much as those that were read do on average.
        weights = np.full(len(edges), expit(logits).mean())
        weights[:count] = expit(logits)
        matrix = sparse.csr_matrix((weights, (edges.first, edges.second)), self.graph.shape)
        graph = (matrix + matrix.T).multiply(self.graph).tocsr().astype(np.float32)
        return self.measured(self.vectors, self.neighbors, graph, count)

    def taught(self, cross: Any, budget: str) -> tuple[Cascade, list[float]]:
        cascade = teach(self.texts, self.vectors, self.neighbors, cross, budget, progress=False)
        graph = by.neighbor_graph(cascade.neighbors, cascade.weights)
        row = self.measured(cascade.vectors, cascade.neighbors, graph, cascade.report.pairs)
        return cascade, row


class Shuffled:
    """The scores of a cross-encoder, each on another pair: no cross-encoder at all."""

    def __init__(self, cross: sememe.CrossEncoder) -> None:
        self._cross = cross

    def score(self, pairs: Sequence[tuple[str, str]], *, raw: bool = True) -> Floats:
        scores = self._cross.score(pairs, raw=raw, progress=False)
        return np.random.default_rng(0).permutation(scores)


def rows_of(name: str, data: Path, models: Path, split: str) -> tuple[list[str], list[str]]:
    file, model, key = _SETS[name]
    columns = read_table(data / file).columns
    trained_on = set()
    if key:
        held = (models / model / "held_intents.json").read_text(encoding="utf-8")
        trained_on = {*json.loads(held)[key], "oos"}
    kind = columns["split" if key else "dataset"]
    rows = {
        str(text): str(label)
        for text, label, of in zip(columns["text"], columns["label"], kind, strict=True)
        if of == (split if key else name) and label not in trained_on
    }
    return list(rows), list(rows.values())


def samples(
    texts: list[str], labels: list[str], count: int, size: int, encoder: sememe.BiEncoder
) -> Iterator[Sample]:
    if not 0 < size < len(texts):
        yield Sample(texts, labels, encoder)
        return
    for seed in range(count):
        rows = np.sort(np.random.default_rng(seed).choice(len(texts), size, replace=False))
        yield Sample([texts[row] for row in rows], [labels[row] for row in rows], encoder)


def shown(name: str, rows: list[list[float]]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in np.mean(rows, axis=0)) + " |")


def shown_difference(name: str, rows: list[list[float]], others: list[list[float]]) -> None:
    """Means of paired differences, with their intervals."""
    difference = np.array(rows) - np.array(others)
    mean = difference.mean(axis=0)
    if len(difference) == 1:
        cells = [f"{value:+.1f}" for value in mean]
    else:
        error = difference.std(axis=0, ddof=1) / len(difference) ** 0.5
        half = student.ppf(0.975, len(difference) - 1) * error
        cells = [f"{value:+.1f} ± {each:.1f}" for value, each in zip(mean, half, strict=True)]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def table(options: argparse.Namespace, name: str, encoder: sememe.BiEncoder) -> None:
    cross = sememe.CrossEncoder(options.models / _SETS[name][1])
    texts, labels = rows_of(name, options.data, options.models, options.split)
    print(f"\n{name}, {options.split}: {len(texts):,} texts of {len(set(labels))} labels")
    rows: dict[str, list[list[float]]] = {}
    reports = []
    for sample in samples(texts, labels, options.samples, options.size, encoder):
        rows.setdefault("bi-encoder", []).append(sample.alone())
        if not options.fast:
            rows.setdefault("rescored in full", []).append(sample.rescored(cross))
            nearest = sample.rescored(cross, options.budget)
            rows.setdefault("nearest rescored", []).append(nearest)
        started = time.perf_counter()
        cascade, values = sample.taught(cross, options.budget)
        seconds = time.perf_counter() - started
        rows.setdefault(f"cascade, {options.budget}", []).append(values)
        line = (
            f"tau {cascade.report.tau:.3f} ± {cascade.report.tau_error:.3f}, rho "
            f"{cascade.report.rho:.2f}, {cascade.report.rounds} rounds, {seconds:.0f} s of which "
            f"{cascade.report.seconds:.0f} s scoring"
        )
        if not options.fast:
            shuffled, values = sample.taught(Shuffled(cross), options.budget)
            rows.setdefault("shuffled scores", []).append(values)
            same = shuffled.vectors is sample.vectors
            verdict = "the bi-encoder to the bit" if same else "TRUSTED"
            line += f"; shuffled: tau {shuffled.report.tau:.3f}, {verdict}"
        reports.append(line)
    print("| | " + " | ".join(_COLUMNS) + " |\n|---|" + "---|" * len(_COLUMNS))
    for row, measured in rows.items():
        shown(row, measured)
    taught = rows[f"cascade, {options.budget}"]
    for row in [
        row for row in rows if row not in (f"cascade, {options.budget}", "shuffled scores")
    ]:
        shown_difference(f"cascade − {row}", taught, rows[row])
    print("\n".join(reports), flush=True)


def curve(options: argparse.Namespace, name: str, encoder: sememe.BiEncoder) -> Figures:
    """AMI for each budget, with its 95 % interval: the number of clusters given, and not."""
    cross = sememe.CrossEncoder(options.models / _SETS[name][1])
    texts, labels = rows_of(name, options.data, options.models, options.split)
    drawn = list(samples(texts, labels, options.samples, options.size, encoder))
    rows = {"0n": [sample.alone() for sample in drawn]}
    for budget in _BUDGETS:
        rows[budget] = [sample.taught(cross, budget)[1] for sample in drawn]
    print(f"\n{name}, {options.split}\n| budget | AMI | AMI* | pairs a text |\n|---|---|---|---|")
    start = np.array(rows["0n"])
    factor = student.ppf(0.975, len(drawn) - 1) / len(drawn) ** 0.5 if len(drawn) > 1 else np.nan
    figures: Figures = {}
    for budget, values in rows.items():
        mean = np.mean(values, axis=0)
        half = factor * (np.array(values) - start).std(axis=0, ddof=1)
        figures[float(budget[:-1])] = [(mean[column], half[column]) for column in (2, 4)]
        cells = " | ".join(f"{m:.1f} ± {h:.1f}" for m, h in figures[float(budget[:-1])])
        print(f"| {budget} | {cells} | {mean[7]:.1f} |", flush=True)
    return figures


def drawing(curves: dict[str, Figures]) -> str:
    """An SVG: a panel a set, AMI over the budget, bars for the interval of the gain."""
    parts = []
    for panel, (name, figures) in enumerate(curves.items()):
        values = [value for row in figures.values() for value, _ in row]
        low, high = np.floor(min(values) - 1), np.ceil(max(values) + 1)
        left = 60 + 360 * panel

        def x(budget: float, left: float = left) -> float:
            return left + 280 * budget / 8

        def y(value: float, low: float = low, high: float = high) -> float:
            return 250 - 200 * (value - low) / (high - low)

        parts.append(f'<text x="{left + 140}" y="30" text-anchor="middle">{name}</text>')
        for tick in np.linspace(low, high, 5):
            parts.append(f'<path d="M{left} {y(tick):.1f}h280" stroke="#8884"/>')
            parts.append(
                f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>'
            )
        parts += [
            f'<text x="{x(budget)}" y="270" text-anchor="middle">{budget}n</text>'
            for budget in (0, 2, 4, 6, 8)
        ]
        for column, (color, label) in enumerate((("#2a78c0", "K given"), ("#d0661c", "K found"))):
            points = [(x(at), y(row[column][0])) for at, row in figures.items()]
            line = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
            parts.append(f'<path d="M{line}" stroke="{color}" stroke-width="2" fill="none"/>')
            for at, row in figures.items():
                value, half = row[column]
                if at and np.isfinite(half):
                    top, height = y(value + half), y(value - half) - y(value + half)
                    parts.append(
                        f'<path d="M{x(at):.1f} {top:.1f}v{height:.1f}" stroke="{color}"/>'
                    )
                parts.append(f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3" fill="{color}"/>')
            parts.append(
                f'<text x="{left + 272}" y="{232 - 18 * column}" text-anchor="end" fill="{color}">'
                f"{label}</text>"
            )
    parts.append('<text x="16" y="150" transform="rotate(-90 16 150)">AMI</text>')
    width = 60 + 360 * len(curves)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 300" width="{width}" '
        'font-family="sans-serif" font-size="13" fill="#555"><rect width="100%" height="100%" '
        f'fill="#fff"/>{"".join(parts)}<text x="{width // 2}" y="292" text-anchor="middle">'
        "budget: pairs that are read, for each text</text></svg>\n"
    )


def judged_by_labels(options: argparse.Namespace, name: str, encoder: sememe.BiEncoder) -> None:
    """What some labelled texts say of the cross-encoder, beside what all of them do."""
    cross = sememe.CrossEncoder(options.models / _SETS[name][1])
    texts, labels = rows_of(name, options.data, options.models, options.split)
    print(f"\n{name}, {options.split}\n| texts | gain | half an interval | better | worse | open |")
    print("|---|---|---|---|---|---|")
    gains: dict[int, list[Gain]] = {}
    ratios: dict[str, list[float]] = {}
    for sample in samples(texts, labels, options.samples, options.size, encoder):
        space = Space(sample.vectors)
        lesson = Lesson.planned(Edges.between(sample.neighbors))
        reader = Reader(cross, sample.texts, Budget.parse(options.budget), 10**9, False)
        lesson = lesson.read(reader.remaining, reader)
        form = fit(space, lesson.scored, lesson.logits)
        cosine, change = space.cosines(lesson.edges), space.form(form, lesson.edges)
        spread = float(cosine.std() / change.std())
        moving = space.moving(form, _RHO * spread)
        signals = [standardized(lesson.edges.centered(each)) for each in (cosine, change)]
        witnesses = by.partitions(sample.vectors, sample.neighbors, RESOLUTIONS)
        rho = weight_of_map(lesson.edges, signals[0], signals[1], witnesses)
        same = sample.gold[lesson.edges.first] == sample.gold[lesson.edges.second]
        ratios.setdefault("the bi-encoder's clusters", []).append(rho)
        ratios.setdefault("all labels", []).append(weight_ratio(signals[0], signals[1], same))
        for count in (50, 100, 200):
            for seed in range(_LABEL_DRAWS):
                rows = np.random.default_rng(seed).choice(len(sample.gold), count, replace=False)
                data = {
                    "text": [sample.texts[row] for row in rows],
                    "label": [f"group {sample.gold[row]}" for row in rows],
                }
                judges = Labels.read(data, groups=True)
                vectors = judges.vectors(sample.texts, sample.vectors, None)
                gains.setdefault(count, []).append(Evidence(judges, vectors).gain(moving, _RHO))
                ends = np.sort(rows)
                first, second = np.triu_indices(count, 1)
                pairs = Edges(ends[first], ends[second], len(sample.gold))
                some = space.cosines(pairs) / cosine.std(), space.form(form, pairs) / change.std()
                same = sample.gold[pairs.first] == sample.gold[pairs.second]
                ratios.setdefault(f"{count} texts", []).append(weight_ratio(*some, same))
    for count, values in gains.items():
        figures = np.array([(100 * one.gain, 50 * (one.high - one.low)) for one in values])
        better, worse = (np.mean([each(one) for one in values]) for each in (_better, _worse))
        print(
            f"| {count} | {figures[:, 0].mean():+.1f} ± {figures[:, 0].std():.1f} | "
            f"{figures[:, 1].mean():.1f} | {better:.0%} | {worse:.0%} | {1 - better - worse:.0%} |",
            flush=True,
        )

    print(
        "rho by " + ", ".join(f"{k} {np.mean(v):.2f} ± {np.std(v):.2f}" for k, v in ratios.items())
    )


def weight_ratio(cosine: Values, change: Values, same: NDArray[np.bool_]) -> float:
    """How much the map counts beside the cosine by a logistic regression on labels."""
    weights = logistic(np.stack([np.ones_like(cosine), cosine, change], axis=1), same, 1.0)
    return float(weights[2] / max(weights[1], 1e-6))


def _better(gain: Gain) -> bool:
    return gain.low > 0


def _worse(gain: Gain) -> bool:
    return gain.high < 0


def duplicates(options: argparse.Namespace, name: str, encoder: sememe.BiEncoder) -> None:
    """Labelled pairs: each signal alone, and weighed by 100 labels, on the pairs that are left."""
    columns = read_table(options.data / "pairs" / f"{name}.parquet").columns
    random = np.random.default_rng(0)
    rows = random.permutation(len(columns["label"]))[:_LABELLED].tolist()
    pairs = [(str(columns["sentence1"][row]), str(columns["sentence2"][row])) for row in rows]
    differ = np.array([one != other for one, other in pairs])
    same = np.array([bool(columns["label"][row]) for row in rows])[differ]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    row_of = {text: row for row, text in enumerate(texts)}
    ends = np.sort([[row_of[text] for text in pair] for pair in pairs], axis=1)[differ]
    labelled = Edges(ends[:, 0], ends[:, 1], len(texts))
    sample = Sample(texts, texts, encoder)
    cross = sememe.CrossEncoder(options.models / "cross-encoder-sts-minilm")
    reader = Reader(cross, texts, Budget(), 10**9, False)
    edges = Edges.between(sample.neighbors) - labelled
    edges = edges[random.permutation(len(edges))[: 2 * len(texts)]]
    space = Space(sample.vectors)
    form = fit(space, edges, reader.read(edges.first, edges.second))
    logits = reader.read(labelled.first, labelled.second)
    signals = np.stack([space.cosines(labelled), space.form(form, labelled), logits], axis=1)
    signals = (signals - signals.mean(axis=0)) / signals.std(axis=0)
    alone = labelled.products(sample.vectors, sample.vectors)
    drawn = []
    for seed in range(_DRAWS):
        order = np.random.default_rng(seed).permutation(len(same))
        some, rest = order[:_LABELS], order[_LABELS:]
        weights = signal_weights(signals[some], same[some])
        drawn.append(100 * average_precision_score(same[rest], signals[rest] @ weights))
    figures = [100 * float(average_precision_score(same, each)) for each in (alone, *signals.T)]
    print(
        f"\n{name}: average precision of the cosine {figures[0]:.1f}, centred {figures[1]:.1f}, "
        f"of the map {figures[2]:.1f}, of the cross-encoder {figures[3]:.1f}; weighed by "
        f"{_LABELS} labels {np.mean(drawn):.2f} ± {np.std(drawn):.2f}, at worst {min(drawn):.1f}"
    )


class Oracle:
    """Scores pairs of numbered texts by their groups, with noise, in no time."""

    def __init__(self, groups: NDArray[np.int64]) -> None:
        self._groups = groups

    def score(self, pairs: Sequence[tuple[str, str]], *, raw: bool = True) -> Floats:
        assert raw  # the cascade asks for logits
        ends = np.array(pairs, dtype=np.int64)
        same = self._groups[ends[:, 0]] == self._groups[ends[:, 1]]
        noise = np.random.default_rng(0).normal(scale=2, size=len(pairs))
        return np.asarray(np.where(same, 2, -2) + noise, np.float32)


def timed(texts: int) -> None:
    """Seconds from vectors (mixed Gaussians of 384 dimensions) to clusters, all but reading."""
    random = np.random.default_rng(0)
    groups = random.integers(0, texts // 100, texts)
    centers = random.normal(size=(texts // 100, 384)).astype(np.float32)
    vectors = normalized(centers)[groups]
    vectors += normalized(random.normal(size=(texts, 384)).astype(np.float32)) * np.float32(1.5)
    names = [f"{row}" for row in range(texts)]
    for cross in (None, Oracle(groups)):
        started, busy = time.perf_counter(), time.process_time()
        found = sememe.cluster(names, vectors=vectors, cross=cross, progress=False)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        reading = found.cascade.seconds if found.cascade else 0
        print(
            f"{texts:,} texts {'with' if cross else 'without'} a cross-encoder: "
            f"{seconds - reading:.1f} s, {busy:.1f} s of processor time, and {reading:.1f} s "
            f"reading; {len(found)} clusters",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--sets", nargs="+", choices=_SETS, default=[*_SETS])
    parser.add_argument("--split", default="train", choices=("train", "test"))
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--budget", default="3n")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--labels", action="store_true")
    parser.add_argument("--time", type=int, nargs="+", metavar="TEXTS", default=[])
    parser.add_argument("--fast", action="store_true", help="the cascade and the bi-encoder alone")
    options = parser.parse_args()
    options.models = options.models or options.data.parent / "models"
    warnings.simplefilter("ignore", sememe.errors.SememeWarning)
    if options.time:
        for texts in options.time:
            timed(texts)
        return
    encoder = sememe.BiEncoder("all-MiniLM-L6-v2")
    if options.pairs:
        for name in ("qqp_dev", "twitter_url_train"):
            duplicates(options, name, encoder)
        return
    curves: dict[str, Figures] = {}
    for name in options.sets:
        needed = [options.data / _SETS[name][0], options.models / _SETS[name][1]]
        if missing := [path for path in needed if not path.exists()]:
            print(f"{name} is left out: there is no {missing[0]}")
        else:
            if options.labels:
                judged_by_labels(options, name, encoder)
            elif options.plot:
                curves[name] = curve(options, name, encoder)
            else:
                table(options, name, encoder)
    if curves:
        options.plot.write_text(drawing(curves), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The choice in plain words: what it is, what it costs, why not another, and how to use it."""

import json
import os
import shlex
from collections.abc import Iterator
from typing import Any

from sememe.costs import byte_size, duration
from sememe.progress import counted
from sememe.selection.candidates import Candidate
from sememe.selection.measuring import POINT, SURE, compared
from sememe.selection.result import Selection
from sememe.selection.sample import Work
from sememe.selection.systems import RERANKED

_VERBS = {
    "search": "searching",
    "cluster": "grouping",
    "pairs": "finding pairs among",
    "classify": "classifying",
}
_NO_GROUPS = 0.1  # a V-measure that is surely below this is next to chance
_OTHERS = 3  # candidates that the verdict compares the choice with


def verdict(selection: Selection) -> str:
    """A few sentences."""
    return " ".join(_sentences(selection))


def _sentences(selection: Selection) -> Iterator[str]:
    work, scale = selection.sample.work, selection.scale
    title = f"For {_VERBS[work]} {counted(scale.texts, 'text')}"
    if not selection.equals:
        yield f"{title}, {selection.nothing_fits}"
        return
    name, cost = selection.choice, selection.projections[selection.choice]
    parts = [duration(cost.seconds), byte_size(cost.memory)]
    if work == "search":
        parts.append(f"{1000 * cost.latency:.0f} ms a query")
    if scale.queries_per_day:
        parts.append(f"{duration(cost.daily)} of computing a day")
    measured = selection.state.measured.get(name)
    figure = ""
    if measured is not None:
        is_part = measured.items < selection.labels
        of = f" (on {measured.items:,} of {selection.labels:,} items)" if is_part else ""
        figure = f"{selection.metric} {measured.interval().with_margin()}{of}, "
    if measured is not None and work == "cluster" and measured.interval().high < _NO_GROUPS:
        yield (
            f"{title}, no candidate finds these groups: the texts are not about what the labels "
            "say. Classify instead (--task classify), or train an encoder on the labels. "
            f"The choice would be {name}: {figure}{', '.join(parts)}."
        )
        return
    yield f"{title}, take {name}: {figure}{', '.join(parts)}."
    if measured is None:
        yield from _by_jury(selection)
        return
    if len(selection.state.measured) == 1:
        yield "It is the only candidate."
        return
    yield from _equals(selection)
    yield from _others(selection)
    if work in ("cluster", "pairs"):
        yield from _every_pair(selection)
    if selection.prior is not None and selection.prior.is_order:
        yield (
            f"With only {counted(selection.labels, 'label')}, the order that a jury of "
            f"{_jury(selection)} gives without them counts too, up to half as much."
        )


def _jury(selection: Selection) -> str:
    names = {"default": "the default model", "static": "WordLlama", "words": "words alone"}
    assert selection.prior is not None
    *first, last = [names[role] for role in selection.prior.jury]
    return f"{', '.join(first)} and {last}" if first else last


def _by_jury(selection: Selection) -> Iterator[str]:
    """What is known without a label."""
    prior = selection.prior
    assert prior is not None
    yield f"Nothing is labelled, so a jury judges: {_jury(selection)}."
    if not prior.is_order:
        yield "A jury that small says no more than which candidates agree with it."
    best = "The default model" + " and a hybrid" * (selection.sample.work == "search")
    yield f"{best} would come first by construction, and a better model may look worse."
    families = selection.families
    ranked = sorted(selection.scores, key=lambda name: -selection.scores[name])
    rival = next((n for n in ranked if families[n] != families[selection.choice]), None)
    others = [n for n in selection.equals if families[n] != families[selection.choice]]
    if others:
        yield f"The jury does not tell it from {_listed(others)}."
        yield f"The cheapest of all these is {selection.equals[0]}."
    if rival is not None:
        share = prior.share_right(selection.choice, rival)
        yield (
            f"The next is {rival}; an order of two as far apart was right in {100 * share:.0f} % "
            "of the cases on 21 data sets."
        )
    yield "Label some to know: --ask 50 writes what is most worth it."


def _equals(selection: Selection) -> Iterator[str]:
    """Those that the sample cannot tell apart, and how many items would."""
    equal = selection.equals
    others = [name for name in equal if name != selection.choice]
    if not others:
        return
    families, this = selection.families, selection.state.measured[selection.choice]
    yield f"Nothing in {this.items:,} items tells it from {_listed(others)}."
    if equal[0] != selection.choice:
        yield f"The cheapest of all these is {equal[0]}."
    needed = []
    for name in others:
        other = compared(selection.state.measured[name], this, SURE)
        if families[name] != families[selection.choice] and abs(other.difference) > POINT:
            ratio = (other.high - other.low) / 2 / abs(other.difference)
            needed.append((round(this.items * ratio**2), name))
    if needed:
        items, name = min(needed)
        yield (
            f"About {float(f'{items:.2g}'):,.0f} labelled items would tell it from {name}; --ask "
            "writes which are most worth labelling."
        )


def _listed(names: list[str]) -> str:
    """Names, which have commas in them, in a sentence; the first four of many."""
    return "; ".join(names[:4]) + (f"; and {len(names) - 4} more" if len(names) > 4 else "")


def _others(selection: Selection) -> Iterator[str]:
    """Why not another: better but dearer, or cheaper but worse."""
    state, projections = selection.state, selection.projections
    this, cost = state.measured[selection.choice], projections[selection.choice]
    families = selection.families
    kinds = {each.name: each.kind for each in selection.candidates}
    named_families = {families[selection.choice]}
    ranked = sorted(state.measured, key=lambda name: -state.measured[name].value)
    for name in ranked:
        if name not in projections or families[name] in named_families or name in selection.equals:
            continue
        other = state.measured[name]
        loss = state.losses.get(name) or compared(other, this, SURE)
        span = f"{100 * loss.low:+.1f} to {100 * loss.high:+.1f}"
        on = f", on {other.items:,} items" if other.items < this.items else ""
        points = f"{abs(100 * loss.difference):.1f}"
        word = "better" if loss.difference > 0 else "worse"
        amount = "as good" if points == "0.0" else f"{points} points {word}"
        price = _price(projections[name].seconds, cost.seconds)
        limit = selection.problem(name)
        limit = limit and f"{', but' if word == 'better' else ', and'} {limit}"
        is_untrained = kinds[name] == "regular transformer" and word == "worse"
        why = ": it was never trained for similarity" * is_untrained
        yield f"{name} is {amount} ({span}{on}) and {price}{limit}{why}."
        named_families.add(families[name])
        if len(named_families) > _OTHERS:
            return


def _price(seconds: float, other: float) -> str:
    if seconds > 1.5 * other:
        return f"would take {duration(seconds)}"
    if seconds < other / 1.5:
        return f"takes {duration(seconds)}"
    return "costs as much"


def _every_pair(selection: Selection) -> Iterator[str]:
    """What a cross-encoder would cost that reads every pair."""
    for each in selection.candidates:
        speed = selection.speeds.get(each.name)
        if each.kind in ("cascade", "cross-encoder") and speed is not None and speed.pair:
            every = speed.reading_all_pairs(selection.scale.texts)
            pairs = selection.scale.texts * (selection.scale.texts - 1) // 2
            yield (f"A cross-encoder that reads all {pairs:,} pairs would take {duration(every)}.")
            return


def code(candidate: Candidate, work: Work) -> str:
    """The choice in a few lines of Python."""
    cross, model = map(_expression, (candidate.cross, candidate.model))
    if candidate.kind == "cross-encoder":
        opened = cross if cross.isidentifier() else f"sememe.CrossEncoder({cross})"
        return f"cross = {opened}\nscores = cross.score(pairs)"
    if candidate.how and work == "pairs":
        return (
            f'sememe.train_bi("labelled.csv", "my-encoder", model={model})\n'
            'pairs = sememe.find_pairs(texts, "my-encoder")'
        )
    if work == "classify" and not candidate.size:
        options = f'how="{candidate.how or "probe"}", model={model}'
        return (
            f'sememe.train_classifier("labelled.csv", "my-classifier", {options})\n'
            'labels = sememe.Classifier("my-classifier").predict(texts)'
        )
    arguments = [model] * bool(candidate.model)
    arguments += [f'{name}="{value}"' for name, value in candidate.options.items()]
    opened = model if model.isidentifier() else f"sememe.BiEncoder({', '.join(arguments)})"
    encoder = f"encoder = {opened}"
    vectors = f", vectors=encoder.encode(texts, truncate_dim={candidate.size})"
    vectors = vectors if candidate.size else ""
    if work == "cluster":
        taught = f', cross={cross}, budget="{candidate.budget}"' if candidate.budget else ""
        return f"{encoder}\ngroups = sememe.cluster(texts, encoder{taught}{vectors})"
    if work == "pairs":
        return f"{encoder}\npairs = sememe.find_pairs(texts, encoder{vectors})"
    if candidate.size:
        return f"{encoder}\n{vectors.removeprefix(', ')}".replace("vectors=", "vectors = ")
    mode = {"words": ', mode="bm25"', "hybrid": ', mode="hybrid"'}.get(candidate.kind, "")
    rerank = f", rerank={cross}, budget={RERANKED}" if candidate.cross else ""
    return (
        f'{encoder}\nindex = sememe.Index.create("my-index", encoder)\n'
        f'index.add(texts); hits = index.search("a question"{mode}{rerank})'
    )


def command(candidate: Candidate, work: Work) -> str:
    """The choice as a command; "" where only Python can use it so."""
    is_named = all(
        isinstance(each, str | os.PathLike) for each in (candidate.model, candidate.cross)
    )
    if not is_named or candidate.size or "pooling" in candidate.options:
        return ""
    model = f" --model {shlex.quote(os.fspath(candidate.model))}" if candidate.model else ""
    precision = candidate.options.get("precision")
    model += f" --precision {precision}" if precision and work != "classify" else ""
    cross = shlex.quote(os.fspath(candidate.cross))
    if candidate.kind == "cross-encoder":
        return f"sememe score pairs.csv --model {cross} -o scores.csv"
    if work == "cluster":
        taught = f" --cross {cross} --budget {candidate.budget}" if candidate.budget else ""
        return f"sememe cluster texts.csv{model}{taught} -o groups"
    if work == "pairs":
        train = f"sememe train bi labelled.csv{model} -o my-encoder && " if candidate.how else ""
        model = " --model my-encoder" if candidate.how else model
        return f"{train}sememe pairs texts.csv{model} -o pairs.csv"
    if work == "classify":
        how = candidate.how or "probe"
        return f"sememe train classifier labelled.csv --how {how}{model} -o my-classifier"
    mode = {"words": " --mode bm25", "hybrid": " --mode hybrid"}.get(candidate.kind, "")
    rerank = f" --rerank {cross} --budget {RERANKED}" if candidate.cross else ""
    return f"sememe index texts.csv{model} -o my-index && sememe search my-index{mode}{rerank}"


def _expression(model: Any) -> str:
    """A model in Python: what opens it, in quotes, or a name for an object of the user's."""
    name = getattr(model, "model", model)
    is_name = isinstance(name, str | os.PathLike)
    return json.dumps(os.fspath(name)) if is_name else f"my_{type(model).__name__.lower()}"


def table(selection: Selection) -> list[list[str]]:
    """The candidates, best first, a line of cells each, below a line of names."""
    columns = ("items", "texts/s", "pairs/s", "p50", "p99", "at scale", "memory", "")
    lines = [["candidate", selection.metric, *columns]]
    for row in selection.rows:
        figure = "-" if row.prior is None else f"({row.prior:.2f})"
        marks = ["chosen"] * (bool(selection.equals) and row.name == selection.choice)
        marks += ["as good"] * (row.is_equal and not marks)
        speed, cost = row.speed, row.projection
        lines.append([
            row.name,
            row.quality.with_margin() if row.quality else figure,
            f"{row.items:,}" if row.items else "-",
            f"{1 / speed.text:,.0f}" if speed and speed.text else "-",
            f"{1 / speed.pair:,.0f}" if speed and speed.pair else "-",
            f"{1000 * speed.call:.1f} ms" if speed else "-",
            f"{1000 * speed.slow_call:.1f} ms" if speed else "-",
            duration(cost.seconds) if cost else "-",
            byte_size(cost.memory) if cost else "-",
            "; ".join([*marks, *filter(None, [row.note])]),
        ])  # fmt: skip
    return lines

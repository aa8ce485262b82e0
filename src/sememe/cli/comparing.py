"""`sememe compare`: a pair of sentences as each encoder sees it."""

import argparse
from typing import Any

import sememe
from sememe.cli import parser as cli
from sememe.errors import InputError

_WIDEST = 32
_EXAMPLES = """\
sememe compare "my dog is fast" "my canine is rapid" "he has a V8 diesel engine"
sememe compare "my dog is fast" "my canine is rapid" --model all-MiniLM-L6-v2 bert-base-uncased"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "compare", _run,
        summary="see how similar sentences are to each of some encoders",
        description="Compare a sentence with one or more others, as each encoder sees them: a row "
        "a model, with its kind, the size of its vectors, and the cosine or the score.",
        examples=_EXAMPLES,
    )
    cli.option(parser, "A", "a sentence", dest="first")
    cli.option(parser, "B...", "what to compare it with", dest="others")
    cli.option(parser, "--model M...", f"encoders of any kind (default: {cli.DEFAULT_MODEL})",
               action="extend")
    cli.add_engine(parser)
    cli.add_json(parser, "the rows")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    models = options.model or [cli.DEFAULT_MODEL]
    if not all(sentence.strip() for sentence in (options.first, *options.others)):
        raise InputError("A sentence is blank: give one with words in it.")
    engine = cli.engine_options(options)
    rows = [_row(model, options.first, options.others, engine) for model in models]
    values = {"first": options.first, "others": options.others, "models": rows}
    cli.show(options, values, "\n".join(_lines(options.others, rows)))
    return 0


def _row(model: str, first: str, others: list[str], engine: dict[str, Any]) -> dict[str, Any]:
    from sememe.checkpoint import read
    from sememe.encoders.vectors import similarity

    checkpoint = read(model)
    row: dict[str, Any] = {"model": model, "kind": checkpoint.kind}
    try:
        if checkpoint.scoring is not None:
            cross = sememe.CrossEncoder(checkpoint.directory, **engine)
            scores = cross.score([(first, other) for other in others]).tolist()
            if len(cross.labels) > 1:
                scores = [dict(zip(cross.labels, each, strict=True)) for each in scores]
            return {**row, "dim": None, "measure": "score", "values": scores}
        # The kind column says that it is pooled: no warning of a guess is needed.
        pooling = "mean" if checkpoint.kind == "regular transformer" else None
        bi = sememe.BiEncoder(checkpoint.directory, pooling=pooling, **engine)
        vectors = bi.encode([first, *others])
    except InputError as error:
        raise InputError(f"{model}: {error}") from None
    cosines = similarity(vectors[:1], vectors[1:], "cosine")[0].tolist()
    return {**row, "dim": bi.dim, "measure": "cosine", "values": cosines}


def _lines(others: list[str], rows: list[dict[str, Any]]) -> list[str]:
    from sememe.reports import one_line, text_table

    table = [["model", "kind", "dim", "measure", *(one_line(text, _WIDEST) for text in others)]]
    for row in rows:
        pooled = " (mean-pooled)" if row["kind"] == "regular transformer" else ""
        dim = "-" if row["dim"] is None else str(row["dim"])
        values = [_cell(value) for value in row["values"]]
        table.append([row["model"], row["kind"] + pooled, dim, row["measure"], *values])
    return text_table(table, left=2)


def _cell(value: float | dict[str, float]) -> str:
    """A score, or of several labels the highest."""
    if isinstance(value, dict):
        label = max(value, key=value.__getitem__)
        return f"{label} {value[label]:.4f}"
    return f"{value:.4f}"

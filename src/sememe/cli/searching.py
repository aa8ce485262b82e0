"""`sememe search`: find texts in an index, once, or query after query."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import sememe
from sememe.cli import parser as cli
from sememe.errors import InputError, SememeWarning, TableError, warn

WIDEST = 160  # columns
_PROMPT = "search> "
_EXAMPLES = """\
sememe search faq.sememe "I cannot log in"
sememe search tickets.sememe "refund" --mode hybrid --where "year >= 2024 AND lang = 'en'"
sememe search faq.sememe --rerank cross-encoder/ms-marco-MiniLM-L6-v2 --budget 20
sememe search faq.sememe --rerank cross-encoder/ms-marco-MiniLM-L6-v2 --tune judged.csv"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "search", _run,
        summary="find texts in an index by meaning, by words, or by both",
        description="Find texts in an index. Without a query it asks for one after the other, or "
        "reads them, a line each, from a pipe.",
        examples=_EXAMPLES,
    )
    add = partial(cli.option, parser)
    add("INDEX", "what sememe index wrote")
    add("[QUERY]", "what to look for (several words are one query)")
    add("-k --top-k N", "how many texts at the most", type=cli.whole_number, default=10)
    add("--mode", "by meaning, by words, or by both", choices=("dense", "bm25", "hybrid"),
        default="dense")
    add("--where FILTER", "keep to some texts: \"lang = 'en' AND year >= 2023\"")
    add("--rerank M", "a cross-encoder that reads the candidates again")
    add("--budget B", "how many of the candidates it reads for a query: a number, or a time such "
        "as 2s (default: all)")
    add("--tune FILE", "measure how many it should read, none included: a table with the columns "
        "query, id (of a text in the index) and label (how well it answers, 0 for not at all)")
    add("--candidates N", "how many --rerank may read, and hybrid fuses", type=cli.whole_number,
        default=100)
    add("--per-document N", "how many passages of a text at the most, or all, in an index that was "
        "made with --long split", default=1,
        type=lambda value: value if value == "all" else cli.whole_number(value))
    cli.add_engine(parser, " with --rerank (the index's own encoder is opened as it was stored)")
    cli.add_json(parser, "the hits, a line a query,")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.reports import one_line
    from sememe.search.query import parse

    if not options.rerank:
        why = "is for --rerank M: give that too, or leave it out"
        cli.refuse(options, why, "precision", "device", "budget", "tune")
    if options.tune and options.query:
        raise InputError("QUERY does nothing with --tune, whose FILE has queries: leave it out.")
    for name, text in (("QUERY", options.query), ("--where", options.where)):
        if text is not None and not text.strip():
            raise InputError(f"{name} is blank: write something, or leave it out.")
    try:
        parse(options.where)
    except InputError as error:
        raise InputError(f"--{error}") from None
    index = sememe.Index.open(options.index)
    rerank = options.rerank and sememe.CrossEncoder(options.rerank, **cli.engine_options(options))
    if options.tune:
        return _tune(options, index, rerank)
    for query in _queries() if options.query is None else [options.query]:
        if not (options.query or options.json or (sys.stdin and sys.stdin.isatty())):
            print(f"{_PROMPT}{query}")
        hits = index.search(
            query, top_k=options.top_k, mode=options.mode, where=options.where, rerank=rerank,
            budget=options.budget, candidates=options.candidates,
            per_document=None if options.per_document == "all" else options.per_document,
        )  # fmt: skip
        # By words no encoder is opened, so the text stands for its sentence.
        rows = [(hit, hit.text if options.mode == "bm25" else hit.sentence) for hit in hits]
        if options.json:
            values = [
                {
                    "id": hit.id, "score": hit.score, "text": hit.text, "sentence": sentence,
                    "metadata": hit.metadata, "passage": hit.passage,
                } for hit, sentence in rows
            ]  # fmt: skip
            cli.print_json({"query": query, "hits": values})
            continue
        for rank, (hit, sentence) in enumerate(rows, start=1):
            print(f"{rank:>3}  {hit.score:.4f}  {one_line(sentence, WIDEST)}")
            details = [f"id {hit.id}", *labelled(hit.metadata)]
            if hit.passage is not None:
                details.insert(1, "characters {:,} to {:,}".format(*hit.passage))
            print(f"{'':13}{one_line(' · '.join(details), WIDEST)}")
        if not hits:
            print(_no_hits(index, options.where))
    return 0


def _tune(
    options: argparse.Namespace, index: "sememe.Index", rerank: "sememe.CrossEncoder | None"
) -> int:
    from sememe.tables import numbers_of, read_table

    assert rerank is not None
    table = read_table(options.tune)
    texts, ids = table.text_column("query"), [str(value) for value in table.column("id")]
    labels = table.column("label") if "label" in table.columns else [1] * len(table)
    grades = numbers_of("label", labels)
    if grades is None:
        raise TableError(f'{options.tune}: "label" has to be numbers, 0 for no answer')
    qrels: dict[str, dict[str, float]] = {}
    for query, row_id, grade in zip(texts, ids, grades, strict=True):
        qrels.setdefault(query, {})[row_id] = grade or 0
    answered = {query: judged for query, judged in qrels.items() if any(judged.values())}
    if left_out := len(qrels) - len(answered):
        warn(
            f"{options.tune}: queries that nothing answers are left out, {left_out:,} of them",
            SememeWarning,
        )
    depth = index.tune_rerank(
        {query: query for query in answered}, answered, rerank, top_k=options.top_k,
        mode=options.mode, where=options.where, candidates=options.candidates,
    )  # fmt: skip
    cli.show(options, depth.to_dict(), cli.in_options(depth, options))
    return 0


def _queries() -> Iterator[str]:
    """Lines that are not blank, with a prompt on a terminal; a blank line there ends it."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield from filter(None, map(str.strip, cli.stdin_lines()))
        return
    with suppress(ImportError):  # Windows edits lines itself
        import readline  # noqa: F401  # lines are edited and remembered
    print("A query a line; an empty line or Ctrl-D ends it.", file=sys.stderr)
    with suppress(EOFError):
        while line := input(_PROMPT).strip():
            yield line


def _no_hits(index: "sememe.Index", where: str | None) -> str:
    if not len(index):
        return "Nothing was found: the index is empty."
    if not where:
        return "Nothing was found."
    fields = [f"{name} ({' or '.join(sorted(types))})" for name, types in index.fields().items()]
    return f"Nothing was found that fits --where {where}\nThe fields are {', '.join(fields)}."


def labelled(metadata: Mapping[str, Any]) -> list[str]:
    """Each key with its value."""
    return [f"{key}: {value}" for key, value in metadata.items()]

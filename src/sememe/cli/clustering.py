"""`sememe cluster`: group sentences, draw a map, change the groups, file new sentences."""

import argparse
import csv
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli
from sememe.cli.naming import add_names, check_command, name_clusters, read_names
from sememe.errors import InputError
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.clustering import Clusters

_EXAMPLES = """\
sememe cluster questions.txt -o groups/
sememe cluster survey.csv --column answer --clusters 20 -o groups/
sememe cluster survey.csv --column answer --color month -o groups/
sememe cluster titles.jsonl --granularity fine --json -o groups/ > groups.json
sememe cluster questions.txt --cross cross-encoder/quora-roberta-base --budget 3n -o groups/
sememe cluster questions.txt -o groups/ --name-with 'llm "Name these in up to 4 words"'
sememe cluster --assign groups/ next-week.csv -o filed.csv
sememe cluster groups/ --merge 3 17 --rename "3=lost cards" -o groups/
sememe cluster groups/ --names names.csv -o groups/
sememe cluster groups/ --tree
sememe cluster groups/ --over date --by month"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "cluster", _run,
        summary="group a file of sentences by meaning, and draw a map of the groups",
        description="Group a file of sentences by meaning. Writes a folder with assignments.csv, "
        "clusters.json and map.html, a page that opens in any browser, without a network. Given "
        "such a folder, show it or change it; with --assign, file new sentences under its groups.",
        examples=_EXAMPLES,
    )
    add = partial(cli.option, parser)
    cli.add_input(parser)
    add("-o --output DIR", "the folder of the results; with --assign, a file")
    cli.add_model(parser)
    cli.add_vectors(parser)
    how = parser.add_mutually_exclusive_group()
    cli.option(how, "--clusters K", "exactly so many clusters", type=int)
    cli.option(how, "--threshold COSINE", "group sentences that are at least this similar",
               type=float)
    cli.option(how, "--granularity G", "coarse, fine, or a resolution such as 2.5",
               type=_granularity)
    add("--outliers", "put those that belong to none into the nearest cluster",
        choices=("nearest",))
    add("--stop-words W,W", "words that are in no cluster's name", type=_words, default="")
    add("--color COLUMN", "the column that the map opens coloured by")
    add_names(parser)
    cli.add_cross(parser)
    add("--labels LABELS", "from 50 labelled pairs, or texts with their groups, by which --cross "
        "is judged")
    add("--target GAIN", "read no more pairs once --labels show this gain in average precision, "
        "such as 0.02, or rule it out", type=float)
    later = partial(cli.option, parser.add_argument_group("with a folder that the command wrote"))
    later("--assign DIR", "file FILE's sentences under its clusters")
    later("--rename N=NAME", "call cluster N so", action="append", default=[], type=_renaming)
    later("--merge N...", "unite clusters under the first one's number", action="append",
          default=[], type=int)
    later("--split N", "split cluster N, in K parts or as many as it has", action="append",
          default=[], type=_splitting, metavar="N[=K]")
    later("--subset N...", "keep these clusters alone", type=int)
    later("--tree", "show the clusters of clusters")
    later("--over COLUMN", "count texts by date or category")
    later("--by", "the periods of --over", choices=("day", "month", "year"))
    cli.add_json(parser, "the clusters")
    # None where the user did not say: a folder has its own.
    parser.set_defaults(model=None, precision=None)
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.clustering.folder import FILES

    making = (
        "precision", "device", "vectors", "clusters", "threshold", "granularity", "stop_words",
        "cross", "budget", "labels", "target",
    )  # fmt: skip
    changing = ("rename", "merge", "split", "subset", "tree", "over", "by")
    check_command(options.name_with)
    if options.assign is not None:
        more = ("color", "names", "name_with")
        cli.refuse(options, "does not go with --assign", *making, *changing, *more)
        return _assign(options)
    if options.output is not None:
        cli.output_directory(options.output, FILES)
    if Path(options.file).is_dir():
        why = f"is for a file of sentences, and {options.file} is a folder: its clusters are made"
        cli.refuse(options, f"{why} already", *making, "outliers", "column")
        if options.by and not options.over:
            raise InputError("--by is the period of --over COLUMN: give that too.")
        if options.name_with and options.output is None:
            raise InputError("--name-with needs -o DIR, so that its names are not lost.")
        return _change(options)
    why = f"takes a folder that `sememe cluster -o` wrote, not {options.file}"
    cli.refuse(options, why, *changing)
    return _cluster(options)


def _cluster(options: argparse.Namespace) -> int:
    from sememe.clustering.folder import FILES
    from sememe.reports.cluster_map import check_color
    from sememe.tables import choose_column

    started = time.perf_counter()
    if options.output is None:
        raise InputError("-o DIR is needed: the folder that the results go to.")
    directory = Path(options.output)
    for name in FILES:
        cli.check_outputs([options.file], {"-o": directory / name})
    new_names = read_names(options.names)
    table, texts, blank = cli.read_rows(options.file, options.column, "and in no cluster")
    color = options.color and choose_column(list(table.columns), options.color, table.source.file)
    column = table.text_name(options.column)
    check_color(color, {name: each for name, each in table.columns.items() if name != column})
    cross = cli.open_cross(options)
    encoder = sememe.BiEncoder(options.model or cli.DEFAULT_MODEL, **cli.engine_options(options))
    vectors = cli.read_vectors(options, table, texts, encoder)
    how = {**cli.arguments(options, sememe.cluster), "vectors": vectors, "cross": cross}
    del how["names"]  # a file here, a function there
    groups = sememe.cluster(texts, encoder, **how)
    if groups.cascade:
        print(groups.cascade, file=sys.stderr)
    title = "Standard input" if options.file == "-" else Path(options.file).name
    groups = replace(groups, columns=table.columns, title=title, color=color)
    groups.save(directory)
    groups = _named(groups, new_names, options)
    _show(groups, options)
    print(
        f"{counted(len(texts) - len(blank), 'text')}, {counted(len(groups), 'cluster')}, "
        f"{counted(len(groups.outliers), 'outlier')} in {time.perf_counter() - started:.1f} s: "
        f"{directory / 'map.html'}",
        file=sys.stderr,
    )
    return 0


def _change(options: argparse.Namespace) -> int:
    from sememe.tables import choose_column

    new_names = read_names(options.names)
    opened = groups = sememe.Clusters.open(options.file, options.model)
    for labels in options.merge:
        groups = groups.merge(*labels)
    for label, into in options.split:
        groups = groups.split(label, into)
    if options.subset:
        groups = groups.subset(*options.subset)
    if options.rename:
        groups = groups.rename(dict(options.rename))
    if options.color:
        color = choose_column(list(groups.columns), options.color, groups.title)
        groups = replace(groups, color=color)
    if options.output is not None:
        groups.save(options.output)
    groups = _named(groups, new_names, options)
    if options.output is None and groups is not opened:
        print("Nothing is saved: -o DIR names the folder for it.", file=sys.stderr)
    _show(groups, options)
    return 0


def _named(groups: "Clusters", names: Mapping[int, str], options: argparse.Namespace) -> "Clusters":
    """The clusters, saved already, under names from a table and a command, saved once more."""
    if names:
        groups = groups.rename(names)
        if options.output is not None:
            groups.save(options.output)
    if options.name_with:
        groups = name_clusters(groups, options.name_with, lambda named: named.save(options.output))
    return groups


def _assign(options: argparse.Namespace) -> int:
    from sememe.clustering.folder import text_column, with_assignments
    from sememe.tables import output_format, write_table

    groups = sememe.Clusters.open(options.assign, options.model)
    if options.output is not None:
        cli.check_outputs([options.file], {"-o": options.output})
        output_format(options.output)
    default = text_column(groups)
    table, texts, blank = cli.read_rows(options.file, options.column, "and in no cluster", default)
    assignment = groups.assign(texts, outliers=options.outliers)
    columns = with_assignments(table.columns, groups, assignment, blank)
    if options.output is None:
        _print_rows(columns, options.json)
    else:
        write_table(Path(options.output), columns)
    print(
        f"{counted(len(texts) - len(blank), 'text')}, {counted(len(groups), 'cluster')}, "
        f"{counted(int((assignment.labels < 0).sum()) - len(blank), 'outlier')}"
        f"{f': {options.output}' if options.output else ''}",
        file=sys.stderr,
    )
    return 0


def _print_rows(columns: Mapping[str, Any], as_json: bool) -> None:
    from sememe.tables import replace_unwritable

    if as_json:
        for row in zip(*(list(values) for values in columns.values()), strict=True):
            values = (float(v) if hasattr(v, "dtype") else v for v in row)
            cli.print_json(dict(zip(columns, values, strict=True)))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    cells, _ = replace_unwritable(columns, "csv")
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))


def _show(groups: "Clusters", options: argparse.Namespace) -> None:
    if options.over:
        counts = groups.over(options.over, options.by)
        cli.show(options, counts.rows, counts)
    elif options.tree:
        tree = groups.tree()
        cli.show(options, tree.to_dict(), tree)
    elif options.json:
        cli.print_json(groups.to_dict())
    else:
        print(groups)


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _granularity(value: str) -> str | float:
    with suppress(ValueError):
        return float(value)
    return value


def _renaming(value: str) -> tuple[int, str]:
    number, _, name = value.partition("=")
    if not (number.strip().isdecimal() and name.strip()):
        raise argparse.ArgumentTypeError(f"{value} is no number and name, such as 6=refunds")
    return int(number), name.strip()


def _splitting(value: str) -> tuple[int, int | None]:
    number, equals, parts = value.partition("=")
    if not number.strip().isdecimal() or (equals and not parts.strip().isdecimal()):
        raise argparse.ArgumentTypeError(f"{value} is no number of a cluster, such as 4, or 4=3")
    return int(number), int(parts) if equals else None

"""`sememe cluster`: group sentences, draw a map, change the groups, file new sentences."""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli
from sememe.cli.naming import add_names, check_command, name_clusters, read_names
from sememe.errors import BlankWarning, InputError, TableError
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


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "cluster",
        summary="group a file of sentences by meaning, and draw a map of the groups",
        description="Group a file of sentences by meaning. Writes a folder with assignments.csv, "
        "clusters.json and map.html, a page that opens in any browser, without a network. Given "
        "such a folder, show it or change it; with --assign, file new sentences under its groups.",
        examples=_EXAMPLES,
    )
    cli.add_input(parser)
    parser.add_argument("-o", "--output", metavar="DIR",
                        help="the folder of the results; with --assign, a file")  # fmt: skip
    cli.add_model(parser)
    cli.add_vectors(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--clusters", metavar="K", type=int, help="exactly so many clusters")
    how.add_argument("--threshold", metavar="COSINE", type=float,
                     help="group sentences that are at least this similar")  # fmt: skip
    how.add_argument("--granularity", metavar="G", type=_granularity,
                     help="coarse, fine, or a resolution such as 2.5")  # fmt: skip
    parser.add_argument("--outliers", choices=("nearest",),
                        help="put those that belong to none into the nearest cluster")  # fmt: skip
    parser.add_argument("--stop-words", metavar="W,W", default="",
                        help="words that are in no cluster's name")  # fmt: skip
    parser.add_argument("--color", metavar="COLUMN",
                        help="the column that the map opens coloured by")  # fmt: skip
    add_names(parser)
    cli.add_cross(parser)
    parser.add_argument("--labels", metavar="LABELS", help="from 50 labelled pairs, or texts with "
                        "their groups, by which --cross is judged")  # fmt: skip
    parser.add_argument("--target", metavar="GAIN", type=float, help="read no more pairs once "
                        "--labels show this gain in average precision, such as 0.02, or rule it "
                        "out")  # fmt: skip
    later = parser.add_argument_group("with a folder that the command wrote")
    later.add_argument("--assign", metavar="DIR", help="file FILE's sentences under its clusters")
    later.add_argument("--rename", metavar="N=NAME", action="append", default=[], type=_renaming,
                       help="call cluster N so")  # fmt: skip
    later.add_argument("--merge", metavar="N", action="append", default=[], nargs="+", type=int,
                       help="unite clusters under the first one's number")  # fmt: skip
    later.add_argument("--split", metavar="N[=K]", action="append", default=[], type=_splitting,
                       help="split cluster N, in K parts or as many as it has")  # fmt: skip
    later.add_argument("--subset", metavar="N", nargs="+", type=int,
                       help="keep these clusters alone")  # fmt: skip
    later.add_argument("--tree", action="store_true", help="show the clusters of clusters")
    later.add_argument("--over", metavar="COLUMN", help="count texts by date or category")
    later.add_argument("--by", choices=("day", "month", "year"), help="the periods of --over")
    cli.add_json(parser, "the clusters")
    # None where the user did not say: a folder has its own.
    parser.set_defaults(run=_run, model=None, precision=None)


def _run(options: argparse.Namespace) -> int:
    making = (
        "precision", "device", "vectors", "clusters", "threshold", "granularity", "stop_words",
        "cross", "budget", "labels", "target",
    )  # fmt: skip
    changing = ("rename", "merge", "split", "subset", "tree", "over", "by")
    check_command(options.name_with)
    if options.assign is not None:
        _refuse(options, (*making, *changing, "color", "names", "name_with"),
                "does not go with --assign")  # fmt: skip
        return _assign(options)
    if Path(options.file).is_dir():
        _refuse(options, (*making, "outliers", "column"), "is for a file of sentences, and "
                f"{options.file} is a folder: its clusters are made already")  # fmt: skip
        if options.by and not options.over:
            raise InputError("--by is the period of --over COLUMN: give that too.")
        if options.name_with and options.output is None:
            raise InputError("--name-with needs -o DIR, so that its names are not lost.")
        return _change(options)
    _refuse(options, changing,
            f"takes a folder that `sememe cluster -o` wrote, not {options.file}")  # fmt: skip
    return _cluster(options)


def _refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    for name in names:
        if getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')} {why}.")


def _cluster(options: argparse.Namespace) -> int:
    from sememe.clustering.folder import FILES
    from sememe.reports.cluster_map import check_color
    from sememe.tables import BlankCells, choose_column, read_table

    started = time.perf_counter()
    if options.output is None:
        raise InputError("-o DIR is needed: the folder that the results go to.")
    directory = cli.output_directory(options.output, FILES)
    for name in FILES:
        cli.check_outputs([options.file], {"-o": directory / name})
    new_names = read_names(options.names)
    table = read_table(options.file)
    column = table.text_name(options.column)
    texts = table.text_column(options.column)
    others = {name: values for name, values in table.columns.items() if name != column}
    color = options.color and choose_column(list(table.columns), options.color, table.source.file)
    check_color(color, others)
    blanks = BlankCells(column)
    if len(blanks.add(texts, table.source)) == len(texts):
        raise TableError(f'{table.source.file} has no text to cluster: every "{column}" is blank')
    blanks.warn("and in no cluster")
    warnings.simplefilter("ignore", BlankWarning)  # which would call the same cells by their rows
    cross = cli.cross_options(options)
    encoder = sememe.BiEncoder(options.model or cli.DEFAULT_MODEL, **cli.engine_options(options))
    vectors = None
    if options.vectors:
        from sememe.encoders.stored import read_vectors

        names = table.text_names(options.column)
        vectors = read_vectors(options.vectors, texts, encoder, columns=names)
    groups = sememe.cluster(
        texts,
        encoder,
        vectors=vectors,
        clusters=options.clusters,
        threshold=options.threshold,
        granularity=options.granularity,
        outliers=options.outliers,
        stop_words=[word.strip() for word in options.stop_words.split(",") if word.strip()],
        labels=options.labels,
        target=options.target,
        **cross,
    )
    if groups.cascade:
        print(groups.cascade, file=sys.stderr)
    title = "Standard input" if options.file == "-" else Path(options.file).name
    groups = replace(groups, columns=table.columns, title=title, color=color)
    groups.save(directory)
    groups = _named(groups, new_names, options)
    _show(groups, options)
    print(
        f"{counted(len(texts) - blanks.count, 'text')}, {counted(len(groups), 'cluster')}, "
        f"{counted(len(groups.outliers), 'outlier')} in {time.perf_counter() - started:.1f} s: "
        f"{directory / 'map.html'}",
        file=sys.stderr,
    )
    return 0


def _change(options: argparse.Namespace) -> int:
    """Open a clustering, change it, show it, and save it where -o says."""
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
        groups = replace(groups, color=options.color)
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
    """File a table's sentences under the clusters of a folder."""
    from sememe.clustering.folder import with_assignments
    from sememe.tables import BlankCells, output_format, read_table, write_table

    groups = sememe.Clusters.open(options.assign, options.model)
    if options.output is not None:
        cli.check_outputs([options.file], {"-o": options.output})
        output_format(options.output)
    table = read_table(options.file)
    texts = table.text_column(options.column)
    blanks = BlankCells(table.text_name(options.column))
    blank_rows = blanks.add(texts, table.source)
    blanks.warn("and in no cluster")
    warnings.simplefilter("ignore", BlankWarning)
    assignment = groups.assign(texts, outliers=options.outliers)
    columns = with_assignments(table.columns, groups, assignment, blank_rows)
    if options.output is None:
        _print_rows(columns, options.json)
    else:
        write_table(Path(options.output), columns)
    print(
        f"{counted(len(texts) - blanks.count, 'text')}, "
        f"{int((assignment.labels < 0).sum()) - blanks.count:,} fit none of the "
        f"{counted(len(groups), 'cluster')}.",
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
    """Print the clusters, their tree, or their counts over a column."""
    if options.over:
        counts = groups.over(options.over, options.by)
        cli.print_json(counts.rows) if options.json else print(counts)
    elif options.tree:
        tree = groups.tree()
        cli.print_json(tree.to_dict()) if options.json else print(tree)
    elif options.json:
        cli.print_json(groups.to_dict())
    else:
        print(groups)


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

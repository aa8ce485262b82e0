"""`sememe cluster`: group a file of sentences by meaning, and draw a map of the groups."""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import (
    add_command,
    add_cross,
    add_input,
    add_json,
    add_model,
    check_outputs,
    cross_options,
    engine_options,
    output_directory,
    print_json,
)
from sememe.errors import BlankWarning, TableError
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.clustering import Clusters
    from sememe.tables import Table

_OUTPUTS = ("assignments.csv", "clusters.json", "map.html")

_EXAMPLES = """\
sememe cluster questions.txt -o groups/
sememe cluster survey.csv --column answer --clusters 20 -o groups/
sememe cluster survey.csv --column answer --color month -o groups/
sememe cluster titles.jsonl --granularity fine --json -o groups/ > groups.json
sememe cluster questions.txt --cross cross-encoder/quora-roberta-base --budget 3n -o groups/"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "cluster",
        summary="group a file of sentences by meaning, and draw a map of the groups",
        description="Group a file of sentences by meaning. Writes assignments.csv, clusters.json "
        "and map.html, a page that opens in any browser, without a network.",
        examples=_EXAMPLES,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="where results go")
    add_model(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--clusters", metavar="K", type=int, help="exactly so many clusters")
    how.add_argument("--threshold", metavar="COSINE", type=float,
                     help="group sentences that are at least this similar")  # fmt: skip
    how.add_argument("--granularity", metavar="G", type=_granularity,
                     help="coarse, fine, or a resolution such as 2.5")  # fmt: skip
    parser.add_argument("--color", metavar="COLUMN",
                        help="the column that the map opens coloured by")  # fmt: skip
    add_cross(parser)
    add_json(parser, "the clusters")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.reports.cluster_map import check_color
    from sememe.tables import BlankCells, choose_column, read_table

    started = time.perf_counter()
    directory = output_directory(options.output, _OUTPUTS)
    for name in _OUTPUTS:
        check_outputs([options.file], {"-o": directory / name})
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
    cross = cross_options(options)
    encoder = sememe.BiEncoder(options.model, **engine_options(options))
    groups = sememe.cluster(
        texts,
        encoder,
        clusters=options.clusters,
        threshold=options.threshold,
        granularity=options.granularity,
        **cross,
    )
    if groups.cascade:
        print(groups.cascade, file=sys.stderr)
    title = "Standard input" if options.file == "-" else Path(options.file).name
    _write(directory, table, groups)
    groups.save_map(directory / _OUTPUTS[2], columns=others, color=color, title=title)
    if options.json:
        print_json(groups.to_dict())
    else:
        print(groups)
    print(
        f"{counted(len(texts) - blanks.count, 'text')}, {counted(len(groups), 'cluster')}, "
        f"{counted(len(groups.outliers), 'outlier')} in {time.perf_counter() - started:.1f} s: "
        f"{directory / 'map.html'}",
        file=sys.stderr,
    )
    return 0


def _write(directory: Path, table: "Table", groups: "Clusters") -> None:
    from sememe.tables import new_column, replacing, write_cells

    directory.mkdir(parents=True, exist_ok=True)
    labels: list[int | None] = groups.labels.tolist()
    for row in groups.blanks:
        labels[row] = None
    label = new_column("cluster", table.columns)
    write_cells(directory / _OUTPUTS[0], {**table.columns, label: labels})
    with replacing(directory / _OUTPUTS[1]) as temporary:
        text = json.dumps(groups.to_dict(), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def _granularity(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value

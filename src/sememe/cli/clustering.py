"""`sememe cluster`: group a file of sentences by meaning, and draw a map of the groups."""

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import (
    add_command,
    add_input,
    add_json,
    add_model,
    engine_options,
    output_directory,
    print_json,
)
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.clustering import Clusters
    from sememe.tables import Table

_OUTPUTS = ("assignments.csv", "clusters.json", "map.html")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

_EXAMPLES = """\
sememe cluster questions.txt -o groups/
sememe cluster survey.csv --column answer --clusters 20 -o groups/
sememe cluster titles.jsonl --granularity fine --json -o groups/ > groups.json"""


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
    add_json(parser, "the clusters")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import read_table

    started = time.perf_counter()
    directory = output_directory(options.output, _OUTPUTS)
    table = read_table(options.file)
    texts = table.text_column(options.column)
    encoder = sememe.BiEncoder(options.model, **engine_options(options))
    groups = sememe.cluster(
        texts,
        encoder,
        clusters=options.clusters,
        threshold=options.threshold,
        granularity=options.granularity,
    )
    title = "Standard input" if options.file == "-" else Path(options.file).name
    _write(directory, table, groups, title=title)
    if options.json:
        print_json(groups.to_dict())
    else:
        print(groups)
    print(
        f"{counted(len(texts), 'text')}, {counted(len(groups), 'cluster')}, "
        f"{counted(len(groups.outliers), 'outlier')} in {time.perf_counter() - started:.1f} s: "
        f"{directory / 'map.html'}",
        file=sys.stderr,
    )
    return 0


def _write(directory: Path, table: "Table", groups: "Clusters", title: str) -> None:
    from sememe.tables import replacing, write_table

    directory.mkdir(parents=True, exist_ok=True)
    label = "cluster"
    while label in table.columns:
        label = f"sememe_{label}"
    columns = {name: [cell(value) for value in values] for name, values in table.columns.items()}
    write_table(directory / _OUTPUTS[0], {**columns, label: groups.labels})
    with replacing(directory / _OUTPUTS[1]) as temporary:
        text = json.dumps(groups.to_dict(), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    groups.save_map(directory / _OUTPUTS[2], title=title)


def cell(value: object) -> object:
    """A value as csv can hold it: NUL and halves of surrogate pairs become U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _granularity(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value

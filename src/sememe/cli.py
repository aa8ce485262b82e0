"""The commands: parse, call, print.

Exit codes: 0 done, 2 the user's input is wrong (one line says what), 130 stopped by Ctrl-C,
1 anything else.
"""

import argparse
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import sememe
from sememe.errors import InputError, SememeError, SememeWarning

if TYPE_CHECKING:
    from sememe.clustering import Clusters
    from sememe.tables import Table

_OUTPUTS = ("assignments.csv", "clusters.json", "map.html")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

_CLUSTER_EXAMPLES = """\
examples:
  sememe cluster questions.txt -o groups/
  sememe cluster survey.csv --column answer --clusters 20 -o groups/
  sememe cluster titles.jsonl --granularity fine --json -o groups/ > groups.json
"""


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one line, like every other error of sememe's."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows how)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", SememeWarning)
        warnings.showwarning = _note
        try:
            code: int = options.run(options)
            sys.stdout.flush()
        except SememeError as error:
            print(f"sememe: {error}", file=sys.stderr)
            return 2
        except BrokenPipeError:  # the reader, such as head, has seen enough; files are written
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            print("sememe: stopped", file=sys.stderr)
            return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sememe", description="Sentence encoders on the machine you have.")
    parser.add_argument("--version", action="version", version=f"sememe {sememe.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_cluster(commands)
    return parser


def _add_cluster(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser(
        "cluster",
        help="group a file of sentences by meaning, and draw a map of the groups",
        description="Group a file of sentences by meaning. Writes assignments.csv, clusters.json "
        "and map.html, a page that opens in any browser, without a network.",
        epilog=_CLUSTER_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="txt, csv, tsv, jsonl or parquet; - for stdin")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="where results go")
    parser.add_argument("--column", metavar="NAME", help="the column with the text")
    parser.add_argument("--model", metavar="M", default="all-MiniLM-L6-v2", help="a bi-encoder: "
                        "a directory, a name or a Hub id (default: %(default)s)")  # fmt: skip
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto",
                        help="what to compute in (default: %(default)s)")  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--clusters", metavar="K", type=int, help="exactly so many clusters")
    how.add_argument("--threshold", metavar="COSINE", type=float,
                     help="group sentences that are at least this similar")  # fmt: skip
    how.add_argument("--granularity", metavar="G", type=_granularity,
                     help="coarse, fine, or a resolution such as 2.5")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the clusters as JSON")
    parser.set_defaults(run=_cluster)


def _cluster(options: argparse.Namespace) -> int:
    from sememe.tables import read_table

    started = time.perf_counter()
    directory = _output_directory(options.output)
    table = read_table(options.file)
    texts = table.text_column(options.column)
    encoder = sememe.BiEncoder(options.model, precision=options.precision)
    groups = sememe.cluster(
        texts,
        encoder,
        clusters=options.clusters,
        threshold=options.threshold,
        granularity=options.granularity,
    )
    title = "Standard input" if options.file == "-" else Path(options.file).name
    _write_clusters(directory, table, groups, title=title)
    if options.json:
        print(json.dumps(groups.to_dict(), ensure_ascii=False))
    else:
        print(groups)
    print(
        f"{len(texts):,} texts, {len(groups):,} clusters, {len(groups.outliers):,} outliers in "
        f"{time.perf_counter() - started:.1f} s: {directory / 'map.html'}",
        file=sys.stderr,
    )
    return 0


def _write_clusters(directory: Path, table: "Table", groups: "Clusters", title: str) -> None:
    from sememe.tables import replacing, write_table

    directory.mkdir(parents=True, exist_ok=True)
    label = "cluster"
    while label in table.columns:
        label = f"sememe_{label}"
    columns = {name: [_cell(value) for value in values] for name, values in table.columns.items()}
    write_table(directory / _OUTPUTS[0], {**columns, label: groups.labels})
    with replacing(directory / _OUTPUTS[1]) as temporary:
        text = json.dumps(groups.to_dict(), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    groups.save_map(directory / _OUTPUTS[2], title=title)


def _cell(value: object) -> object:
    """A value as csv can hold it: NUL and halves of surrogate pairs become U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _output_directory(name: str) -> Path:
    """Refuse an output that cannot be written, before the work and not after it."""
    directory = Path(name).absolute()
    try:
        standing = next(path for path in (directory, *directory.parents) if path.exists())
    except OSError as error:
        raise InputError(f"-o {name}: {error.strerror}.") from None
    if not standing.is_dir():
        raise InputError(f"-o {name}: {standing} is there and this is a file, not a directory.")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise InputError(f"-o {name}: you may not write into {standing}.")
    for file in _OUTPUTS:
        if (directory / file).is_dir():
            raise InputError(f"-o {name}: {directory / file} is a directory; a file goes there.")
    return Path(name)


def _granularity(value: str) -> str | float:
    try:
        return float(value)
    except ValueError:
        return value


def _note(message: Warning | str, *_: object, **__: object) -> None:
    print(f"note: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

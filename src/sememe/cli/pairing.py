"""`sememe pairs`: the texts of a file that mean (nearly) the same, and the file without them."""

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli
from sememe.errors import BlankWarning, InputError
from sememe.progress import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from sememe.pairs import Dropped, Pairs
    from sememe.tables import Source, Table

    Ids = Sequence[object]

_EXAMPLES = """\
sememe pairs questions.txt -o pairs.csv
sememe pairs tickets.csv --column subject --threshold 0.9 -o pairs.csv --deduplicate clean/
sememe pairs titles.jsonl --id doc_id --top 100 -o pairs.jsonl
sememe pairs questions.txt --cross path/to/a/cross-encoder --labels judged.csv -o pairs.csv"""


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "pairs",
        summary="find near-duplicates and paraphrases in a file, and drop them",
        description="Find the texts of a file that mean (nearly) the same: all pairs that are at "
        "least so similar, or the closest ones. Rows are called by their number among the file's "
        "rows, from 1, by --id, and by their line where the file has lines.",
        examples=_EXAMPLES,
    )
    cli.add_input(parser)
    parser.add_argument("--id", metavar="COLUMN", help="a column that names the rows in what is "
                        "written")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="OUT", required=True,
                        help="the pairs: x.csv, x.tsv, x.xlsx, x.jsonl or x.parquet")  # fmt: skip
    cli.add_model(parser)
    cli.add_vectors(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--threshold", metavar="COSINE", type=cli.cosine,
                     help="pairs that are at least this similar (default: one is suggested from "
                     "the texts)")  # fmt: skip
    how.add_argument("--top", metavar="N", type=cli.whole_number, help="the N closest pairs")
    parser.add_argument("--centre", action="store_true", help="subtract the mean of all vectors "
                        "first, which tells no texts apart")  # fmt: skip
    cli.add_cross(parser)
    parser.add_argument("--labels", metavar="FILE", help="from 50 labelled pairs (two texts and a "
                        "label, 1 for duplicates), by which --cross is judged")  # fmt: skip
    parser.add_argument("--deduplicate", metavar="DIR", help="write here kept.*, the file with "
                        "one text of every group of such pairs, and dropped.csv, what it leaves "
                        "out and why")  # fmt: skip
    cli.add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import BlankCells, output_format, read_table, write_table

    started = time.perf_counter()
    if output_format(options.output) == "txt":
        raise InputError(f"-o {options.output}: txt holds no columns; name it .csv or .jsonl.")
    outputs = {"-o": Path(options.output), **_deduplicated(options)}
    cli.check_outputs([options.file], outputs)
    table = read_table(options.file)
    ids = None if options.id is None else _ids(table.column(options.id))
    column = table.text_name(options.column)
    texts = table.text_column(options.column)
    blanks = BlankCells(column)
    blanks.add(texts, table.source)
    blanks.warn("and in no pair")
    warnings.simplefilter("ignore", BlankWarning)  # which would call the same cells by their rows
    cross = cli.cross_options(options)
    encoder = sememe.BiEncoder(options.model, **cli.engine_options(options))
    limits = {"threshold": options.threshold, "top": options.top, "centre": options.centre}
    vectors = None
    if options.vectors:
        from sememe.encoders.stored import read_vectors

        names = table.text_names(options.column)
        vectors = read_vectors(options.vectors, texts, encoder, columns=names)
    pairs = sememe.find_pairs(
        texts, encoder, vectors=vectors, **limits, **cross, labels=options.labels
    )
    ends = {"first": pairs.first.tolist(), "second": pairs.second.tolist()}
    columns = {**_places(ends, table.source, ids), "score": pairs.score}
    columns |= {f"{name}_text": [texts[row] for row in rows] for name, rows in ends.items()}
    write_table(outputs["-o"], columns)
    summary = {
        "texts": len(texts) - blanks.count,
        "blank": blanks.count,
        "pairs": len(pairs),
        "threshold": round(pairs.threshold, 6),
    }
    if options.deduplicate:
        summary["kept"] = _write_deduplicated([*outputs.values()][1:], table, pairs, ids)
    if options.json:
        cascade = {"cascade": pairs.cascade.to_dict()} if pairs.cascade else {}
        cli.print_json({**summary, "why": pairs.why, **cascade})
    _say(options, summary, pairs, time.perf_counter() - started)
    return 0


def _deduplicated(options: argparse.Namespace) -> dict[str, Path]:
    """What `--deduplicate` writes: kept rows in the format of the input, and the dropped ones."""
    from sememe.tables.files import input_format

    if not options.deduplicate:
        return {}
    files = (f"kept.{input_format(options.file)}", "dropped.csv")
    directory = cli.output_directory(options.deduplicate, files, "--deduplicate")
    return {f"--deduplicate ({file})": directory / file for file in files}


def _ids(values: "Sequence[object]") -> "Ids":
    """Ids of one type, so that every format holds them: whole numbers, or texts."""
    numbers = all(type(value) is int and abs(value) < 2**63 for value in values)
    return [value if numbers or value is None else str(value) for value in values]


def _places(
    ends: "Mapping[str, Sequence[int]]", source: "Source", ids: "Ids | None"
) -> dict[str, "Sequence[object] | NDArray[Any]"]:
    """Rows by their record numbers, by the user's ids, and by their lines where there are some."""
    columns: dict[str, Any] = {name: list(map(source.record, rows)) for name, rows in ends.items()}
    if ids is not None:
        columns |= {f"{name}_id": [ids[row] for row in rows] for name, rows in ends.items()}
    if source.unit == "line":
        columns |= {f"{name}_line": list(map(source.number, rows)) for name, rows in ends.items()}
    return columns


def _write_deduplicated(
    outputs: list[Path], table: "Table", pairs: "Pairs", ids: "Ids | None"
) -> int:
    from sememe.tables import write_table

    clean, dropped = outputs
    clean.parent.mkdir(parents=True, exist_ok=True)
    rows = pairs.deduplicated().tolist()
    write_table(clean, table.take(rows).columns)
    left_out, texts = pairs.dropped(), pairs.texts
    ends = {"dropped": [one.row for one in left_out], "kept": [one.kept for one in left_out]}
    name = lambda row: f"row {table.source.record(row)}" if ids is None else f"id {ids[row]}"  # noqa: E731
    columns = {
        **_places(ends, table.source, ids),
        "score": [round(one.score, 6) for one in left_out],
        "reason": [_reason(one, texts, name) for one in left_out],
        "dropped_text": [texts[one.row] for one in left_out],
        "kept_text": [texts[one.kept] for one in left_out],
    }
    write_table(dropped, columns)
    return len(rows)


def _reason(one: "Dropped", texts: list[str], name: "Callable[[int], str]") -> str:
    representative = name(one.kept)
    if texts[one.row] == texts[one.kept]:
        return f"copy of {representative}"
    if one.partner == one.kept:
        return f"{one.score:.2f} like {representative}"
    return f"joined to {representative} through {name(one.partner)}, {one.score:.2f} like that"


def _say(
    options: argparse.Namespace, summary: dict[str, Any], pairs: "Pairs", seconds: float
) -> None:
    print(
        f"{counted(summary['texts'], 'text')}, {counted(len(pairs), 'pair')} of "
        f"{pairs.threshold:.3f} and above in {seconds:.1f} s: {options.output}"
        + (f"\n{pairs.why}" if pairs.why else "")
        + (f"\n{pairs.cascade}" if pairs.cascade else ""),
        file=sys.stderr,
    )
    if "kept" in summary:
        dropped = len(pairs.texts) - summary["kept"]
        note = "; texts so near can still differ in a word that matters: read dropped.csv, or give "
        print(
            f"{counted(summary['kept'], 'row')} kept, {dropped:,} dropped: {options.deduplicate}"
            + (f"{note}--threshold 0.9" if pairs.why and dropped else ""),
            file=sys.stderr,
        )

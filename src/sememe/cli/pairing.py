"""`sememe pairs`: the texts of a file that mean (nearly) the same, and the file without them."""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli
from sememe.errors import InputError, SememeWarning, warn
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


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "pairs", _run,
        summary="find near-duplicates and paraphrases in a file, and drop them",
        description="Find the texts of a file that mean (nearly) the same: all pairs that are at "
        "least so similar, or the closest ones. Rows are called by their number among the file's "
        "rows, from 1, by --id, and by their line where the file has lines.",
        examples=_EXAMPLES,
    )
    add = partial(cli.option, parser)
    cli.add_input(parser)
    add("--id COLUMN", "a column that names the rows in what is written")
    add("-o --output OUT", "the pairs: x.csv, x.tsv, x.xlsx, x.jsonl or x.parquet", required=True)
    cli.add_model(parser)
    cli.add_vectors(parser)
    how = parser.add_mutually_exclusive_group()
    cli.option(how, "--threshold COSINE", "pairs that are at least this similar (default: one is "
               "suggested from the texts)", type=float)
    cli.option(how, "--top N", "the N closest pairs", type=cli.whole_number)
    add("--centre", "subtract the mean of all vectors first, which tells no texts apart")
    cli.add_cross(parser)
    add("--labels FILE", "from 50 labelled pairs (two texts and a label, 1 for duplicates), by "
        "which --cross is judged")
    add("--deduplicate DIR", "write here kept.*, the file with one text of every group of such "
        "pairs, and dropped.csv, what it leaves out and why")
    cli.add_json(parser, "a summary")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import output_format, write_table

    started = time.perf_counter()
    if output_format(options.output) == "txt":
        raise InputError(f"-o {options.output}: txt holds no columns; name it .csv or .jsonl.")
    outputs = {"-o": Path(options.output), **_deduplicated(options)}
    cli.check_outputs([options.file], outputs)
    table, texts, blank = cli.read_rows(options.file, options.column, "and in no pair")
    ids = None if options.id is None else _ids(table.column(options.id), options.id)
    cross = cli.open_cross(options)
    encoder = sememe.BiEncoder(options.model, **cli.engine_options(options))
    vectors = cli.read_vectors(options, table, texts, encoder)
    how = {**cli.arguments(options, sememe.find_pairs), "vectors": vectors, "cross": cross}
    pairs = sememe.find_pairs(texts, encoder, **how)
    ends = {"first": pairs.first.tolist(), "second": pairs.second.tolist()}
    columns = {**_places(ends, table.source, ids), "score": pairs.score}
    columns |= {f"{name}_text": [texts[row] for row in rows] for name, rows in ends.items()}
    write_table(outputs["-o"], columns)
    read = len(texts) - len(blank)
    summary: dict[str, Any] = {"texts": read, "blank": len(blank), "pairs": len(pairs)}
    summary["threshold"] = round(pairs.threshold, 6)
    message = (
        f"{counted(read, 'text')}, {counted(len(pairs), 'pair')} of {pairs.threshold:.3f} and "
        f"above in {time.perf_counter() - started:.1f} s: {options.output}"
        f"{'' if len(pairs) else '; a lower --threshold finds more, --top 20 the closest ones'}"
    )
    lines = [message, pairs.why or "", str(pairs.cascade or "")]
    if options.deduplicate:
        kept = summary["kept"] = _write_deduplicated([*outputs.values()][1:], table, pairs, ids)
        dropped = len(texts) - kept
        message = f"{counted(kept, 'row')} kept, {dropped:,} dropped: {options.deduplicate}"
        if pairs.why and dropped:
            message += "; texts so near can still differ in a word that matters: read dropped.csv, "
            message += "or give --threshold 0.9"
        lines.append(message)
    cascade = {"cascade": pairs.cascade.to_dict()} if pairs.cascade else {}
    return cli.report(
        options, {**summary, "why": pairs.why, **cascade}, "\n".join(filter(None, lines))
    )


def _deduplicated(options: argparse.Namespace) -> dict[str, Path]:
    """What `--deduplicate` writes: kept rows in the format of the input, and the dropped ones."""
    from sememe.tables.files import input_format

    if not options.deduplicate:
        return {}
    files = (f"kept.{input_format(options.file)}", "dropped.csv")
    directory = cli.output_directory(options.deduplicate, files, "--deduplicate")
    return {f"--deduplicate ({file})": directory / file for file in files}


def _ids(values: "Sequence[object]", column: str) -> "Ids":
    """Ids of one type, so that every format holds them: whole numbers, or texts."""
    numbers = all(type(value) is int and abs(value) < 2**63 for value in values)
    ids = [value if numbers or value is None else str(value) for value in values]
    if len({*ids} - {None, ""}) < len(ids):
        warn(
            f'some rows have no "{column}", or that of another row: the record numbers in first '
            "and second tell them apart.",
            SememeWarning,
        )
    return ids


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

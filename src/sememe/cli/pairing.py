"""`sememe pairs`: the texts of a file that mean (nearly) the same, and the file without them."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sememe
from sememe.cli.clustering import cell
from sememe.cli.parser import (
    add_command,
    add_input,
    add_json,
    add_model,
    cosine,
    engine_options,
    output_directory,
    print_json,
    whole,
)
from sememe.errors import InputError
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.pairs import Dropped, Pairs
    from sememe.tables import Source, Table

_EXAMPLES = """\
sememe pairs questions.txt -o pairs.csv
sememe pairs tickets.csv --column subject --threshold 0.9 -o pairs.csv --deduplicate clean/
sememe pairs titles.jsonl --top 100 -o pairs.jsonl"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "pairs",
        summary="find near-duplicates and paraphrases in a file, and drop them",
        description="Find the texts of a file that mean (nearly) the same: all pairs that are at "
        "least so similar, or the closest ones. Rows are called by the file's own numbers: lines, "
        "or rows of parquet, from 1.",
        examples=_EXAMPLES,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True,
                        help="x.csv, x.tsv, x.jsonl or x.parquet for the pairs")  # fmt: skip
    add_model(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--threshold", metavar="COSINE", type=cosine,
                     help="pairs that are at least this similar (default: one is suggested from "
                     "the texts)")  # fmt: skip
    how.add_argument("--top", metavar="N", type=whole, help="the N closest pairs")
    parser.add_argument("--deduplicate", metavar="DIR", help="write here kept.*, the file with "
                        "one text of every group of such pairs, and dropped.csv, what it leaves "
                        "out and why")  # fmt: skip
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import output_format, read_table, write_table

    started = time.perf_counter()
    if output_format(options.output) == "txt":
        raise InputError(f"-o {options.output}: txt holds no columns; name it .csv or .jsonl.")
    outputs = [Path(options.output), *_deduplicated(options)]
    if any(path.resolve() == Path(options.file).resolve() for path in outputs):
        raise InputError(f"{options.file} would be overwritten by what is found: write elsewhere.")
    if Path(options.output).resolve() in (path.resolve() for path in outputs[1:]):
        raise InputError(
            f"-o {options.output} is a file that --deduplicate writes: give it another name."
        )
    table = read_table(options.file)
    texts = table.text_column(options.column)
    encoder = sememe.BiEncoder(options.model, **engine_options(options))
    found = sememe.find_pairs(texts, encoder, threshold=options.threshold, top=options.top)
    ends = {"first": found.first.tolist(), "second": found.second.tolist()}
    numbers = {name: [table.source.number(i) for i in rows] for name, rows in ends.items()}
    written = {f"{name}_text": [cell(texts[i]) for i in rows] for name, rows in ends.items()}
    write_table(options.output, {**numbers, "score": found.score, **written})
    said = {"texts": len(texts), "pairs": len(found), "threshold": round(found.threshold, 6)}
    kept = None
    if options.deduplicate:
        said["kept"] = kept = _write_deduplicated(outputs[1], outputs[2], table, found)
    if options.json:
        print_json({**said, "why": found.why})
    _say(options, found, kept, time.perf_counter() - started)
    return 0


def _deduplicated(options: argparse.Namespace) -> list[Path]:
    """What `--deduplicate` writes: kept rows in the format of the input, and the dropped ones."""
    from sememe.tables.files import input_format

    if not options.deduplicate:
        return []
    files = (f"kept.{input_format(options.file)}", "dropped.csv")
    directory = output_directory(options.deduplicate, files, "--deduplicate")
    return [directory / file for file in files]


def _write_deduplicated(kept: Path, dropped: Path, table: "Table", found: "Pairs") -> int:
    from sememe.tables import write_table

    kept.parent.mkdir(parents=True, exist_ok=True)
    rows = found.deduplicated().tolist()
    write_table(kept, {name: [column[i] for i in rows] for name, column in table.columns.items()})
    gone, texts, number = found.dropped(), found.texts, table.source.number
    columns: dict[str, list[object]] = {
        "dropped": [number(one.row) for one in gone],
        "kept": [number(one.kept) for one in gone],
        "score": [round(one.score, 6) for one in gone],
        "reason": [_reason(one, texts, table.source) for one in gone],
        "dropped_text": [cell(texts[one.row]) for one in gone],
        "kept_text": [cell(texts[one.kept]) for one in gone],
    }
    write_table(dropped, columns)
    return len(rows)


def _reason(one: "Dropped", texts: list[str], source: "Source") -> str:
    kept, partner = (f"{source.unit} {source.number(row)}" for row in (one.kept, one.partner))
    if texts[one.row] == texts[one.kept]:
        return f"copy of {kept}"
    if one.partner == one.kept:
        return f"{one.score:.2f} like {kept}"
    return f"joined to {kept} through {partner}, {one.score:.2f} like that"


def _say(options: argparse.Namespace, found: "Pairs", kept: int | None, seconds: float) -> None:
    print(
        f"{counted(len(found.texts), 'text')}, {counted(len(found), 'pair')} of "
        f"{found.threshold:.3f} and above in {seconds:.1f} s: {options.output}"
        + (f"\n{found.why}" if found.why else ""),
        file=sys.stderr,
    )
    if kept is not None:
        left = len(found.texts) - kept
        note = "; texts so near can still differ in a word that matters: read dropped.csv, or give "
        print(
            f"{counted(kept, 'text')} kept, {left:,} dropped: {options.deduplicate}"
            + (f"{note}--threshold 0.9" if found.why and left else ""),
            file=sys.stderr,
        )

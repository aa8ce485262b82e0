"""`sememe select`: which encoder is the right tool for the user's data and machine."""

import argparse
import sys

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe select labelled-pairs.csv
sememe select tickets.csv --task cluster --texts 2000000
sememe select faq/ --model my-model --queries-per-day 50000 --latency 50ms --report report.html
sememe select articles.txt --task search --ask 25 -o questions.csv
sememe select articles.txt --task search --labels questions.csv"""


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "select",
        summary="find the right encoder for your data and machine, by measuring",
        description="Measure every encoder that is here on a labelled sample (50 rows are enough "
        "to start), and say which is the right tool at your scale, with its reasons. Without "
        "labels a fixed jury orders them. Interrupted, the same command resumes: measurements "
        "are kept.",
        examples=_EXAMPLES,
    )
    parser.add_argument("data", metavar="DATA", help="labelled pairs, scored pairs, triplets or "
                        "texts; a folder with the tables corpus, queries, qrels; or texts without "
                        "labels, with --task")  # fmt: skip
    parser.add_argument("--task", choices=("search", "cluster", "pairs", "classify"),
                        help="what it is for, where the columns do not say it")  # fmt: skip
    cli.add_roles(parser)
    parser.add_argument("--model", metavar="M", nargs="+", action="extend", default=[],
                        help="further candidates of any kind: names or folders")  # fmt: skip
    parser.add_argument("--only", action="store_true", help="no candidates but those of --model")
    parser.add_argument("--train", action="store_true", help="for classes, tune encoders too: "
                        "minutes each")  # fmt: skip
    parser.add_argument("--queries", metavar="FILE", help="for search without labels, real queries")
    parser.add_argument("--texts", metavar="N", type=cli.whole_number, help="how many texts there "
                        "will be (default: as many as in DATA)")  # fmt: skip
    parser.add_argument("--queries-per-day", metavar="N", type=cli.whole_number,
                        help="how many queries a day an index will answer")  # fmt: skip
    parser.add_argument("--latency", metavar="T", help="the longest that a call may take, as 50ms")
    parser.add_argument("--memory", metavar="S", help="the most memory, as 2GB")
    parser.add_argument("--ask", metavar="N", type=cli.whole_number, help="write to -o what is "
                        "most worth labelling: so many queries, texts or pairs")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", help="the table that --ask writes")
    parser.add_argument("--labels", metavar="FILE", help="what --ask wrote, filled in")
    parser.add_argument("--report", metavar="HTML", help="write the report, one HTML file")
    cli.add_json(parser, "everything that was measured")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.selection.verdict import table

    if bool(options.ask) != bool(options.output):
        raise sememe.errors.InputError("--ask N and -o FILE go together: give both.")
    outputs = {"-o": options.output, "--report": options.report}
    inputs = [options.data, *filter(None, [options.labels, options.queries])]
    cli.check_outputs(inputs, {name: file for name, file in outputs.items() if file})
    names = ("task", "labels", "queries", "texts", "queries_per_day", "latency", "memory", "train")
    result = sememe.select(
        options.data,
        models=options.model,
        installed=not options.only,
        columns=options.columns or None,
        **{name: getattr(options, name) for name in names},
    )
    if options.ask:
        rows = result.ask(options.ask, options.output)
        print(f"{options.output}: {rows:,} rows to label; then --labels {options.output}",
              file=sys.stderr)  # fmt: skip
    if options.report:
        result.save(options.report)
        print(f"{options.report}: the report", file=sys.stderr)
    if options.json:
        cli.print_json(result.to_dict())
    else:
        print("\n".join([*_aligned(table(result)), "", result.verdict]))
        if result.equals:
            print(f"\n{result.code}\n{result.command}".rstrip())
    return 0


def _aligned(table: list[list[str]]) -> list[str]:
    """Texts to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            f"{cell:{'<' if at in (0, last) else '>'}{width}}"
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]

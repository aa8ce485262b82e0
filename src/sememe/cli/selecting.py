"""`sememe select`: which encoder is the right tool for the user's data and machine."""

import argparse
import sys
from functools import partial

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe select labelled-pairs.csv
sememe select tickets.csv --task cluster --texts 2000000
sememe select faq/ --model my-model --queries-per-day 50000 --latency 50ms --report report.html
sememe select articles.txt --task search --ask 25 -o questions.csv
sememe select articles.txt --task search --labels questions.csv"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "select", _run,
        summary="find the right encoder for your data and machine, by measuring",
        description="Measure every encoder on this machine on a labelled sample (50 rows are "
        "enough to start), and say which is the right tool at your scale, and why. Without "
        "labels, a fixed jury orders them.",
        examples=_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, parser)
    add("DATA", "labelled pairs, scored pairs, triplets or texts; a folder with the tables corpus, "
        "queries and qrels; or, with --task, texts without labels")
    add("--task", "what it is for, where the columns do not say it",
        choices=("search", "cluster", "pairs", "classify"))
    cli.add_roles(parser)
    add("--model M...", "further candidates of any kind: names or folders", dest="models",
        action="extend", default=[])
    add("--only", "no candidates but those of --model", dest="installed", action="store_false")
    add("--train", "for pairs, triplets and classes, tune encoders too: minutes each")
    cli.add_queries(parser, "real queries, for search without labels")
    add("--texts N", "how many texts there will be (default: as many as in DATA)",
        type=cli.whole_number)
    add("--queries-per-day N", "how many queries a day an index will answer", type=cli.whole_number)
    add("--latency T", "the longest that a call may take, such as 50ms")
    add("--memory S", "the most memory it may take, such as 2GB")
    add("--ask N", "write the N queries, texts or pairs that are most worth labelling to -o",
        type=cli.whole_number)
    add("-o --output FILE", "the table that --ask writes")
    add("--labels FILE", "what --ask wrote, filled in")
    add("--report HTML", "write a report, one HTML file that opens offline")
    cli.add_json(parser, "everything that was measured")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.reports import text_table
    from sememe.selection.verdict import table

    if bool(options.ask) != bool(options.output):
        raise sememe.errors.InputError("--ask N and -o FILE go together: give both.")
    outputs = {"-o": options.output, "--report": options.report}
    inputs = [options.data, *filter(None, [options.labels, options.queries])]
    cli.check_outputs(inputs, {name: file for name, file in outputs.items() if file})
    how = {**cli.arguments(options, sememe.select), "queries": cli.read_queries(options)}
    result = sememe.select(**how)
    if options.ask:
        count = result.ask(options.ask, options.output)
        print(f"{options.output}: {count:,} rows to label; then --labels {options.output}",
              file=sys.stderr)  # fmt: skip
    if options.report:
        result.save(options.report)
        print(f"{options.report}: the report", file=sys.stderr)
    *columns, notes = zip(*table(result), strict=True)
    rows = zip(text_table(list(zip(*columns, strict=True)), left=1), notes, strict=True)
    lines = [*(f"{row}  {note}".rstrip() for row, note in rows), "", result.verdict]
    if result.equals:
        lines += ["", f"{result.code}\n{result.command}".rstrip()]
    cli.show(options, result.to_dict(), "\n".join(lines))
    return 0

"""`sememe distill`: a teacher's judgement in a student's vectors, from a file of texts."""

import argparse
from functools import partial

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe distill tickets.csv --column body --teacher path/to/a/cross-encoder -o my-student
sememe distill articles.csv --queries questions.txt --teacher my-reranker --tune -o my-student
sememe distill tickets.csv --column body --static --dim 256 -o my-static-student
sememe distill texts.txt --teacher a-large-encoder --layers 4 -o my-small-encoder
sememe distill texts.txt --teacher vectors.npy --student all-MiniLM-L6-v2 -o my-student"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "distill", _run,
        summary="give a student a teacher's judgement, from texts without labels",
        description="A cross-encoder teaches a bi-encoder a map of its vectors, or tunes it; "
        "encoding costs what it did before. A bi-encoder, or vectors made elsewhere, teach a "
        "static student, which is hundreds of times as fast as a transformer, or a transformer, "
        "or some of its layers. A tenth of the texts is held out, to say how well the student "
        "agrees with its teacher.",
        examples=_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, parser)
    cli.add_input(parser)
    add("-o --output DIR", "a new or empty folder for the student", required=True)
    add("--teacher T...", "a cross-encoder, a bi-encoder, or x.npy or x.parquet with a vector for "
        f"each row of FILE; several of a kind teach together (default: {cli.DEFAULT_MODEL})",
        default=[cli.DEFAULT_MODEL])
    cli.add_queries(parser, "queries of a search; the texts are then its corpus, and the teacher a "
                    "cross-encoder that reads a query and a document")
    add("--student S", "the bi-encoder that learns, or whose tokens a static student has (default: "
        f"the teacher if it is a bi-encoder, else {cli.DEFAULT_MODEL})")
    way = partial(cli.option, parser.add_mutually_exclusive_group())
    way("--static", "teach a static student: the default where the teacher gives vectors, and "
        "there is neither --student nor --layers", dest="how", action="store_const",
        const="static", default="auto")
    way("--layers N", "keep so many of the student's layers, and train them", type=cli.whole_number)
    way("--tune", "train the student itself on a cross-encoder's scores, which can do more than a "
        "map of its vectors, and takes longer", dest="how", action="store_const", const="tune")
    add("--dim N", "the size of the student's vectors, where the teacher gives vectors (default: "
        "the teacher's)", type=cli.whole_number)
    add("--budget B", "how many pairs a cross-encoder reads: 3n (three for each text or query), "
        "a number, a time such as 2min, or all (default: 3n, with --tune or --queries 20n); of "
        "another teacher, how long training may take (default: 10min)")
    add("--dev GOLD", "labelled data, by which student and teacher are judged too")
    add("--seed N", "seed of the texts held out, and of training", type=int, default=0)
    cli.add_json(parser, "the outcome")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.evaluation.outcome import summary
    from sememe.tables import read_texts

    files = [options.file, *filter(None, [options.queries])]
    cli.check_outputs(files, {"-o": options.output})
    texts = read_texts(options.file, options.column)
    how = {**cli.arguments(options, sememe.distill), "queries": cli.read_queries(options)}
    how["teacher"] = options.teacher if len(options.teacher) > 1 else options.teacher[0]
    outcome = sememe.distill(texts, **how)
    page = f"{options.output}: the student and distillation.html"
    return cli.report(options, summary(outcome), f"{outcome.verdict}\n{page}")

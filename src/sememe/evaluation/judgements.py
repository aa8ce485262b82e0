"""A corpus, queries, and judgements of which documents answer them, as BEIR lays them out."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sememe.data import checks
from sememe.data.reading import quoted, read_all
from sememe.errors import ChoiceWarning, InputError, SememeWarning, TableError, warn
from sememe.evaluation.kinds import RetrievalTask
from sememe.progress import counted
from sememe.tables import Table
from sememe.tables.files import FORMATS

_TABLES = ("corpus", "queries", "qrels")
_DOCUMENT_IDS = ("doc_id", "document_id", "corpus_id", "docid", "_id", "id")
_QUERY_IDS = ("query_id", "qid", "_id", "id")
_TEXTS = ("text", "document", "passage", "query", "question")
_GRADES = ("score", "relevance", "grade", "label")


def find_tables(data: Any, split: str | None) -> dict[str, Any] | None:
    """Corpus, queries and qrels of a dict or a folder that has them; None for all other data.

    Raises:
        TableError: a folder that has some of them, or no table at all.
    """
    if isinstance(data, Mapping) and {*_TABLES} <= {*data}:
        return {name: data[name] for name in _TABLES}
    if not isinstance(data, str | os.PathLike) or not Path(data).is_dir():
        return None
    tables = {}
    for name in _TABLES:
        files = [path for path in Path(data).glob(f"{name}.*") if path.suffix.lower() in FORMATS]
        if name == "qrels" and not files:  # as BEIR has them, a file a split
            files = sorted(Path(data).glob("qrels/*.tsv"))
            files = [path for path in files if path.stem == (split or "test")] or files
        if files:
            tables[name] = files[0]
    has_files = any(path.suffix.lower() in FORMATS for path in Path(data).rglob("*"))
    if len(tables) < len(_TABLES) and (tables or not has_files):
        missing = ", ".join(name for name in _TABLES if name not in tables)
        raise TableError(
            f"{data} is a folder without {missing}: give a file, or a folder with the tables "
            "corpus, queries and qrels."
        )
    return tables or None


def read_judgements(tables: Mapping[str, Any], split: str | None) -> RetrievalTask:
    """The task of three tables, of which each document and query has an id.

    Raises:
        TableError: a column that is missing, an id that comes twice.
        InputError: a judgement of what is not there, or none that a document is relevant.
    """
    corpus = _by_id(read_all(tables["corpus"]), _DOCUMENT_IDS)
    queries = _by_id(read_all(tables["queries"]), _QUERY_IDS)
    qrels = read_all(tables["qrels"])
    file = qrels.source.file
    query_ids, document_ids = (_strings(qrels, words) for words in (_QUERY_IDS, _DOCUMENT_IDS))
    by_grade = _column(qrels, _GRADES, required=False)
    grades = list(checks.read_scores(qrels, by_grade)) if by_grade else [1.0] * len(qrels)
    rows: Sequence[int] = range(len(qrels))
    if "split" in qrels.columns:
        splits = _strings(qrels, ("split",))
        split = chosen_split(splits, split, file)
        rows = [i for i in rows if split in (None, splits[i])]
    if unknown := [i for i in rows if document_ids[i] not in corpus or query_ids[i] not in queries]:
        i = unknown[0]
        missing = (
            f'query "{query_ids[i]}"'
            if document_ids[i] in corpus
            else f'document "{document_ids[i]}"'
        )
        raise InputError(
            f"{qrels.source.where(i)}: there is no {missing} ({len(unknown):,} of "
            f"{counted(len(qrels), 'judgement')} name what is not there): add it, or remove these."
        )
    ids = sorted(corpus, reverse=True)  # of equal scores, trec_eval puts the higher id first
    place = {each: i for i, each in enumerate(ids)}
    relevant: dict[str, dict[int, float]] = {query_ids[i]: {} for i in rows}
    for i in rows:
        if grades[i] > 0:
            relevant[query_ids[i]][place[document_ids[i]]] = grades[i]
    answered = {query: places for query, places in relevant.items() if places}
    check_answered(len(answered), len(relevant), file)
    texts = [queries[query] for query in answered]
    return RetrievalTask(file, texts, [corpus[each] for each in ids], list(answered.values()))


def chosen_split(splits: Sequence[str], split: str | None, file: str) -> str | None:
    """The split to measure on: the user's, or test where there is another too; None for all rows.

    Raises:
        InputError: there is no such split.
    """
    values = dict.fromkeys(splits)
    if split == "all" or (split is None and not len(values) > ("test" in values) > 0):
        return None
    if split is None:
        split = "test"
        warn(
            f"Measured on {splits.count(split):,} of {counted(len(splits), 'row')} of {file}, "
            "those whose split is test (--split all of sememe evaluate takes all).",
            ChoiceWarning,
        )
    elif split not in values:
        raise InputError(f'{file} has no split "{split}"; there are {", ".join(values)} and all.')
    return split


def check_answered(answered: int, total: int, file: str) -> None:
    """Warn of queries without a relevant document; InputError where no query has one."""
    if not answered:
        raise InputError(f"{file}: none of {total:,} queries has a relevant document.")
    if answered < total:
        warn(
            f"{file}: queries without a relevant document are left out, {total - answered:,} of "
            f"{total:,}.",
            SememeWarning,
        )


def _by_id(table: Table, words: Sequence[str]) -> dict[str, str]:
    """Texts by their ids; a title goes before its text."""
    ids, texts = _strings(table, words), table.text_column(_column(table, _TEXTS))
    if title := _column(table, ("title",), required=False):
        pairs = zip(table.text_column(title), texts, strict=True)
        texts = [f"{head} {body}".strip() for head, body in pairs]
    last = {each: i for i, each in enumerate(ids)}
    if len(last) < len(ids):
        i = next(last[each] for i, each in enumerate(ids) if last[each] != i)
        raise TableError(f'{table.source.where(i)}: the id "{ids[i]}" comes twice; make it unique.')
    return dict(zip(ids, texts, strict=True))


def _strings(table: Table, words: Sequence[str]) -> list[str]:
    return [str(value) for value in table.columns[_column(table, words)]]


def _column(table: Table, words: Sequence[str], *, required: bool = True) -> str:
    """The table's name of the column that is called one of the words; "" for none."""
    folded = {name.strip().casefold().replace("-", "_"): name for name in table.columns}
    name = next((folded[word] for word in words if word in folded), "")
    if required and not name:
        raise TableError(
            f"{table.source.file} has the columns {quoted(table.columns)}, and none of "
            f"{', '.join(words)}."
        )
    return name

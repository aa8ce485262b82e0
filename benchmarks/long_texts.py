"""Long texts: what one vector of all their passages is worth, on SciFact's 300 test queries.

    python benchmarks/long_texts.py --data DIR

Titles with their abstracts, cut at 256 tokens or read whole (long="chunk"), by all-MiniLM-L6-v2 in
float32; and the relevant ones behind an abstract that has nothing to do with them, so that what a
query asks for is in the second half.
"""

import argparse
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import R, nDCG

from search import corpus, judged
from sememe import BiEncoder
from sememe.neighbors import nearest

_MEASURES = (nDCG @ 10, R @ 10)
_WAYS = ("truncate", "chunk")


def figures(
    encoder: BiEncoder,
    documents: dict[str, str],
    queries: dict[str, str],
    qrels: dict[str, dict[str, int]],
    long: str,
) -> list[float]:
    """Each measure x 100."""
    ids = list(documents)
    vectors = encoder.encode(list(documents.values()), long=long)
    best = nearest(vectors, 10, queries=encoder.encode(list(queries.values())))
    run = {
        query: {ids[place]: float(score) for place, score in zip(places, scores, strict=True)}
        for query, places, scores in zip(queries, best.indices, best.similarity, strict=True)
    }
    means = ir_measures.calc_aggregate(_MEASURES, qrels, run)
    return [100 * float(means[measure]) for measure in _MEASURES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    encoder = BiEncoder("all-MiniLM-L6-v2", precision="f32")
    documents, (queries, qrels) = corpus(data, "scifact"), judged(data, "scifact")
    relevant = {document for judgements in qrels.values() for document in judgements}
    others = [text for document, text in documents.items() if document not in relevant]
    before = np.random.default_rng(0).permutation(len(others))
    behind = {
        document: f"{others[before[i]]} {documents[document]}"
        for i, document in enumerate(sorted(relevant))
    }
    print("| | nDCG@10 | recall@10 |\n|---|---|---|")
    for label, texts in (
        (f"{len(documents):,} titles with their abstracts", documents),
        (f"the {len(behind)} relevant ones, each behind an unrelated abstract",
         {**documents, **behind}),
    ):  # fmt: skip
        for long in _WAYS:
            row = figures(encoder, texts, queries, qrels, long)
            print(f"| {label}, {long} |", *(f"{figure:.2f} |" for figure in row), flush=True)


if __name__ == "__main__":
    main()

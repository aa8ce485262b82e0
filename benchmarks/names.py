"""Do the names of clusters tell them apart? Judged by the names of the true labels.

    python benchmarks/names.py --data DIR

Each set is clustered with nothing given. A cluster's true label is that of most of its texts. Its
name counts where its vector is nearer to that label's name ("card_payment_fee_charged" without
underscores) than to the name of any other label. The bound is the share of clusters whose centre
is. A version without names (run it with PYTHONPATH set to another checkout) is judged by its terms.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

import sememe
from quality import labelled_sets
from sememe.neighbors import normalized

_SETS = ("Banking77", "CLINC150")


def report(data: Path) -> None:
    encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="int8")
    print("| set | clusters | bound | name | 3 terms | 6 terms | central text | different names |")
    print("|---|---|---|---|---|---|---|---|")
    for labelled in labelled_sets(data):
        if labelled.name not in _SETS:
            continue
        groups = sememe.cluster(labelled.texts, encoder, progress=False)
        truth = np.array(labelled.grains["label"])
        labels = sorted(set(truth.tolist()))
        targets = normalized(encoder.encode([each.replace("_", " ") for each in labels]))
        members = [groups.labels == one.label for one in groups.clusters]
        majority = [Counter(truth[rows].tolist()).most_common(1)[0][0] for rows in members]
        goal = np.array([labels.index(each) for each in majority])
        names = [getattr(one, "name", ", ".join(one.terms[:3])) for one in groups.clusters]
        centers = normalized([groups.vectors[rows].mean(axis=0) for rows in members])
        shares = [100 * np.mean((centers @ targets.T).argmax(axis=1) == goal)]
        for texts in (
            names,
            [", ".join(one.terms[:3]) for one in groups.clusters],
            [", ".join(one.terms) for one in groups.clusters],
            [one.examples[0] for one in groups.clusters],
        ):
            places = normalized(encoder.encode([text or "-" for text in texts]))
            shares.append(100 * np.mean((places @ targets.T).argmax(axis=1) == goal))
        bound, *rest = (f"{share:.1f} %" for share in shares)
        print(
            f"| {labelled.name} | {len(groups)} | {bound} | {' | '.join(rest)} "
            f"| {len(set(names))} |",
            flush=True,
        )
        for name in names[:10]:
            print(f"    {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    report(parser.parse_args().data)


if __name__ == "__main__":
    main()

"""A file of sentences to clusters as a whole, cold process, against what people use for it today.

    python benchmarks/cluster_file.py [--texts FILE --column NAME] [--rounds 3]

Each run is a fresh process that reads the file, encodes it, clusters it and writes JSON; the runs
of the systems alternate. Every output is checked to hold every text before its time counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sememe.tables import read_texts, write_table
from texts import one_line_texts

_SEMEME = """
import json, sys
from pathlib import Path
import sememe
from sememe.tables import read_texts
texts = read_texts(sys.argv[1])
groups = sememe.cluster(texts, sememe.BiEncoder("all-MiniLM-L6-v2", precision="int8"))
Path(sys.argv[2]).write_text(json.dumps({"labels": groups.labels.tolist(), **groups.to_dict()}))
"""
_WITH_MAP = _SEMEME + 'groups.save_map(sys.argv[2] + ".html")\n'
_COMMUNITIES = """
import json, sys
from pathlib import Path
from sentence_transformers import SentenceTransformer, util
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
vectors = SentenceTransformer(sys.argv[3], device="cpu").encode(texts, show_progress_bar=False)
found = util.community_detection(vectors, threshold=0.75, min_community_size=10)
labels = [-1] * len(texts)
for label, rows in enumerate(found):
    for row in rows:
        labels[row] = label
Path(sys.argv[2]).write_text(json.dumps({"labels": labels}))
"""
_BERTOPIC = """
import json, sys
from pathlib import Path
from bertopic import BERTopic
from sentence_transformers import SentenceTransformer
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
model = BERTopic(embedding_model=SentenceTransformer(sys.argv[3], device="cpu"))
labels, _ = model.fit_transform(texts)
Path(sys.argv[2]).write_text(json.dumps({"labels": [int(label) for label in labels]}))
"""
SYSTEMS = {
    "sememe": _SEMEME,
    "sememe, with the map": _WITH_MAP,
    "sentence-transformers + community_detection": _COMMUNITIES,
    "BERTopic": _BERTOPIC,
}


def run(code: str, file: Path, count: int, model: str) -> tuple[float, int]:
    """Seconds of one run as a whole process, and how many clusters it found."""
    output = file.with_suffix(".json")
    output.unlink(missing_ok=True)
    started = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", code, str(file), str(output), model]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    labels = json.loads(output.read_text())["labels"]
    assert len(labels) == count, "a text was lost"
    return seconds, len(set(labels) - {-1})


def main() -> None:
    from sememe.checkpoint import find

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", help="a file of texts; without one, 10,000 one-line texts")
    parser.add_argument("--column")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = read_texts(options.texts, options.column) if options.texts else one_line_texts(10_000)
    texts = [" ".join(text.split()) for text in texts]
    model = str(find("all-MiniLM-L6-v2"))
    taken: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    clusters = dict.fromkeys(SYSTEMS, 0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.txt"
        write_table(file, {"text": texts})
        for _ in range(options.rounds):
            for name, code in SYSTEMS.items():
                once, clusters[name] = run(code, file, len(texts), model)
                taken[name].append(once)
    ours = taken["sememe"]
    print(f"{len(texts):,} texts, {options.rounds} rounds, whole processes\n")
    print("| how | s, median | least–most | clusters | times sememe's |\n|---|---|---|---|---|")
    for name, seconds in taken.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, ours, strict=True))
        print(
            f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f}–{max(seconds):.1f} "
            f"| {clusters[name]} | {ratio:.1f} |"
        )


if __name__ == "__main__":
    main()

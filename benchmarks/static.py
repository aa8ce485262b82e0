"""Texts a second of static encoders against model2vec: one table, same texts, interleaved runs.

    python benchmarks/static.py [--texts FILE] [--count 100000] [--rounds 5]

Two models are made on the spot in model2vec's layout: WordLlama's real table, and a random one over
the default model's tokenizer. The vectors are compared before anything is timed. Without a file,
different one-line texts are cut from examples/opinions.csv; they share some 4,000 words, which
helps sememe, so give it texts of your own too.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from peers import Encode, Peer, interleave, ratio
from sememe.checkpoint import read
from sememe.errors import ModelNotFound
from sememe.tables import read_texts
from texts import one_line_texts

_DIM = 256


def sememe(model: str) -> Encode:
    from sememe import StaticEncoder

    # Opened anew each time, at its own cost: words are not to be known from the round before.
    return lambda texts: StaticEncoder(model).encode(texts, progress=False)


def model2vec(model: str) -> Encode:
    from model2vec import StaticModel

    encode: Encode = StaticModel.from_pretrained(model).encode
    return encode


def write_models(folder: Path) -> list[Path]:
    """Both models in model2vec's layout; what is not installed is left out."""
    from model2vec import StaticModel

    written = []
    for name in ("wordllama", "all-MiniLM-L6-v2"):
        try:
            found = read(name)
        except ModelNotFound as error:
            print(f"Left out: {error}")
            continue
        file = found.tokenizer if found.static else found.tokenizer / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file))
        size = tokenizer.get_vocab_size(), _DIM
        random = np.random.default_rng(0).normal(size=size).astype(np.float32)
        table = found.static.table if found.static else random
        made = StaticModel(np.asarray(table), tokenizer, normalize=True)
        made.save_pretrained(folder / name)
        written.append(folder / name)
    return written


def compare(model: Path, texts: list[str], rounds: int) -> str:
    """A row of the table: both rates, and the ratio round by round."""
    peers = [Peer("sememe", sememe, str(model)), Peer("model2vec", model2vec, str(model))]
    ours, theirs = (peer.encode(texts[:2000]) for peer in peers)
    assert np.abs(ours - theirs).max() < 1e-5, f"{model.name}: not the same vectors"
    interleave(peers, texts, 1)
    interleave(peers, texts, rounds)
    rates = [len(texts) / statistics.median(peer.seconds) for peer in peers]
    median, least, most = ratio(peers[1], peers[0])
    for peer in peers:
        peer.close()
    return (
        f"| {model.name} | {rates[0]:,.0f} | {rates[1]:,.0f} | {median:.2f} | "
        f"{least:.2f}–{most:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", help="a file of texts (txt, csv, tsv, jsonl, parquet)")
    parser.add_argument("--column", help="the column of texts")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.texts:
        texts = read_texts(options.texts, options.column)[: options.count]
    else:
        texts = one_line_texts(options.count)
    words = {word for text in texts for word in text.split(" ")}
    print(f"{len(texts):,} texts, {len(words):,} different words, vectors of {_DIM}:\n")
    print("| table and tokenizer | sememe, texts/s | model2vec, texts/s | ratio | least–most |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in write_models(Path(folder)):
            print(compare(model, texts, options.rounds), flush=True)


if __name__ == "__main__":
    main()

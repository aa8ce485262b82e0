"""Which promises about results are kept: the same fifteen questions to sememe and its peers.

Each library runs in a process of its own and is asked in the way its own docs say. What a library
does not offer is a dash; what could not be run says why. all-MiniLM-L6-v2 comes from its package;
everything else is made on the spot. No network is needed.

    pip install sentence-transformers fastembed onnx model2vec wordllama
    python benchmarks/promises.py               # a library that is not installed is left out
    python benchmarks/promises.py --only sememe fastembed
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import numpy.typing as npt

import promises_libraries as libraries
from promises_libraries import Library

Floats = npt.NDArray[np.float32]
_SAME = 1e-6  # 1 - cosine, as f32 adds up
_TEXTS = [
    "The parcel never arrived.", "my order is late", "How do I reset my password?", "a",
    "The app crashes when I open the camera, every single time.", "cheap and good",
    "Nuclear power is clean.", "wind turbines are noisy and they spoil the view", "日本",
    "👍 great",
]  # fmt: skip
_LONG = [" ".join(_TEXTS) * 2, "The same sentence, again and again. " * 20]


def _distance(first: Any, second: Any) -> float:
    """The largest 1 - cosine of rows that should be the same."""
    a, b = (np.atleast_2d(np.asarray(x, np.float64)) for x in (first, second))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    different = (a != b).any(axis=1)
    cosines = np.where(different, (a * b).sum(axis=1) / np.where(norms, norms, 1), 1)
    return float(np.nan_to_num(1 - cosines, nan=2.0).max())


def _kept(distance: float) -> tuple[bool, str]:
    return distance <= _SAME, f"{max(distance, 0):.0e}"


def company(library: Library) -> tuple[bool, str]:
    """A text has the same vector alone and beside longer ones."""
    encode = library.open()
    alone = np.concatenate([encode([text]) for text in _TEXTS])
    return _kept(_distance(alone, encode([*_TEXTS, *_LONG])[: len(_TEXTS)]))


def order(library: Library) -> tuple[bool, str]:
    """A text has the same vector wherever it stands among many."""
    encode, texts = library.open(), [f"{text} {n}" for n in range(20) for text in _TEXTS]
    places = random.Random(0).sample(range(len(texts)), len(texts))
    return _kept(_distance(encode(texts)[places], encode([texts[place] for place in places])))


def threads(library: Library) -> tuple[bool, str]:
    """Eight threads that encode at once get what one gets."""
    encode, texts = library.open(), [[f"{text} {n}" for text in _TEXTS] for n in range(32)]
    expected = [encode(part) for part in texts]
    with ThreadPoolExecutor(8) as pool:
        return _kept(max(map(_distance, expected, pool.map(encode, texts))))


def fork(library: Library) -> tuple[bool, str]:
    """A forked child encodes with a model that its parent has used (20 seconds to answer)."""
    encode = library.open()
    expected = encode(_TEXTS)
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = os.fork()
    if not child:
        sender.send(encode(_TEXTS))
        os._exit(0)
    try:
        if not receiver.poll(20):
            return False, "waits for ever"
        return _kept(_distance(expected, receiver.recv()))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def padding_side(library: Library) -> tuple[bool, str]:
    """A checkpoint whose tokenizer_config.json says "padding_side": "left" has the same vectors."""
    if library.open_checkpoint is None:
        raise NotImplementedError
    with _edited("tokenizer_config.json", padding_side="left") as folder:
        vectors = library.open_checkpoint(folder)([*_TEXTS, *_LONG])
    encode = library.open()
    alone = np.concatenate([encode([text]) for text in [*_TEXTS, *_LONG]])
    return _kept(_distance(alone, vectors))


def truncation(library: Library) -> tuple[bool, str]:
    """A message says that the end of a long text is not read."""
    encode, vectors = library.open(), list[Floats]()
    long = " ".join(f"word{n}" for n in range(3000))
    _messages(lambda: vectors.extend(encode([long, f"{long} and something else at its end"])))
    if _distance(*vectors) > _SAME:
        return True, "all of it is read"
    message = _messages(lambda: encode([f"another {long}"]))
    return bool(message), "a warning" if message else "nothing is said"


def prompts(library: Library) -> tuple[bool, str]:
    """With include_prompt false, a prompt is read and its tokens are not pooled."""
    if library.open_prompted is None:
        raise NotImplementedError
    config = json.loads((libraries.minilm() / "1_Pooling" / "config.json").read_text())
    with _edited("1_Pooling/config.json", **{**config, "include_prompt": False}) as folder:
        vectors = library.open_prompted(folder, "query: ")(_TEXTS)
        expected = libraries.pooled_by_hand(folder, "query: ", _TEXTS)
    return _kept(_distance(expected, vectors))


def half_precision(library: Library) -> tuple[bool, str]:
    """1,000 pairs scored in bfloat16 have as many different scores as in float32."""
    if library.score is None:
        raise NotImplementedError
    pairs = [("a question", f"answer {n} of {_TEXTS[n % 10]}") for n in range(1000)]
    with tempfile.TemporaryDirectory() as folder:
        libraries.make_cross_encoder(Path(folder))
        exact, half = (
            len(np.unique(library.score(Path(folder), precision)(pairs)))
            for precision in ("f32", "bf16")
        )
    return half >= 0.99 * exact, f"{half} of {exact}"


def int8_alone(library: Library) -> tuple[bool, str]:
    """The int8 vector of a text does not depend on what is encoded with it."""
    return _alone(library, "int8")


def binary_alone(library: Library) -> tuple[bool, str]:
    """The binary vector of a text does not depend on what is encoded with it."""
    return _alone(library, "binary")


def _alone(library: Library, dtype: str) -> tuple[bool, str]:
    if library.open_small is None:
        raise NotImplementedError
    encode = library.open_small(dtype)
    alone = np.concatenate([encode([text]) for text in _TEXTS]).astype(int)
    beside = encode([*_TEXTS, *_LONG])[: len(_TEXTS)].astype(int)
    steps = int(np.abs(alone - beside).max())  # 1 where rounding falls the other way
    return steps <= (dtype == "int8"), f"{steps} steps apart" if steps else "equal"


def roberta(library: Library) -> tuple[bool, str]:
    """RoBERTa's positions are counted as transformers does, alone and in a batch."""
    if library.open_checkpoint is None:
        raise NotImplementedError
    with tempfile.TemporaryDirectory() as name:
        folder = libraries.make_roberta(Path(name) / "model")
        vectors = library.open_checkpoint(folder)(_TEXTS[:8])
        return _kept(_distance(libraries.pooled_by_hand(folder, "", _TEXTS[:8]), vectors))


def nan_weight(library: Library) -> tuple[bool, str]:
    """One weight that is NaN is noticed, and no vector of NaN comes out."""
    if library.open_checkpoint is None:
        raise NotImplementedError
    with _edited("tokenizer_config.json") as folder:
        libraries.spoil(folder)
        try:
            vectors = library.open_checkpoint(folder)(_TEXTS)
        except Exception as error:
            return True, f"{type(error).__name__}"
    return bool(np.isfinite(vectors).all()), "vectors of NaN, silently"


def missing_text(library: Library) -> tuple[bool, str]:
    """A missing text (None, NaN) among others is refused by its place, and no word of its own."""
    encode = library.open()
    answers = []
    for missing in (None, float("nan")):
        try:
            encode(["a text", missing])
            answers.append("encoded")
        except Exception as error:
            answers.append("refused" if "1" in str(error) else "refused, no place")
    return set(answers) == {"refused"}, ", ".join(dict.fromkeys(answers))


def empty_text(library: Library) -> tuple[bool, str]:
    """The empty text has a finite vector, the same in any company."""
    encode = library.open()
    alone, beside = encode([""])[0], encode([*_TEXTS, ""])[-1]
    if not np.isfinite([alone, beside]).all():
        return False, "NaN"
    return _kept(_distance(alone, beside))


def resume(library: Library) -> tuple[bool, str]:
    """Killed while it encodes to disk, the same call resumes and writes the same bytes."""
    if library.encode_to is None:
        raise NotImplementedError
    texts = [f"text number {n}" for n in range(12_000)]
    with tempfile.TemporaryDirectory() as name:
        output, expected = Path(name) / "vectors.npy", Path(name) / "expected.npy"
        library.encode_to(texts, expected)
        process = multiprocessing.get_context("spawn").Process(
            target=library.encode_to, args=(texts, output)
        )
        process.start()
        while process.is_alive() and not list(output.parent.glob("vectors.npy.job/part-*")):
            time.sleep(0.002)
        process.kill()
        process.join()
        if output.exists():
            raise RuntimeError("it had ended before it was killed")
        library.encode_to(texts, output)
        same = output.read_bytes() == expected.read_bytes()
    return same, "to the byte" if same else "other bytes"


def ties(library: Library) -> tuple[bool, str]:
    """Accuracy at the best threshold, with tied scores, is the same in any order of the pairs."""
    if library.best_accuracy is None:
        raise NotImplementedError
    draw = np.random.default_rng(0)
    scores, labels = draw.integers(0, 4, 60) / 4, draw.integers(0, 2, 60)
    orders = [draw.permutation(60) for _ in range(100)]
    values = [library.best_accuracy(scores[rows], labels[rows]) for rows in orders]
    return np.ptp(values) < 1e-12, f"{min(values):.3f} to {max(values):.3f}"


def mined_negatives(library: Library) -> tuple[bool, str]:
    """No answer that is marked for a query is mined as its negative."""
    if library.mine is None:
        raise NotImplementedError
    topics = ["wind power", "stock markets", "house cats", "sea travel"]
    pairs = [(topic, f"{topic} {word}") for topic in topics for word in ("today", "explained")]
    corpus = [*(answer for _, answer in pairs), *(f"{topic} news" for topic in topics), "bread"]
    wrong = [row for row in library.mine(pairs, corpus) if row in set(pairs)]
    return not wrong, f"{len(wrong)} of {len(pairs)}"


PROMISES: dict[str, Callable[[Library], tuple[bool, str]]] = {
    "the same vector in any batch": company,
    "in any order": order,
    "from eight threads": threads,
    "in a forked child": fork,
    "whatever the padding side": padding_side,
    "a cut text is said to be cut": truncation,
    "prompts stay out of the pooling where the checkpoint says so": prompts,
    "bfloat16 makes no ties among a cross-encoder's scores": half_precision,
    "int8 of a text does not depend on its company": int8_alone,
    "binary neither": binary_alone,
    "RoBERTa's positions": roberta,
    "a NaN among the weights is noticed": nan_weight,
    "a missing text is refused by its place": missing_text,
    "the empty text has one finite vector": empty_text,
    "killed, a job resumes to the byte": resume,
    "tied scores: one figure in any order": ties,
    "a marked answer is never mined as a negative": mined_negatives,
}


@contextlib.contextmanager
def _edited(name: str, **values: Any) -> Any:
    """A copy of all-MiniLM-L6-v2, with other values in one of its files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(libraries.minilm(), Path(temporary) / "model"))
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, **values}))
        yield folder


def _messages(call: Callable[[], Any]) -> str:
    """What a call says by warnings, by logging or on standard error."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(stream):
        warnings.simplefilter("always")
        call()
    logging.getLogger().removeHandler(handler)
    return " ".join([*(str(warning.message) for warning in caught), stream.getvalue()]).strip()


def _ask(name: str, pipe: Any) -> None:
    """In a process of its own: all questions to one library."""
    logging.disable(logging.NOTSET)
    library = libraries.LIBRARIES[name]()
    for promise, test in PROMISES.items():
        try:
            kept, figure = test(library)
            answer = f"{'yes' if kept else '**no**'} ({figure})"
        except NotImplementedError:
            answer = "–"
        except Exception as error:  # a crash is an answer too
            answer = f"not run ({type(error).__name__}: {str(error).splitlines()[0][:60]})"
        pipe.send((promise, answer))
    pipe.send(None)


def _answers(name: str) -> dict[str, str]:
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_ask, args=(name, sender))
    process.start()
    sender.close()
    answers = {}
    with contextlib.suppress(EOFError):
        while answer := receiver.recv():
            answers[answer[0]] = answer[1]
            print(f"  {name}: {answer[0]}: {answer[1]}", flush=True)
    process.join()
    return answers


def _installed(names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(name)
            found.append(name)
    return found


def main() -> None:
    """Ask every library that is installed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=libraries.LIBRARIES, default=None)
    names = _installed(parser.parse_args().only or libraries.LIBRARIES)
    answers = {name: _answers(name) for name in names}
    titles = [f"{name} {importlib.metadata.version(name)}" for name in names]
    print(f"\n| promise | {' | '.join(titles)} |\n|---|{'---|' * len(names)}")
    for promise in PROMISES:
        print(f"| {promise} | {' | '.join(answers[n].get(promise, 'crashed') for n in names)} |")


if __name__ == "__main__":
    main()

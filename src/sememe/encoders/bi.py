"""The bi-encoder: each sentence alone becomes a vector that can be stored, indexed, compared."""

from __future__ import annotations  # so that help() shows short types

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sememe.arguments import one_of
from sememe.checkpoint import DEFAULT_MODEL, write
from sememe.encoders.base import OpenedModel, explained, fingerprint, head_identity
from sememe.encoders.pipeline import Pipeline, Work
from sememe.encoders.texts import Texts
from sememe.encoders.vectors import LONG, OptionChecks, Vectors, choose_pooling, similarity
from sememe.engines import open_engine
from sememe.errors import CheckpointError, InputError
from sememe.processes import PerProcess
from sememe.text import HalfPairs, StaticTokenizer, Tokenizer, check_texts

if TYPE_CHECKING:
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class BiEncoder(OpenedModel):
    """A sentence encoder: texts in, vectors out.

    Args:
        model: a directory, a model's name, or a Hub id (`org/name`, `org/name@revision`).
        precision: what to compute in: `f32`, `bf16`, `int8`, or `auto`, the fastest that the
            processor has and the checkpoint was measured for.
        engine: `openvino`, `torch` (which also has `f16`), `static` for a token-vector table, or
            `auto`: openvino, but torch for other devices than the cpu and for architectures that
            openvino does not know, and static for a static encoder.
        device: `cpu`, `cuda`, `cuda:1`, `mps`, or None for the engine's own choice.
        pooling: how token vectors become one: mean, cls, max, mean_sqrt_len, weightedmean,
            lasttoken, pooler (BERT's own layer on `[CLS]`), or several joined by `+`. None takes
            the checkpoint's own.
        trust_remote_code: run the code that comes with a checkpoint, if the torch engine needs it.

    Raises:
        ModelNotFound: the model is nowhere.
        CheckpointError: it cannot be read; the message names the file and the key.
        InputError: an argument that is not known, or a device that is not there.
        MissingExtra: the torch engine without torch.

    Example:
        >>> encoder = BiEncoder("all-MiniLM-L6-v2", precision="f32")
        >>> encoder.encode(["Nuclear power is dangerous!", "Hello"]).shape
        (2, 384)
    """

    @explained
    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        precision: str = "auto",
        engine: str = "auto",
        device: str | None = None,
        pooling: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__(model, engine, trust_remote_code)
        self.pooling = pooling
        """The `pooling=` it was opened with; None for the checkpoint's own."""
        if self._checkpoint.scoring is not None and pooling is None:
            raise CheckpointError(
                f"{self._checkpoint.directory} is a cross-encoder: it scores pairs and has no "
                'vectors. Open it with CrossEncoder, or take its transformer with pooling="mean".'
            )
        self._pooling = choose_pooling(self._checkpoint, pooling)
        tokenizer = StaticTokenizer if self._checkpoint.static else Tokenizer
        self._tokenizer = tokenizer(self._checkpoint)
        options: dict[str, Any] = {"device": device, "trust_remote_code": trust_remote_code}
        checkpoint = self._checkpoint
        opened = open_engine(
            checkpoint, self._pooling, precision=precision, engine=engine, **options
        )
        options |= {"precision": opened.precision, "engine": opened.name}
        self._arguments = {**options, "pooling": pooling}
        self._options = OptionChecks(checkpoint, self._pooling, opened.dim)
        self._pipeline = Pipeline(opened, self.model)
        self._texts = Texts(self._tokenizer, self._pooling, self._pipeline)
        self._tokens = PerProcess(
            lambda: Pipeline(open_engine(checkpoint, "tokens", **options), f"{model} (tokens)")
        )

    @property
    def dim(self) -> int:
        """The size of a vector."""
        return self._checkpoint.truncate_dim or self._pipeline.engine.dim

    @property
    def max_length(self) -> int:
        """The longest text that is read whole, in tokens with the special ones."""
        return self._tokenizer.max_length

    @property
    def measure(self) -> str:
        """How the checkpoint compares vectors: cosine, dot, euclidean or manhattan."""
        return self._checkpoint.similarity

    @property
    def prompts(self) -> dict[str, str]:
        """The checkpoint's prompts by name."""
        return dict(self._checkpoint.prompts)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits; two vectors may be compared only under one fingerprint.

        A hash of the weights, the tokenizer, everything behind the transformer, the precision,
        the activation ranges and the version of the engine's graphs.
        """
        pooled = [self._pooling.modes, self._pooling.include_prompt]
        hashes, modules = head_identity(self._checkpoint)
        behind = [*hashes, [*pooled, modules]]
        engine = self._pipeline.engine
        return fingerprint(self._checkpoint, self._tokenizer.sha256, engine, behind)

    @explained
    def encode(
        self,
        texts: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        dtype: str = "float32",
        long: str = "truncate",
        progress: bool | None = None,
    ) -> Vectors:
        """Encode texts; identical ones are computed once.

        Args:
            texts: any iterable of str. A single str gives a single vector.
            prompt_name: which of the checkpoint's prompts to put in front of every text.
            prompt: a prompt of your own; `""` for none at all, not even the default one.
            normalize: True for vectors of length 1, False for the pooled vector as it is, None as
                the checkpoint says.
            truncate_dim: keep the first so many components (for models trained with Matryoshka
                losses: Kusupati et al., 2022); normalisation comes after.
            dtype: the type of what comes out: `float32`, `float16`, `int8` (n, dim), by a range
                that belongs to the checkpoint, or `binary`, uint8 (n, dim / 8), a bit a component.
            long: what to do with a text over `max_length`: `truncate` (one warning says how many
                were cut), `error`, or `chunk`: its vector is the mean, weighted by tokens, of those
                of its passages, which end where sentences do (Sun et al., 2019).
            progress: a progress bar: True, False, or None for one on a terminal.

        Returns:
            float32 (n, dim); (dim,) for a single str; (0, dim) for no texts.

        Raises:
            InputError: a text that is not a str (which one), or an argument that is not known.
        """
        if long == "split":
            raise InputError(
                'encode(long="split"): a text of several passages has several vectors. Take '
                "encode_to(), which writes a row a passage, or encode what passages() gives."
            )
        items = check_texts([texts] if isinstance(texts, str) else texts)
        options = self._options.check(prompt_name, prompt, normalize, truncate_dim, dtype, long)
        with self._work(len(items), progress, long) as work:
            vectors = self._texts.vectors(items, options, work)
        single: Vectors = vectors[0] if isinstance(texts, str) else vectors
        return single

    @explained
    def encode_tokens(
        self,
        texts: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        long: str = "truncate",
        progress: bool | None = None,
    ) -> Any:
        """The transformer's own vectors: one for each token of a text, special ones included.

        Args:
            texts: any iterable of str. A single str gives a single array.
            prompt_name, prompt, progress: as `encode`'s.
            long: `truncate` or `error`; see `encode`.

        Returns:
            A list of float32 (tokens, hidden) arrays, one a text.

        Raises:
            InputError: as `encode`'s, and `long="chunk"`, by which a text has several parts.
        """
        if one_of("long", long, LONG) in ("chunk", "split"):
            raise InputError(
                f'encode_tokens(long="{long}"): the tokens of several passages are not those of '
                'one text; pass long="truncate", or encode the passages.'
            )
        items = check_texts([texts] if isinstance(texts, str) else texts)
        prefix = self._options.prompt(prompt_name, prompt)
        with self._work(len(items), progress, long) as work:
            arrays = self._texts.states(self._tokens(), items, prefix, work)
        return arrays[0] if isinstance(texts, str) else arrays

    @explained
    def encode_to(
        self,
        texts: Iterable[str] | FileRows,
        path: str | os.PathLike[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        dtype: str = "float32",
        long: str = "truncate",
        progress: bool | None = None,
    ) -> OnDisk:
        """Encode any number of texts to disk in bounded memory; interrupted, it resumes.

        To resume, call it again with the same texts, path and options: shards that are finished
        are not computed again, and the result is the same to the byte.

        Args:
            texts: any iterable of str, read once, never held as a whole. (The command passes the
                rows of a file, of which all columns are kept.)
            path: `x.parquet` or `x.jsonl` for one file with the columns text and vector, `x.npy`
                for an array (n, dim), or a folder, for parquet shards and their manifest. Until a
                file is finished, its shards are in `x.parquet.job/` beside it.
            prompt_name, prompt, normalize, truncate_dim, dtype: as `encode`'s.
            long: as `encode`'s, or `split`: a row a passage, at most 512 tokens of a text that end
                where a paragraph or a sentence does and may begin with the last sentences of the
                passage before (see `passages`). Its columns are document (the text's row, of a file
                from 1), start and end (its characters in the text), passage, and vector.
            progress: as `encode`'s; the bar shows the rate, for the number of texts is not known.

        Raises:
            InputError: a text that is not a str (which one), an argument that is not known, or an
                output that would replace the open file that is read.
            TableError: an output that cannot be written.
            JobError: another job's folder, a changed input, model or option (which), another
                process at work on it, or a full disk.
            MissingExtra: parquet without pyarrow.

        Example:
            >>> BiEncoder(precision="f32").encode_to(["a", "b"], "two.npy").rows    # doctest: +SKIP
            2
        """
        from sememe.encoders.disk import PASSAGES, VECTORS, Task, to_disk

        options = self._options.check(prompt_name, prompt, normalize, truncate_dim, dtype, long)
        settings = {
            "fingerprint": self.fingerprint,
            "budget": self._pipeline.engine.budget,
            **asdict(options),
        }
        with self._work(None, progress, long) as work:
            task = Task(
                "encode",
                settings,
                "texts",
                check_texts,
                lambda part, place: self._texts.vectors(part, options, work, place),
                lambda vectors: {"vector": vectors},
                "a vector",
                PASSAGES if long == "split" else VECTORS,
                split=partial(self._texts.split, options.prompt) if long == "split" else None,
            )
            return to_disk(task, texts, path)

    def encode_part(
        self, texts: list[str], place: Callable[[int], str], work: Work[str]
    ) -> Vectors:
        """The vectors of a part of a job, as `encode` gives by default, float32 (n, dim).

        A message calls text i `place(i)`; the job's work warns at its end of what was cut.
        """
        return self._texts.vectors(texts, self._options.check(), work, place)

    def encode_query(self, texts: str | Iterable[str], **options: Any) -> Vectors:
        """Encode questions: with the prompt named `query`, where the checkpoint has one."""
        return self.encode(texts, **self._with_prompt(QUERY_PROMPTS, **options))

    def encode_document(self, texts: str | Iterable[str], **options: Any) -> Vectors:
        """Encode documents: with the prompt `document`, `passage` or `corpus`, if there is one."""
        return self.encode(texts, **self._with_prompt(DOCUMENT_PROMPTS, **options))

    def encode_parts(
        self,
        parts: Iterable[list[str]],
        *,
        normalize: bool | None = None,
        total: int | None = None,
        progress: bool | None = None,
    ) -> Iterator[Vectors]:
        """Encode documents a part at a time, with one progress bar and one warning for all of them.

        Args:
            parts: lists of texts; each is taken when the vectors of the one before were.
            normalize: see `encode`.
            total: how many texts there are in all, if it is known.
            progress: see `encode`.

        Yields:
            float32 (texts of the part, dim).

        Example:
            >>> encoder = BiEncoder("all-MiniLM-L6-v2", precision="f32")
            >>> [len(vectors) for vectors in encoder.encode_parts([["a", "b"], ["c"]])]
            [2, 1]
        """
        options = self._options.check(normalize=normalize, **self._with_prompt(DOCUMENT_PROMPTS))
        first, halves = 0, HalfPairs()
        with self._work(total, progress) as work:
            for part in parts:
                work.later = max(0, (total or 0) - first - len(part))
                texts = check_texts(part, first, halves=halves)
                first += len(part)
                yield self._texts.vectors(texts, options, work)
            halves.warn()

    def passages(
        self, texts: Iterable[str], *, tokens: int | None = None, overlap: int | None = None
    ) -> list[list[tuple[int, int]]]:
        """Where to split documents, so that the model reads each passage to its end.

        Args:
            texts: any iterable of str.
            tokens: of a passage, at most. None: what the model reads beside its special tokens and
                its prompt for documents, and at most 512.
            overlap: so many tokens of a passage, at most, may stand in the one before too, in whole
                sentences; None for an eighth of `tokens`.

        Returns:
            Of each text the character spans [start, end) of its passages, in order; see
            `sememe.text.split_passages`.

        Raises:
            InputError: a text that is not a str, more tokens than the model reads, or a wrong
                overlap.

        Example:
            >>> encoder = BiEncoder("all-MiniLM-L6-v2", precision="f32")
            >>> encoder.passages(["Cats purr. Dogs bark."], tokens=4, overlap=0)
            [[(0, 10), (11, 21)]]
        """
        prompt = self._options.check(**self._with_prompt(DOCUMENT_PROMPTS)).prompt
        return self._texts.split(prompt, check_texts(texts), tokens, overlap)

    def similarity(self, a: npt.ArrayLike, b: npt.ArrayLike) -> Vectors:
        """Compare every vector of `a` (n, dim) with every one of `b` (m, dim): float32 (n, m).

        By the checkpoint's own measure; distances are negative, so that more is more similar.
        InputError for texts, packed bits, or vectors of two sizes.
        """
        return similarity(a, b, self._checkpoint.similarity)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write the model into a new or empty folder, whole or not at all.

        sememe opens it, and sentence-transformers from 2 on. The weights are copied as they are,
        whatever `precision` is, and the pooling is the one that this encoder has.

        Raises:
            InputError: the folder is there and not empty.
            CheckpointError: it cannot be written, as on a full disk; nothing is left behind.

        Example:
            >>> BiEncoder("path/to/bert", pooling="cls").save("my-encoder")   # doctest: +SKIP
        """
        write(replace(self._checkpoint, pooling=self._pooling, scoring=None), directory)

    def _work(self, total: int | None, progress: bool | None, long: str = "") -> Work[str]:
        return Work(total, self.max_length, progress, refuses_long=long == "error")

    def _with_prompt(self, names: tuple[str, ...], **options: Any) -> dict[str, Any]:
        """The options, with the first of the prompts that the checkpoint has."""
        if options.get("prompt") is not None or options.get("prompt_name") is not None:
            return options
        name = next((name for name in names if name in self._checkpoint.prompts), None)
        # As in sentence-transformers: a default prompt says nothing of questions or documents.
        return {**options, **({"prompt_name": name} if name else {"prompt": ""})}

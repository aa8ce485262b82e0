"""Read a checkpoint's description: which modules, which prompts, how long a text may be.

The layout is sentence-transformers', of every generation (0.x to 6.x). Modules are known by the
last name of their type alone, and nothing that a checkpoint names is ever imported or run.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sememe.checkpoint import modules
from sememe.checkpoint.files import Config, Weights, listed_modules, names_classifier, read_json
from sememe.checkpoint.find import find
from sememe.checkpoint.modules import TRANSFORMERS, Dense, Normalize, Pooling, Scoring, Static
from sememe.errors import CheckpointError

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")

LAYERS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
"""What architectures call the number of their layers."""

_ONE_MISSING = "{}: a Transformer and a Pooling are needed; one is missing."

# They count positions from behind the pad token's id, which was 1 where the config has none.
_BEHIND_PAD = ("roberta", "xlm-roberta", "camembert", "mpnet")


@dataclass(frozen=True)
class Checkpoint:
    """A model directory, read and checked, its weights still on disk.

    Attributes:
        name, directory: the name or path it was opened by, and where it is.
        transformer: the folder with config.json, the weights and the tokenizer.
        config: the transformer's config.json.
        pooling: how token vectors become one; None where the checkpoint does not say.
        head: the Dense and Normalize modules after the pooling, in order.
        max_length: the longest text read, in tokens with the special ones.
        prompts: texts put in front of what is encoded, by name.
        similarity: cosine, dot, euclidean or manhattan.
        first_position: the row of the position table that belongs to a text's first token.
        lowercase: whether texts are lower-cased before the tokenizer.
        scoring, static: of a cross-encoder, and of a static encoder; None of any other model.
    """

    name: str
    directory: Path
    transformer: Path
    config: dict[str, Any]
    pooling: Pooling | None
    head: tuple[Dense | Normalize, ...]
    max_length: int
    prompts: dict[str, str]
    default_prompt_name: str | None
    similarity: str
    truncate_dim: int | None
    first_position: int = 0
    lowercase: bool = False
    scoring: Scoring | None = None
    static: Static | None = None

    @cached_property
    def weights(self) -> Weights:
        """The transformer's tensors, or the table's."""
        return self.static.weights if self.static else Weights(self.transformer)

    @property
    def settings(self) -> Config:
        """The transformer's config.json, whose keys are checked when they are read."""
        return Config(self.transformer / "config.json", self.config)

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's file, or the folder that it is in."""
        return self.static.tokenizer if self.static else self.transformer

    @property
    def kind(self) -> str:
        """What it is, in the words of the documentation."""
        if self.scoring is not None:
            return "cross-encoder"
        if self.static is not None:
            return "static encoder"
        return "regular transformer" if self.pooling is None else "bi-encoder"

    @property
    def default_prompt(self) -> str:
        """The prompt that is put in front by default."""
        return self.prompts[self.default_prompt_name] if self.default_prompt_name else ""

    @property
    def hidden_size(self) -> int:
        """The size of a token's vector, which architectures give different names."""
        return self._size("hidden_size", "dim", "d_model", "n_embd", "emb_dim")

    @property
    def layers(self) -> int:
        """The number of layers, likewise."""
        return self._size(*LAYERS)

    def _size(self, *names: str) -> int:
        for name in names:
            if isinstance(value := self.config.get(name), int):
                return value
        raise CheckpointError(
            f"{self.transformer / 'config.json'}: there is none of {', '.join(names)}."
        )

    @property
    def normalized(self) -> bool:
        """Whether the last module normalises, so that vectors have length 1."""
        return bool(self.head) and isinstance(self.head[-1], Normalize)


def read(model: str | os.PathLike[str]) -> Checkpoint:
    """Find a model and read its description (not yet its weights); errors as `BiEncoder`'s."""
    directory = find(model)
    face = directory / "config_sentence_transformers.json"
    face_config = read_json(face, optional=True)
    common = {"name": os.fspath(model), "directory": directory, **_face(Config(face, face_config))}
    if (static := modules.find_static(directory)) is not None:
        return Checkpoint(
            transformer=static.stored,
            config=static.config | static.sizes,
            pooling=Pooling(),
            head=(Normalize(),) if static.normalized else (),
            max_length=static.max_length,
            static=static,
            **common,
        )
    transformer, pooling, head = _modules(directory)
    path = transformer / "config.json"
    if not path.is_file():
        raise CheckpointError(_why_no_model(transformer))
    config = read_json(path)
    # sentence_bert_config.json; before 2.0 also sentence_roberta_config.json and the like.
    limit_files = sorted(transformer.glob("sentence_*_config.json"))
    limits = read_json(limit_files[0]) if limit_files else {}
    first = _first_position(path, config)
    listing = directory / "modules.json"
    is_cross = names_classifier(config)
    if pooling is None and listing.is_file():
        is_cross = limits.get("transformer_task") == "sequence-classification"  # from 5.4 on
        if not is_cross:
            raise CheckpointError(_ONE_MISSING.format(listing))
    scores = pooling is None and is_cross
    return Checkpoint(
        transformer=transformer,
        config=config,
        pooling=pooling,
        head=head,
        max_length=_max_length(transformer, config, limits, first),
        first_position=first,
        lowercase=bool(limits.get("do_lower_case")),
        scoring=modules.read_scoring(path, config, face_config) if scores else None,
        **common,
    )


def _why_no_model(folder: Path) -> str:
    adapter = folder / "adapter_config.json"
    if not adapter.is_file():
        return f"{folder}: there is no config.json, so this is not a model."
    base = read_json(adapter).get("base_model_name_or_path") or "BASE"
    return (
        f"{folder} is an adapter (LoRA) of {base}, not a whole model. Merge it once: python -c "
        "'from sentence_transformers import SentenceTransformer as S; from peft import PeftModel "
        f'as P; m = S("{base}"); m[0].auto_model = P.from_pretrained(m[0].auto_model, "ADAPTER")'
        '.merge_and_unload(); m.save("NEW")\''
    )


def _modules(directory: Path) -> tuple[Path, Pooling | None, tuple[Dense | Normalize, ...]]:
    listing = directory / "modules.json"
    if not listing.is_file():
        return directory, None, ()
    transformer: Path | None = None
    pooling: Pooling | None = None
    head: list[Dense | Normalize] = []
    for name, kind, folder in listed_modules(directory):
        if kind in TRANSFORMERS and transformer is None:
            transformer = folder
        elif kind == "Pooling" and transformer is not None and pooling is None:
            pooling = modules.read_pooling(folder)
        elif kind == "Dense" and pooling is not None:
            head.append(modules.read_dense(folder))
        elif kind == "Normalize" and pooling is not None:
            head.append(Normalize())
        elif kind != "Dropout":
            raise CheckpointError(
                f"{listing}: the module {name!r} cannot be read; sememe reads a "
                "Transformer, then a Pooling, then any number of Dense, Normalize and Dropout."
            )
    if transformer is None:
        raise CheckpointError(_ONE_MISSING.format(listing))
    return transformer, pooling, tuple(head)


def _face(face: Config) -> dict[str, Any]:
    """Prompts, similarity and truncation, from config_sentence_transformers.json."""
    prompts = {n: text for n, text in face.part("prompts").values.items() if isinstance(text, str)}
    is_cut = face.values.get("truncate_dim") is not None
    return {
        "prompts": prompts,
        "default_prompt_name": face.one_of("default_prompt_name", [*prompts], None),
        "similarity": face.one_of("similarity_fn_name", SIMILARITIES, "cosine"),
        "truncate_dim": face.size("truncate_dim") if is_cut else None,
    }


def _first_position(path: Path, config: dict[str, Any]) -> int:
    if config.get("model_type") not in _BEHIND_PAD:
        return 0
    pad, positions = config.get("pad_token_id"), config.get("max_position_embeddings")
    pad = 1 if pad is None else pad
    if not isinstance(pad, int) or not isinstance(positions, int) or not 0 <= pad < positions - 1:
        raise CheckpointError(
            f"{path}: pad_token_id is {pad!r} and max_position_embeddings {positions!r}; positions "
            "are counted from behind the pad token's id, so the one must be well below the other."
        )
    return pad + 1


def _max_length(
    transformer: Path, config: dict[str, Any], limits: dict[str, Any], first_position: int
) -> int:
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int):
        positions -= first_position
    tokenizer = read_json(transformer / "tokenizer_config.json", optional=True)
    limit = limits.get("max_seq_length") or tokenizer.get("model_max_length")
    lengths = [int(n) for n in (positions, limit) if isinstance(n, int | float) and 0 < n < 1e9]
    if not lengths:
        raise CheckpointError(
            f"{transformer}: neither max_seq_length (sentence_bert_config.json), model_max_length "
            "(tokenizer_config.json) nor max_position_embeddings (config.json) is set."
        )
    return min(lengths)

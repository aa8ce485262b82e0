"""Read a checkpoint's tokenizer: tokenizer.json, or the bare vocabularies of older checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import lfs_pointer, read_json
from sememe.errors import CheckpointError


def load_tokenizer(checkpoint: Checkpoint) -> tuple[Path, Any]:
    """The file that a checkpoint's tokenizer was read from, and the library's tokenizer.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    place = checkpoint.tokenizer
    description = place if place.is_file() else place / "tokenizer.json"
    readers: dict[Path, Callable[[Path], Any]] = {
        description: lambda path: Tokenizer.from_file(str(path)),
        place / "vocab.txt": (
            _mpnet if checkpoint.config.get("model_type") == "mpnet" else _word_pieces
        ),
        place / "merges.txt": _byte_pairs,
    }
    for path, read in readers.items():
        if not path.is_file():
            continue
        try:
            return path, read(path)
        except CheckpointError:
            raise
        except Exception as error:  # the Rust side raises plain Exception
            if pointer := lfs_pointer(path):
                raise CheckpointError(pointer) from None
            raise CheckpointError(f"{path}: the tokenizer cannot be read ({error}).") from None
    raise CheckpointError(
        f"{place}: there is no tokenizer (tokenizer.json, vocab.txt for WordPiece, or "
        "vocab.json and merges.txt for byte-level BPE)."
    )


def tokenizer_settings(tokenizer: Path) -> dict[str, Any]:
    """The tokenizer_config.json beside a tokenizer's file; empty where there is none."""
    path = tokenizer.with_name("tokenizer_config.json")
    return read_json(path) if path.is_file() else {}


# What follows reads checkpoints from before 2021, which have no tokenizer.json.


def _word_pieces(vocabulary: Path, **special: str) -> Any:
    """BERT's own tokenizer from its vocabulary."""
    from tokenizers import BertWordPieceTokenizer

    config = tokenizer_settings(vocabulary)
    return BertWordPieceTokenizer(
        str(vocabulary),
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        **special,
    )._tokenizer


def _mpnet(vocabulary: Path) -> Any:
    """BERT's tokenizer with RoBERTa's special tokens; its vocabulary has both."""
    special = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return _as_roberta(_word_pieces(vocabulary, mask_token="<mask>", **special))


def _byte_pairs(merges: Path) -> Any:
    """RoBERTa's byte-level BPE from its vocabulary and merges."""
    from tokenizers import AddedToken, ByteLevelBPETokenizer

    spaced = bool(tokenizer_settings(merges).get("add_prefix_space", False))
    vocabulary = str(merges.with_name("vocab.json"))
    tokenizer = ByteLevelBPETokenizer(vocabulary, str(merges), add_prefix_space=spaced)._tokenizer
    mask = AddedToken("<mask>", lstrip=True)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", mask])
    return _as_roberta(tokenizer)


def _as_roberta(tokenizer: Any) -> Any:
    """Put `<s> a </s>` around a text, and `<s> a </s></s> b </s>` around two."""
    from tokenizers.processors import RobertaProcessing

    opening, closing = ((token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>"))
    tokenizer.post_processor = RobertaProcessing(closing, opening, False, False)
    return tokenizer

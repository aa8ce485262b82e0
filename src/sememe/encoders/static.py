"""The static encoder: a vector for each token, and a text is their mean; no transformer."""

import os

from sememe.encoders.bi import BiEncoder


class StaticEncoder(BiEncoder):
    """A vector for each token, and their mean: far faster than a transformer, and coarser.

    It has the face of `BiEncoder`, which opens static encoders too. The vectors are the library's
    that wrote the checkpoint: model2vec leaves unknown tokens out and reads `max_length` tokens of
    a text, sentence-transformers as many as tokenizer.json says, WordLlama all. What is cut is
    counted and told of. A text without a token is a vector of zeros.

    Args:
        model: a directory, a model's name or a Hub id, as model2vec or sentence-transformers write
            it, or `wordllama`, the table that the package of this name ships.

    Raises:
        ModelNotFound: the model is nowhere.
        CheckpointError: it cannot be read; the message names the file and the tensor.
        InputError: it is no static encoder.

    Example:
        >>> encoder = StaticEncoder("wordllama")                 # doctest: +SKIP
        >>> encoder.encode(["a cat", "a kitten"]).shape          # doctest: +SKIP
        (2, 256)
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__(model, engine="static")
        self._arguments = {}

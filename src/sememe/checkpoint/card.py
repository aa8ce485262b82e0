"""The model card: what a saved checkpoint is and how to open it; nothing that was not read."""

import json
from pathlib import Path

from sememe.checkpoint.modules import Dense
from sememe.checkpoint.read import Checkpoint

_CARD = """\
---
library_name: sentence-transformers
pipeline_tag: {task}
tags: [sentence-transformers, sememe]
---
# A {kind}
{facts}
With `import sememe`: `sememe.{ours}`

With `import sentence_transformers`: `sentence_transformers.{theirs}`
"""
_BI = {
    "task": "sentence-similarity",
    "ours": 'BiEncoder("path/to/this/folder").encode(["a text", "another one"])',
    "theirs": 'SentenceTransformer("path/to/this/folder").encode(["a text", "another one"])',
}
_CROSS = {
    "task": "text-classification",
    "ours": 'CrossEncoder("path/to/this/folder").score([("a text", "another one")])',
    "theirs": 'CrossEncoder("path/to/this/folder").predict([("a text", "another one")])',
}


def model_card(checkpoint: Checkpoint) -> str:
    """A README.md in Markdown."""
    base = Path(checkpoint.name).expanduser()
    facts: dict[str, object] = {
        "made from": base.resolve().name if base.is_dir() else checkpoint.name,
    }
    if checkpoint.static is None:
        facts["architecture"] = checkpoint.config.get("model_type")
        facts["maximum length"] = f"{checkpoint.max_length} tokens"
    if checkpoint.scoring is not None:
        facts["labels"] = ", ".join(checkpoint.scoring.labels)
        facts["activation"] = checkpoint.scoring.activation
    elif checkpoint.static is not None:
        facts["dimension"] = checkpoint.static.sizes["hidden_size"]
        facts["normalised"] = "yes" if checkpoint.normalized else "no"
    elif checkpoint.pooling is not None:
        modes = checkpoint.pooling.modes
        sizes = [module.out_features for module in checkpoint.head if isinstance(module, Dense)]
        whole = [checkpoint.hidden_size * len(modes), *sizes][-1]
        facts["dimension"] = checkpoint.truncate_dim or whole
        facts["pooling"] = "+".join(modes)
        facts["normalised"] = "yes" if checkpoint.normalized else "no"
        facts["similarity"] = checkpoint.similarity
    for name, text in checkpoint.prompts.items():
        default = ", the default" if name == checkpoint.default_prompt_name else ""
        facts[f"prompt {name}{default}"] = json.dumps(text)
    listed = "".join(f"- {name}: {said}\n" for name, said in facts.items())
    use = _CROSS if checkpoint.scoring is not None else _BI
    return _CARD.format(kind=checkpoint.kind, facts=listed, **use)

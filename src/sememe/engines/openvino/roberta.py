"""RoBERTa (Liu et al., 2019), XLM-R (Conneau et al., 2020), CamemBERT (Martin et al., 2020).

They are BERT with positions that start behind the pad token's id, and another classifier.
"""

from sememe.engines.openvino.bert import hidden_states
from sememe.engines.openvino.head import classifier

__all__ = ["hidden_states", "logits"]

logits = classifier("classifier.dense", "tanh", "classifier.out_proj")

"""LoRA (Hu et al., 2021): small matrices beside the weights are trained, and merged when saved."""

from typing import Any

from torch import nn

from sememe.arguments import whole_number
from sememe.extras import importing


def adapt(transformer: Any, rank: int) -> None:
    """Freeze a transformer but its head, and put matrices beside each of its linear layers.

    Raises:
        MissingExtra: peft is not installed.
        InputError: a rank below 1.
    """
    with importing("peft", purpose="lora="):
        from peft import LoraConfig, inject_adapter_in_model
    rank = whole_number("lora", rank)
    base = transformer.base_model
    within = {id(module) for module in base.modules()}
    linear = [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and id(module) in within
    ]
    own = {id(parameter) for parameter in base.parameters()}
    head = [parameter for parameter in transformer.parameters() if id(parameter) not in own]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
    inject_adapter_in_model(config, transformer)
    for parameter in head:  # peft freezes all but its own, and this one is new
        parameter.requires_grad_(True)


def merged(transformer: Any) -> dict[str, Any]:
    """A transformer's state with LoRA's matrices, if there are any, merged into its weights."""
    adapted = [module for module in transformer.modules() if hasattr(module, "unmerge")]
    for module in adapted:
        module.merge()
    state = {
        name.replace(".base_layer.", "."): tensor.clone() if adapted else tensor
        for name, tensor in transformer.state_dict().items()
        if ".lora_" not in name
    }
    for module in adapted:
        module.unmerge()
    return state

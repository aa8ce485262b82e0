"""The engine for CPUs: graphs written straight from config.json and model.safetensors."""

from sememe.engines.openvino import silence  # first: before anything imports openvino
from sememe.engines.openvino.runtime import OpenVinoEngine

__all__ = ["OpenVinoEngine", "silence"]

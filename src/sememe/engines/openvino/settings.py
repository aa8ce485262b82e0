"""Read a config.json's settings, each checked, each error naming the file and the key."""

from copy import copy

from sememe.checkpoint import Checkpoint, Weights
from sememe.errors import CheckpointError

# So that no number becomes infinite in float32.
_LARGEST = 1e30


class Settings:
    """The transformer's config.json."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.where = str(checkpoint.transformer / "config.json")
        self._config = checkpoint.config

    def part(self, key: str) -> "Settings":
        """The settings inside a setting; none where it is not there."""
        found = copy(self)
        found.where = f"{self.where}: {key}"
        found._config = self._config.get(key) or {}
        if not isinstance(found._config, dict):
            raise CheckpointError(f"{found.where} is {found._config!r}; an object is needed.")
        return found

    def size(self, key: str, default: int | None = None) -> int:
        """A positive whole number; one without a default must be there."""
        value = self._config.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CheckpointError(f"{self.where}: {key} is {value!r}; a positive number is needed.")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive number."""
        value = self._config.get(key, default)
        if not isinstance(value, int | float) or not 0 < value < _LARGEST:
            raise CheckpointError(f"{self.where}: {key} is {value!r}; a positive number is needed.")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A name."""
        return str(self._config.get(key, default))

    def flag(self, key: str) -> bool:
        """Whether something is there; what is not said is not."""
        return bool(self._config.get(key))

    def layers(self, key: str, weights: Weights, tensor: str) -> int:
        """The number of layers, where there is no `tensor`, a pattern, of one more."""
        count = self.size(key)
        if (more := tensor.format(count)) in weights:
            raise CheckpointError(
                f"{self.where}: {key} is {count}, but there is a tensor {more!r}."
            )
        return count

    def must_be(self, key: str, value: object) -> None:
        """Refuse a setting that the graph does not implement."""
        found = self._config.get(key)
        if found is not None and found != value:
            raise CheckpointError(f"{self.where}: {key} is {found!r}; only {value!r} is read.")

    def must_divide(self, key: str, other: str) -> None:
        """Refuse two sizes that do not go together."""
        if self.size(other) % self.size(key):
            raise CheckpointError(
                f"{self.where}: {other} ({self.size(other)}) is no multiple of "
                f"{key} ({self.size(key)})."
            )

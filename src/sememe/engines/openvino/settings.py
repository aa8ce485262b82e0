"""Read a config.json's settings, each checked, each error naming the file and the key."""

from sememe.checkpoint import Checkpoint
from sememe.errors import CheckpointError


class Settings:
    """The transformer's config.json."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.where = str(checkpoint.transformer / "config.json")
        self._config = checkpoint.config

    def size(self, key: str) -> int:
        """A positive whole number that must be there."""
        value = self._config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CheckpointError(f"{self.where}: {key} is {value!r}; a positive number is needed.")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive number."""
        value = self._config.get(key, default)
        if not isinstance(value, int | float) or value <= 0:
            raise CheckpointError(f"{self.where}: {key} is {value!r}; a positive number is needed.")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A name."""
        return str(self._config.get(key, default))

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

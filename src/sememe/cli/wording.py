"""How the commands say numbers to people."""


def counted(number: int, noun: str) -> str:
    """A number of things: 1 text, 2,000 texts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

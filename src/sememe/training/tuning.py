"""Placeholder."""
def tune(*args, **kwargs):
    raise NotImplementedError

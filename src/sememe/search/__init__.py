"""Texts found by meaning, next week too."""

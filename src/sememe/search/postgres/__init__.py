"""The shared index: rows and vectors in PostgreSQL with pgvector, many readers and many writers."""

from sememe.search.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

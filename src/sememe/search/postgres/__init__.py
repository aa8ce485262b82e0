"""The shared index: rows and vectors in PostgreSQL with pgvector, many readers and many writers."""

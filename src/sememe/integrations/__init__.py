"""Adapters for other libraries, each imported by its name: `sememe.integrations.langchain`."""

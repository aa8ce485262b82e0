"""What all adapters keep to: nothing is sent, and a missing library is named in one line."""

import re
from pathlib import Path

import pytest

from processes import run_python
from tiny_models import Tiny

MODULES = {
    "langchain": ("langchain_core", "langchain-core"),
    "llamaindex": ("llama_index", "llama-index-core"),
    "mteb": ("mteb", "mteb"),
    "sklearn": ("sklearn", "scikit-learn"),
}


@pytest.mark.slow
def test_a_missing_library_is_named_with_what_installs_it() -> None:
    ran = run_python(
        f"""
        import sys
        from importlib import import_module
        for name, (module, _) in {MODULES!r}.items():
            sys.modules[module] = None
            try:
                import_module(f"sememe.integrations.{{name}}")
            except Exception as error:
                print(type(error).__name__, str(error))
        """
    )
    for (_, package), line in zip(MODULES.values(), ran.stdout.splitlines(), strict=True):
        assert line.startswith("MissingExtra ")
        assert re.search(rf'pip install "?{package}[^ ]*$', line)


_WATCHED = """
import os, sys, time
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        print(event, arguments, flush=True)
sys.addaudithook(watch)
import sememe
from sememe.integrations import langchain, llamaindex, sklearn
model, texts = os.environ["MODEL"], ["a good book", "the poor bus"]
encoder = sememe.BiEncoder(model, precision="f32")
store = langchain.SememeVectorStore.from_texts(
    texts, langchain.SememeEmbeddings(encoder), place=os.environ["PLACE"]
)
assert len(store.as_retriever().invoke("a film")) == 2
from llama_index.core import Document, VectorStoreIndex
documents, embedding = [Document(text=text) for text in texts], llamaindex.SememeEmbedding(encoder)
index = VectorStoreIndex.from_documents(documents, embed_model=embedding)
assert len(index.as_retriever().retrieve("a film")) == 2
assert sklearn.SentenceVectorizer(model, precision="f32").transform(texts).shape == (2, 32)
time.sleep(1)  # telemetry would be sent by another thread
"""


@pytest.mark.slow
def test_no_socket_is_opened_by_any_of_them(tiny: Tiny, tmp_path: Path) -> None:
    ran = run_python(_WATCHED, MODEL=str(tiny.directory), PLACE=str(tmp_path / "index"))
    assert ran.stdout == ""

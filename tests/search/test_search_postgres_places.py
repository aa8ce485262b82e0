"""Where a shared index is; and if it cannot be, one line that says so and tells no password."""

import ssl
import sys
from typing import Any
from urllib.parse import quote

import pytest

from postgres_server import ABOUT, PASSWORD, Server, some_rows, some_vectors
from sememe.errors import InputError, MissingExtra, SememeError, StoreError
from sememe.search.postgres.connection import parse_address
from sememe.search.postgres.store import PostgresStore


def said(url: str, kind: type[SememeError], *, create: bool = False) -> str:
    """The message of an error, which is one line and tells no password."""
    with pytest.raises(kind) as error:
        _ = PostgresStore.create(url, ABOUT) if create else PostgresStore(url)
    message = str(error.value)
    assert "\n" not in message
    assert not any(secret in message for secret in (PASSWORD, quote(PASSWORD, safe=""), "s3cret"))
    return message


def test_a_url_has_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    place = parse_address(
        "postgresql://me%40home:a%2Fb%40c@[::1]:99/data%20base/my_index?sslmode=require"
    )
    assert (place.url, place.name) == ("postgresql://[::1]:99/data base/my_index", "my_index")
    assert place.address == ("::1", 99)
    assert place.login == {
        "user": "me@home", "password": "a/b@c", "host": "::1", "database": "data base",
        "ssl_context": True,
    }  # fmt: skip
    assert "a/b@c" not in repr(place)
    monkeypatch.setenv("PGUSER", "someone")
    monkeypatch.setenv("PGPASSWORD", "secret")
    local = parse_address("postgres:///base/name?host=/run/postgresql")
    assert local.address == "/run/postgresql/.s.PGSQL.5432"
    assert (local.login["user"], local.login["password"]) == ("someone", "secret")


def test_tls_is_chosen_as_libpq_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def context(mode: str) -> Any:
        monkeypatch.setenv("PGSSLMODE", mode)
        return parse_address("postgresql://h/base/name").login["ssl_context"]

    assert [context(mode) for mode in ("disable", "allow", "prefer", "require")] == [
        False, None, None, True,
    ]  # fmt: skip
    for mode, checks_name in (("verify-ca", False), ("verify-full", True)):
        assert context(mode).verify_mode == ssl.CERT_REQUIRED
        assert context(mode).check_hostname == checks_name
    with pytest.raises(InputError, match=r"PGSSLMODE=maybe: only .* verify-ca or verify-full"):
        context("maybe")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:s3cret/x@h/base/name", "write postgresql://.*%2F for a /"),
        ("postgresql://u:s3cret@h:port/base/name", "write postgresql://"),
        ("postgresql://u:s3cret@h", "/ names no database and index"),
        ("postgresql://u:s3cret@h/name", "/name names no database and index"),
        ("postgresql://u:s3cret@h/base/two/parts", "'two/parts' cannot name an index"),
        ('postgresql://u:s3cret@h/base/a"; drop', "cannot name an index"),
        ("postgresql://u:s3cret@h/base/Name", "a to z, 0 to 9 and _"),
        ("postgresql://u:s3cret@h/base/name?sslmode=maybe", "sslmode=prefer or disable"),
        ("postgresql://u:s3cret@h/base/name?timeout=3", "only host= and sslmode="),
    ],
)
def test_what_is_no_place_is_said(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_address(url)
    said(url, InputError)


def test_a_server_that_cannot_be_used_is_said(postgres: Server) -> None:
    assert "password authentication failed" in said(
        postgres.url("a", password="s3cret"), StoreError
    )
    assert 'database "no" does not exist' in said(postgres.url("a", "no"), StoreError)
    assert "authentication failed" in said(
        postgres.url("a", password="s3cret") + "?sslmode=prefer", StoreError
    )
    assert "efused" in said("postgresql://u:s3cret@127.0.0.1:1/base/a", StoreError)
    assert "No such file" in said("postgresql:///base/a?host=/nowhere", StoreError)
    assert "cannot be opened" in said("postgresql://u:s3cret@no.invalid/base/a", StoreError)
    assert "refuses SSL" in said(postgres.url("a") + "?sslmode=require", StoreError)


def test_an_index_that_is_not_there_is_said_with_those_that_are(postgres: Server) -> None:
    postgres.ask("create database names")
    assert said(postgres.url("a", "names"), StoreError).endswith("in this database are: none.")
    for name in ("b", "a"):
        PostgresStore.create(postgres.url(name, "names"), ABOUT).close()
    assert said(postgres.url("c", "names"), StoreError).endswith("in this database are: a, b.")
    assert "a is there already" in said(postgres.url("a", "names"), InputError, create=True)


def test_a_database_without_pgvector_is_said(postgres: Server) -> None:
    postgres.ask("create database bare")
    postgres.ask("create role plain login password 's3cret'")
    plain = postgres.url("a", "bare", "s3cret").replace("admin", "plain")
    message = said(plain, StoreError, create=True)
    assert 'permission denied to create extension "vector". Must be superuser' in message
    PostgresStore.create(postgres.url("a", "bare"), ABOUT).close()
    postgres.ask("drop extension vector cascade", "bare")
    assert "pgvector is missing" in said(postgres.url("a", "bare"), StoreError)


def test_a_database_of_another_encoding_is_said(postgres: Server) -> None:
    postgres.ask("create database latin encoding 'LATIN1' template template0")
    assert "holds LATIN1, and an index needs UTF8" in said(
        postgres.url("a", "latin"), StoreError, create=True
    )


def test_one_who_may_only_read_is_told_so_when_writing(
    postgres: Server, postgres_place: str
) -> None:
    store = PostgresStore.create(postgres_place, ABOUT)
    store.put(some_rows(3), some_vectors(3), "first", replace=False)
    schema = f"sememe_{postgres_place.rpartition('/')[2]}"
    postgres.ask("create role reader login password 's3cret'")
    address = postgres_place.replace("admin", "reader").replace(quote(PASSWORD, safe=""), "s3cret")
    assert f"has to grant usage on schema {schema}" in said(address, StoreError)
    postgres.ask(f"grant usage on schema {schema} to reader")
    postgres.ask(f"grant select on all tables in schema {schema} to reader")
    reader = PostgresStore(address)
    assert reader.nearest(some_vectors(1), 3, None, "first") == store.nearest(
        some_vectors(1), 3, None, "first"
    )
    assert len(reader.matching("text", 5, None)) == 3
    with pytest.raises(StoreError, match="permission denied for table vectors"):
        reader.delete(["1"])


def test_a_socket_is_a_place_too(postgres: Server, postgres_place: str) -> None:
    PostgresStore.create(postgres_place, ABOUT).close()
    name = postgres_place.rpartition("/")[2]
    secret = quote(PASSWORD, safe="")
    local = f"postgresql://admin:{secret}@:{postgres.port}/postgres/{name}?host={postgres.folder}"
    assert len(PostgresStore(local)) == 0


def test_an_index_of_another_version_is_not_touched(postgres: Server, postgres_place: str) -> None:
    PostgresStore.create(postgres_place, ABOUT).close()
    schema = f"sememe_{postgres_place.rpartition('/')[2]}"
    for change in (
        f"update {schema}.state set value = '99' where name = 'format'",
        f"drop table {schema}.state",  # as 0.1 had none
    ):
        postgres.ask(change)
        assert "another version made it" in said(postgres_place, StoreError)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pg8000", None)
    monkeypatch.setitem(sys.modules, "pg8000.dbapi", None)
    message = said("postgresql://u:s3cret@h/base/name", MissingExtra)
    assert 'pip install "pg8000>=1.31"' in message

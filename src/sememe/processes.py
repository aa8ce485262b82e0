"""What does not outlive a fork, or the end of the main thread: native threads, locks and pools.

A forked process has one thread. Whatever its parent's other threads held or did stays as it was at
that moment for ever: a lock that one of them held is never released, a pool has no workers.
"""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Lock, get_ident
from typing import Any, Generic, TypeVar
from weakref import WeakSet

Item = TypeVar("Item")
Value = TypeVar("Value")

_LONGEST_WAIT = 10
"""Seconds that a fork waits for native code at most; a stopped parent would be worse."""


class PerProcess(Generic[Value]):
    """A value that is made when it is first needed, once, and again in a forked process.

    In the child, the parent's value is left alone for ever: even to free it can wait for its
    threads.
    """

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = Lock()
        self._value: Value | None = None
        _values.add(self)

    def __call__(self) -> Value:
        """The value of this process."""
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value

    def abandon(self) -> None:
        """Begin anew, in a child."""
        if self._value is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._value))
        self._lock = Lock()
        self._value = None


_values: "WeakSet[PerProcess[Any]]" = WeakSet()
_before_fork: list[Callable[[], None]] = []


def before_fork(work: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in the parent before each fork, while no thread is in native code."""
    _before_fork.append(work)
    return work


class _Gate:
    """Lets threads into native code, and a fork only when none is in there: it may hold locks."""

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._inside: list[int] = []
        self._forks = 0

    def enter(self) -> None:
        with self._changed:
            # A thread that is inside already continues: the fork waits for it.
            self._changed.wait_for(lambda: not self._forks or get_ident() in self._inside)
            self._inside.append(get_ident())

    def leave(self) -> None:
        with self._changed:
            if get_ident() in self._inside:  # not in a child that was forked from inside
                self._inside.remove(get_ident())
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not {*self._inside} - {get_ident()}, _LONGEST_WAIT)

    def open(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_gate = _Gate()


@contextmanager
def native_code() -> Iterator[None]:
    """Keep forks out while this block runs, so that no child inherits a lock that it holds."""
    _gate.enter()
    try:
        yield
    finally:
        _gate.leave()


def submit(pool: Executor, work: Callable[..., Value], *arguments: Any) -> "Future[Value]":
    """Give work to a pool; once the main thread has ended, pools take none, and it is done here."""
    try:
        return pool.submit(work, *arguments)
    except RuntimeError:
        done: Future[Value] = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done


def map_in_threads(
    threads: int, work: Callable[[Item], Value], items: Iterable[Item]
) -> Iterator[Value]:
    """The results of work on items, in their order; an error stops what has not begun."""
    with ThreadPoolExecutor(threads) as pool:
        futures = [submit(pool, work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _in_parent() -> None:
    _gate.close()
    for work in _before_fork:
        work()


def _in_child() -> None:
    global _gate
    _gate = _Gate()
    for value in _values:
        value.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_in_parent, after_in_parent=lambda: _gate.open(), after_in_child=_in_child
    )

"""Caches of rendered text, bounded by bytes: a few large results may be as much as very many small ones."""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from threading import Lock
from typing import ParamSpec, TypeVar

from cachetools import LRUCache, cached

P = ParamSpec("P")
Text = TypeVar("Text", bound=str)

OVERHEAD = 256  # bytes of an entry beside its text


def digest(*args: object) -> bytes:
    """A key that holds none of the arguments, which are texts and flags."""
    return blake2b(repr(args).encode(errors="surrogatepass"), digest_size=16).digest()


def cached_up_to(
    max_bytes: int, key: Callable[..., Hashable] = digest
) -> Callable[[Callable[P, Text]], Callable[P, Text]]:
    """Cache what a function returns for the same `key` of its arguments, at most `max_bytes` of text in all.

    What was not asked for the longest goes first; what is larger than an eighth of the cache does not enter it. Safe in
    any thread.
    """

    def decorate(function: Callable[P, Text]) -> Callable[P, Text]:
        cache: _ByteCache[Text] = _ByteCache(max_bytes)
        return cached(cache, key=key, lock=Lock())(function)

    return decorate


class _ByteCache(LRUCache[Hashable, Text]):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=_size)

    def __setitem__(self, key: Hashable, text: Text) -> None:
        if _size(text) <= self.maxsize / 8:
            super().__setitem__(key, text)


def _size(text: str) -> int:
    return str.__sizeof__(text) + OVERHEAD

"""Answers of models, kept for the next time that the same is asked.

    with Cache.disk(cache_seed=42) as cache:
        user.initiate_chat(assistant, message="…", cache=cache)

Off unless asked for. What is kept is JSON, and is read as nothing else. Another `cache_seed` is another cache: the
answers of one are not those of the other. Where the answers are used, and what counts as the same question, is
`llm.client`'s affair.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from agentchat.errors import ConfigError

logger = logging.getLogger("agentchat.cache")


class Store(Protocol):
    """Where a cache keeps its texts. Every method may be called from any thread."""

    def read(self, key: str) -> str | None: ...

    def write(self, key: str, text: str) -> None: ...

    def close(self) -> None: ...


class Cache:
    """Keys and JSON values. Made by `Cache.disk`, `Cache.memory` or `Cache.redis`; leaving its `with` block closes it.

    Blocks while it reads and writes. A store that fails is logged and never ends a chat: nothing is found then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def disk(cache_seed: str | int = 42, cache_path_root: str = ".cache") -> "Cache":
        """One file for each answer in the directory `<cache_path_root>/<cache_seed>`, which is its owner's alone."""
        return Cache(DiskStore(Path(cache_path_root) / _checked(cache_seed)))

    @staticmethod
    def memory() -> "Cache":
        """For as long as the object lives."""
        return Cache(MemoryStore())

    @staticmethod
    def redis(cache_seed: str | int = 42, redis_url: str = "redis://localhost:6379/0") -> "Cache":
        """In Redis, for all processes. Raise ConfigError if the package `redis` is not installed."""
        return Cache(RedisStore(_checked(cache_seed), redis_url))

    def get(self, key: str, default: Any = None) -> Any:
        try:
            text = self._store.read(key)
            return default if text is None else json.loads(text)
        except (OSError, ValueError) as error:
            logger.warning("the cache could not be read: %s", error)
            return default

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value. Raise TypeError for any other."""
        text = json.dumps(value, ensure_ascii=True)
        try:
            self._store.write(key, text)
        except OSError as error:
            logger.warning("the cache could not be written: %s", error)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> "Cache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class DiskStore:
    """Files that are there whole or not at all, whoever writes at the same time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, key: str) -> str | None:
        try:
            return self._file(key).read_text("utf-8")
        except FileNotFoundError:
            return None

    def write(self, key: str, text: str) -> None:
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._directory.chmod(0o700)  # whoever made it: answers may hold what people said
        handle, temporary = tempfile.mkstemp(dir=self._directory)  # 0600
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self._file(key))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def close(self) -> None:
        pass

    def _file(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


class MemoryStore:
    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def read(self, key: str) -> str | None:
        return self._texts.get(key)

    def write(self, key: str, text: str) -> None:
        self._texts[key] = text

    def close(self) -> None:
        pass


class RedisStore:
    """Keys `agentchat:cache:<seed>:<key>`; they never expire by themselves."""

    def __init__(self, seed: str, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise ConfigError("Cache.redis() needs the package 'redis': pip install redis") from None
        self._prefix = f"agentchat:cache:{seed}:"
        self._redis = redis.Redis.from_url(url, decode_responses=True)
        self._error = redis.RedisError

    def read(self, key: str) -> str | None:
        try:
            found = self._redis.get(self._prefix + key)
        except self._error as error:
            raise OSError(str(error)) from error
        return None if found is None else str(found)

    def write(self, key: str, text: str) -> None:
        try:
            self._redis.set(self._prefix + key, text)
        except self._error as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        self._redis.close()


def _checked(seed: str | int) -> str:
    """The seed as a name for a directory, and no way out of it."""
    name = str(seed)
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(f"cache_seed {name!r}: give up to 100 letters, digits, '.', '_' and '-', the first not a '.'")
    return name

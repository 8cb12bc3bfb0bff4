"""Models' answers, cached for the next time that the same request is sent.

    with Cache.disk(cache_seed=42) as cache:
        user.initiate_chat(assistant, message="…", cache=cache)

Off by default. Values are JSON, and are parsed as nothing else. Each `cache_seed` is a separate cache: they share no
answers. `llm.request` defines what counts as the same request.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from agentchat.core.log import get_logger
from agentchat.errors import ConfigError

logger = get_logger("agentchat.cache")

__path__: list[str] = []  # a package to the import system, so that `agentchat.cache.cache` reaches `classic_imports`


class Store(Protocol):
    """Where a cache keeps its values. Every method may be called from any thread."""

    def read(self, key: str) -> str | None: ...

    def write(self, key: str, text: str) -> None: ...

    def close(self) -> None: ...


class Cache:
    """Keys and JSON values. Create it with `Cache.disk`, `Cache.memory` or `Cache.redis`; `with` closes it at the end.

    Blocks while it reads and writes. A failing store is logged and never ends a chat: it counts as a miss.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def disk(cache_seed: str | int = 42, cache_path_root: str = ".cache") -> "Cache":
        """One file for each answer in the directory `<cache_path_root>/<cache_seed>`, which only its owner can read."""
        return Cache(DiskStore(Path(cache_path_root) / _directory_name(cache_seed)))

    @staticmethod
    def memory() -> "Cache":
        """In this object."""
        return Cache(MemoryStore())

    @staticmethod
    def redis(cache_seed: str | int = 42, redis_url: str = "redis://localhost:6379/0") -> "Cache":
        """In Redis, shared by all processes. Raise ConfigError if the package `redis` is not installed."""
        return Cache(RedisStore(_directory_name(cache_seed), redis_url))

    @staticmethod
    def cosmos_db(*args: Any, **kwargs: Any) -> "Cache":
        """AutoGen 0.2 has it. Raise ConfigError."""
        raise ConfigError("answers are not cached in Cosmos DB: use Cache.redis(), Cache.disk() or Cache.memory()")

    def get(self, key: str, default: Any = None) -> Any:
        try:
            text = self._store.read(key)
            return default if text is None else json.loads(text)
        except (OSError, ValueError, RecursionError) as error:  # the last for what is nested too deeply
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
    """Files that are complete or absent, even with concurrent writers."""

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
        self._directory.chmod(0o700)  # even if it existed: answers may contain what users wrote
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
    """Keys `agentchat:cache:<seed>:<key>`, without expiry."""

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


def _directory_name(seed: str | int) -> str:
    """The seed as a safe directory name."""
    name = str(seed)
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(
            f"cache_seed {name!r}: use up to 100 letters, digits, '.', '_' and '-', not starting with '.'"
        )
    return name

"""Where answers are kept, and that nothing else comes out of it."""

import pickle
import sys

import pytest

from agentchat.cache import Cache
from agentchat.errors import ConfigError
from tests.services import standing

VALUE = {"content": "Grüße 😀", "tool_calls": [], "cost": None, "half": "\ud83d"}


@pytest.fixture
def redis_cache():
    """Make a cache in Redis with a seed, among keys that are removed at the end."""
    url = standing.redis_server()
    with standing.key_prefix(url) as prefix:
        yield lambda seed=42: Cache.redis(f"{prefix}-{seed}", url)


@pytest.fixture(params=["disk", "memory", pytest.param("redis", marks=pytest.mark.services)])
def make(request, tmp_path):
    """Make a cache with a seed, of each kind."""
    if request.param == "disk":
        return lambda seed=42: Cache.disk(seed, str(tmp_path / "kept"))
    if request.param == "memory":
        return lambda seed=42: Cache.memory()
    return request.getfixturevalue("redis_cache")


def test_what_was_set_is_got_and_nothing_else(make):
    with make() as cache:
        assert cache.get("key") is None
        assert cache.get("key", "default") == "default"
        cache.set("key", VALUE)
        cache.set("another", 1)
        assert cache.get("key") == VALUE


def test_only_json_is_cached(make):
    with make() as cache, pytest.raises(TypeError):
        cache.set("key", object())


def test_another_seed_is_another_cache(make):
    with make(1) as one, make(2) as other:
        one.set("key", "one")
        assert other.get("key") is None


def test_a_cache_on_disk_outlives_its_block(tmp_path):
    with Cache.disk(42, str(tmp_path / "kept")) as cache:
        cache.set("key", VALUE)
    with Cache.disk("42", str(tmp_path / "kept")) as cache:
        assert cache.get("key") == VALUE


def test_the_directory_and_its_files_are_the_owner_s_alone(tmp_path):
    (tmp_path / "kept" / "42").mkdir(parents=True, mode=0o755)
    Cache.disk(42, str(tmp_path / "kept")).set("key", VALUE)
    Cache.disk(43, str(tmp_path / "new")).set("key", VALUE)
    made = [tmp_path / "kept" / "42", tmp_path / "new", tmp_path / "new" / "43"]
    assert [oct(path.stat().st_mode & 0o777) for path in made] == ["0o700"] * 3
    [file] = (tmp_path / "kept" / "42").iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_nothing_is_created_before_something_is_stored(tmp_path):
    Cache.disk(42, str(tmp_path / "kept")).get("key")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_json_is_not_there_and_never_unpickled(tmp_path, caplog):
    cache = Cache.disk(42, str(tmp_path))
    cache.set("key", VALUE)
    [file] = (tmp_path / "42").iterdir()
    file.write_bytes(pickle.dumps({"content": "from a pickle"}))
    assert cache.get("key") is None
    assert "could not be read" in caplog.text


def test_a_disk_that_takes_nothing_ends_no_chat(tmp_path, caplog):
    (tmp_path / "kept").write_text("a file where the directory should be")
    cache = Cache.disk(42, str(tmp_path / "kept"))
    cache.set("key", VALUE)
    assert cache.get("key") is None
    assert "could not be written" in caplog.text


@pytest.mark.parametrize("seed", ["..", "a/b", "", ".hidden", "a\0b", "x" * 101])
def test_a_seed_leads_nowhere_else(seed):
    with pytest.raises(ConfigError, match="cache_seed"):
        Cache.disk(seed)


def test_a_redis_that_is_not_there_ends_no_chat(tmp_path, caplog):
    with Cache.redis(42, f"unix://{tmp_path}/nobody.sock") as cache:
        cache.set("key", VALUE)
        assert cache.get("key") is None
    assert "could not be written" in caplog.text


def test_without_the_package_redis_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match="pip install redis"):
        Cache.redis()

"""What the shared cache stores is JSON."""

import pytest

from agentchat.json_cache import JSONSerializer


def test_the_shared_cache_speaks_json_and_never_unpickles():
    serializer = JSONSerializer()
    for value in (7, "words", {"a": [1, None, True]}, "half \ud800"):
        assert serializer.loads(serializer.dumps(value)) == value
    assert serializer.dumps(7) == b"7"  # Redis can count with it
    with pytest.raises(TypeError):
        serializer.dumps(object())


@pytest.mark.parametrize("broken", [b"\x80\x04\x95cos\nsystem\n.", b"", b"{", b"[" * 100_000, b"\xff", b"words"])
def test_what_is_no_json_counts_as_missing(broken, caplog):
    assert JSONSerializer().loads(broken) is None
    assert "counts as missing" in caplog.text

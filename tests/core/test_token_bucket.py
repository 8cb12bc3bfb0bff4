"""A limit of a rate."""

from agentchat.core.token_bucket import TokenBucket


def test_a_burst_is_allowed_and_then_only_the_rate():
    bucket = TokenBucket(burst=3, per_second=2)
    assert [bucket.allows(1, now=10.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.allows(1, now=11.0)  # two have come, and one was owed
    assert not bucket.allows(1, now=11.0)


def test_a_long_silence_earns_no_more_than_a_burst():
    bucket = TokenBucket(burst=3, per_second=2)
    assert bucket.allows(3, now=0.0)
    assert [bucket.allows(1, now=1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_gives_nothing():
    bucket = TokenBucket(burst=1, per_second=1)
    assert bucket.allows(1, now=5.0)
    assert not bucket.allows(1, now=4.0)


def test_no_more_than_a_burst_is_owed():
    bucket = TokenBucket(burst=3, per_second=1)
    assert not any(bucket.allows(100, now=0.0) for _ in range(100))
    assert bucket.allows(1, now=4.0)

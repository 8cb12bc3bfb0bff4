"""Whose work is next, where several share a number of places."""

from agentchat.infra.fair_queue import FairQueue, current_lanes, enter_lanes, lanes


def granted(queue):
    """All that may begin now."""
    found = []
    while (entry := queue.take()) is not None:
        found.append(entry)
    return found


def test_one_owner_never_takes_more_than_their_share_however_much_they_hand_in():
    queue = FairQueue(lambda: 4, {"owner": lambda: 2})
    for number in range(100):
        queue.add(f"a{number}", {"owner": "a"})
    assert [item for item, _ in granted(queue)] == ["a0", "a1"]
    queue.add("b0", {"owner": "b"})
    assert [item for item, _ in granted(queue)] == ["b0"]


def test_the_owner_with_the_least_at_work_is_next_whoever_came_first():
    queue = FairQueue(lambda: 4, {"owner": lambda: 3})
    for number in range(10):
        queue.add(f"a{number}", {"owner": "a"})
        queue.add(f"b{number}", {"owner": "b"})
    first = granted(queue)
    assert [item for item, _ in first] == ["a0", "b0", "a1", "b1"]
    queue.add("c0", {"owner": "c"})
    queue.done({"owner": "a"})
    assert [item for item, _ in granted(queue)] == ["c0"]


def test_owners_with_as_much_at_work_take_turns():
    queue = FairQueue(lambda: 1)
    for owner in "aabbcc":
        queue.add(owner, {"owner": owner})
    order = []
    while (entry := queue.take()) is not None:
        order.append(entry[0])
        queue.done(entry[1])
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_what_waits_for_a_full_lane_holds_up_nothing_behind_it():
    queue = FairQueue(lambda: 4, {"tool": lambda: 1})
    for item, tool in (("one", "hang"), ("two", "hang"), ("three", "ping")):
        queue.add(item, {"owner": "a", "tool": tool})
    assert [item for item, _ in granted(queue)] == ["one", "three"]
    queue.done({"owner": "a", "tool": "hang"})
    assert [item for item, _ in granted(queue)] == ["two"]


def test_what_is_removed_is_not_taken_and_nothing_of_its_owner_is_kept():
    queue = FairQueue(lambda: 1)
    for item in ("one", "two"):
        queue.add(item, {"owner": item})
    queue.take()
    queue.remove("two")
    queue.remove("one")  # it has a place already
    queue.done({"owner": "one"})
    assert queue.take() is None
    assert queue.at_work == queue.taken("owner", "one") == 0
    assert not queue._waiting
    assert not queue._taken


def test_lanes_are_those_of_the_context_and_end_with_their_block():
    with lanes(owner="a"):
        with lanes(tool="ping"):
            assert current_lanes() == {"owner": "a", "tool": "ping"}
        assert current_lanes() == {"owner": "a"}
        enter_lanes(owner="b")
        assert current_lanes() == {"owner": "b"}
    assert current_lanes() == {}

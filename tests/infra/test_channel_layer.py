"""Names of groups."""

from channels.layers import InMemoryChannelLayer

from agentchat.infra.channel_layer import group_of_process


def test_a_process_name_makes_a_group_name_that_every_layer_takes():
    group = group_of_process("host_with ümläut-" + "x" * 100)
    assert InMemoryChannelLayer().require_valid_group_name(group)

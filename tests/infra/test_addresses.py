"""Where a request comes from, and who may say so."""

import pytest

from agentchat.infra.addresses import UNKNOWN, address_of, address_of_meta, address_of_scope


@pytest.fixture
def proxies(settings):
    def set_proxies(number):
        settings.AGENTCHAT = {"TRUSTED_PROXIES": number}

    return set_proxies


@pytest.mark.parametrize("number", [None, 0])
def test_without_a_known_proxy_the_header_is_not_believed(proxies, number):
    proxies(number)
    assert address_of("8.8.4.4", ["6.6.6.6"]) == "8.8.4.4"


def test_only_what_the_site_s_own_proxies_have_added_counts(proxies):
    proxies(1)
    assert address_of("127.0.0.1", ["6.6.6.6, 8.8.4.4"]) == "8.8.4.4"
    assert address_of("127.0.0.1", ["6.6.6.6", "8.8.4.4"]) == "8.8.4.4"  # as a header of its own
    proxies(2)
    assert address_of("127.0.0.1", ["6.6.6.6, 8.8.4.4, 10.0.0.7"]) == "8.8.4.4"


def test_with_fewer_entries_than_proxies_the_address_is_unknown(proxies):
    proxies(2)
    assert address_of("127.0.0.1", ["6.6.6.6"]) == UNKNOWN
    assert address_of("127.0.0.1", []) == UNKNOWN


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "172.18.0.5", "::1", "fd00::1"])
def test_a_peer_in_a_private_network_may_be_a_proxy_unless_it_is_said_that_there_is_none(proxies, peer):
    proxies(None)
    assert address_of(peer) == UNKNOWN
    proxies(0)
    assert address_of(peer) != UNKNOWN


def test_all_addresses_of_one_ipv6_connection_are_one(proxies):
    assert address_of("2606:4700:1:2::1") == address_of("2606:4700:1:2:ffff:1:2:3") == "2606:4700:1:2::/64"
    assert address_of("2606:4700:1:3::1") != address_of("2606:4700:1:2::1")
    assert address_of("::ffff:8.8.4.4") == "8.8.4.4"


@pytest.mark.parametrize("entry", ["8.8.4.4:5678", " 8.8.4.4", "8.8.4.4"])
def test_a_port_is_no_part_of_the_address(proxies, entry):
    proxies(1)
    assert address_of("127.0.0.1", [entry]) == "8.8.4.4"
    assert address_of("127.0.0.1", ["[2606:4700:1:2::1]:5678"]) == "2606:4700:1:2::/64"


@pytest.mark.parametrize("entry", ["", "unknown", "_hidden", "8.8.4.4.4", "[", "1" * 100_000, "::::", "\u0661.1.1.1"])
def test_what_is_no_address_is_unknown(proxies, entry):
    proxies(1)
    assert address_of("127.0.0.1", [entry]) == UNKNOWN


def test_requests_and_websockets_have_the_same_address(proxies):
    proxies(1)
    headers = [(b"host", b"x"), (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"8.8.4.4")]
    assert address_of_scope({"client": ["127.0.0.1", 5], "headers": headers}) == "8.8.4.4"
    assert address_of_meta({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6,8.8.4.4"}) == "8.8.4.4"
    assert address_of_scope({"client": None, "headers": []}) == UNKNOWN
    assert address_of_meta({"REMOTE_ADDR": None}) == UNKNOWN  # a socket in the file system has none

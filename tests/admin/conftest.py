"""Staff, and an owner of chats, for the tests of admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("olivia")


@pytest.fixture
def staff(admin_client: Client) -> Client:
    return admin_client

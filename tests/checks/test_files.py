"""System checks of where files of chats are kept."""

from django.core.checks import run_checks

from agentchat.checks.files import check_files
from agentchat.files import storage


def kept_in(settings, folder):
    options = {"location": folder}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "agentchat": {"BACKEND": backend, "OPTIONS": options}}


def test_a_folder_that_the_site_serves_is_an_error(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    kept_in(settings, tmp_path.parent / "private")
    assert check_files() == []
    kept_in(settings, tmp_path / "files")
    [problem] = [each for each in run_checks(tags=["files"]) if each.id.startswith("agentchat.")]
    assert problem.id == "agentchat.E018"
    assert str(tmp_path / "files") in problem.msg


def test_without_the_alias_files_are_kept_in_a_folder_of_the_project(settings, tmp_path):
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "agentchat"}
    settings.BASE_DIR = tmp_path
    assert storage.storage().path("a") == str(tmp_path / "agentchat_files" / "a")

"""deploy/compose.yaml: by its schema, and by what it promises. No Docker is needed; none of it is started here."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SITES_OWN = ("web1", "web2", "worker1", "worker2", "migrate")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its anchors resolved."""
    loaded = YAML(typ="safe", pure=True).load(COMPOSE.read_text(encoding="utf-8"))
    return json.loads(json.dumps(loaded))


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_keeps_to_the_schema_of_compose(tmp_path: Path) -> None:
    done = check_schema(COMPOSE)
    assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.yaml").write_text(COMPOSE.read_text().replace("mem_limit: 384m", "mem_limits: 384m"))
    assert check_schema(tmp_path / "wrong.yaml").returncode == 1


def test_it_has_the_whole_shape(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted(["proxy", "database", "redis", *SITES_OWN])
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["proxy"]


def test_nothing_runs_as_root_writes_where_it_likes_or_gains_rights(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name


def test_images_are_pinned_to_patch_versions(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"]), name
        if name not in ("database", "redis", "proxy"):
            assert service["image"].count(".") == 2, name


def test_everything_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert name == "migrate" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


def test_what_is_needed_is_waited_for(compose: dict[str, Any]) -> None:
    for name in SITES_OWN[:4]:
        needs = {other: need["condition"] for other, need in compose["services"][name]["depends_on"].items()}
        assert needs == {
            "database": "service_healthy",
            "redis": "service_healthy",
            "migrate": "service_completed_successfully",
        }
    assert compose["services"]["migrate"]["restart"] == "no"


def test_processes_have_longer_to_stop_than_their_runs(compose: dict[str, Any], settings: Any) -> None:
    from agentchat import conf

    settings.AGENTCHAT = {}
    for name in SITES_OWN:
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > conf.app.drain_s


def test_database_and_redis_are_out_of_reach_from_outside(compose: dict[str, Any]) -> None:
    assert compose["networks"]["back"]["internal"] is True
    for name in ("database", "redis", "migrate"):
        assert compose["services"][name]["networks"] == ["back"]
    assert compose["services"]["proxy"]["networks"] == ["front"]


def test_secrets_reach_only_whom_they_are_for(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("env_file" in service) == (name in SITES_OWN), name
        if name not in SITES_OWN:
            assert "SECRET" not in json.dumps(service.get("environment", {})), name
            assert "POSTGRES_PASSWORD}" not in json.dumps(service), name


def test_every_variable_that_is_filled_in_has_an_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    assert wanted
    assert wanted <= set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_proxy_is_given_every_variable_of_its_configuration(compose: dict[str, Any]) -> None:
    configuration = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    without_default = set(re.findall(r'"\$\{(\w+)\}"', configuration))
    assert without_default == set(compose["services"]["proxy"]["environment"])


def test_every_setting_in_deploy_is_read_by_the_settings_and_the_important_ones_are_there(
    compose: dict[str, Any],
) -> None:
    settings = (ROOT / "chatsite" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env\.\w+\("([A-Z_0-9]+)"', settings)) | {"DATABASE_URL"}
    read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', (ROOT / "agentchat" / "llm" / "config.py").read_text()))
    read |= set(re.findall(r'(?:environ\.get|url_in)\("([A-Z_]+)"', settings))
    read |= {f"AGENTCHAT_{key}" for key in re.findall(r'^    "([A-Z_]+)": env\.', settings, re.MULTILINE)}
    example = re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    for_compose_alone = {"SITE", "POSTGRES_PASSWORD", "CERTIFICATE"}
    given = (set(example) - for_compose_alone) | set(compose["services"]["web1"]["environment"])
    assert given - read == set()
    assert {
        "ALLOWED_HOSTS",
        "AGENTCHAT_ENGINE",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_URL",
        "OPENAI_API_KEY",
        "REDIS_URL",
        "SECRET_KEY",
        "SECURE_PROXY_SSL_HEADER",
        "SECURE_SSL_REDIRECT",
    } <= given
    assert "DEBUG" not in given

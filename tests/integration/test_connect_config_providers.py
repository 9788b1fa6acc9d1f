"""Configuration providers, and offsets over REST: references stay, offsets change in stopped connectors."""

from pathlib import Path

import pytest

from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.config import ConfigError
from tidelock.connect.runtime.config_providers import Providers, restored, without_values

KAFKA = "org.apache.kafka.common.config.provider."


def worker_keys(folder: Path) -> dict[str, str]:
    return {
        "config.providers": "file,dir,env",
        "config.providers.file.class": f"{KAFKA}FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(folder),
        "config.providers.dir.class": f"{KAFKA}DirectoryConfigProvider",
        "config.providers.env.class": f"{KAFKA}EnvVarConfigProvider",
        "config.providers.env.param.allowlist.pattern": "TIDELOCK_TEST_.*",
    }


def test_references_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.properties").write_text("password = s3cr\\u0065t\nhost=db\n")
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("TIDELOCK_TEST_USER", "소율")
    file = f"${{file:{tmp_path}/secrets.properties:"
    raw = {
        "url": f"postgresql://{file}host}}/x?p={file}password}}",
        "token": f"${{dir:{tmp_path}:token}}",
        "user": "${env:TIDELOCK_TEST_USER}",
        "topic.format": "${topic}-${timestamp}",
        "other": "${vault:a:b}",
    }
    resolved = Providers.of(worker_keys(tmp_path)).resolved(raw)
    assert resolved == {
        "url": "postgresql://db/x?p=s3cret",
        "token": "from a file",
        "user": "소율",
        "topic.format": "${topic}-${timestamp}",
        "other": "${vault:a:b}",
    }
    assert restored({**resolved, "task": "1"}, raw, resolved) == {**raw, "task": "1"}
    assert without_values("no login as 소율", raw, resolved) == "no login as ${env:TIDELOCK_TEST_USER}"


@pytest.mark.parametrize(
    "reference",
    [
        "${file:/etc/passwd:root}",
        "${file:FOLDER/../x:a}",
        "${file:FOLDER/secrets.properties:nope}",
        "${file:FOLDER/none.properties:a}",
        "${dir:FOLDER:none}",
        "${dir:FOLDER:../secrets.properties}",
        "${env:PATH}",
        "${env:TIDELOCK_TEST_NONE}",
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error_at_its_key(tmp_path: Path, reference: str) -> None:
    (tmp_path / "secrets.properties").write_text("a=1\n")
    with pytest.raises(ConfigError) as caught:
        Providers.of(worker_keys(tmp_path)).resolved({"k": reference.replace("FOLDER", str(tmp_path))})
    assert [one.key for one in caught.value.problems] == ["k"]


def test_an_unknown_provider_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"config\.providers\.vault\.class"):
        Providers.of({"config.providers": "vault", "config.providers.vault.class": "x.Vault"})


def test_rest_shows_references_only_and_changes_offsets_of_a_stopped_source(
    kafka: Kafka, tmp_path: Path
) -> None:
    lines, secrets = tmp_path / "in.txt", tmp_path / "secrets.properties"
    lines.write_text("one\ntwo\n")
    secrets.write_text(f"file={lines}\ntopic=secret-topic\n")
    config = {
        "connector.class": "FileStreamSource",
        "file": f"${{file:{secrets}:file}}",
        "topic": f"${{file:{secrets}:topic}}",
    }
    with Worker(tmp_path, {"bootstrap.servers": kafka.bootstrap, **worker_keys(tmp_path)}) as worker:
        status, body = worker.request("POST", "/connectors", {"name": "s", "config": config})
        assert status == 201, body
        offsets = [{"partition": {"filename": str(lines)}, "offset": {"position": 8}}]
        eventually(lambda: worker.get("/connectors/s/offsets")["offsets"] == offsets, 20)
        for path in ("", "/config", "/tasks"):
            assert "secret-topic" not in str(worker.get(f"/connectors/s{path}"))
        assert worker.get("/connectors/s/tasks")[0]["config"]["topic"] == config["topic"]
        assert worker.request("DELETE", "/connectors/s/offsets")[0] == 400  # it runs
        worker.request("PUT", "/connectors/s/stop")
        body = {"offsets": [{"partition": {"filename": str(lines)}, "offset": {"position": 4}}]}
        assert worker.request("PATCH", "/connectors/s/offsets", body) == (
            200,
            {"message": "The offsets for this connector have been altered successfully"},
        )
        assert worker.get("/connectors/s/offsets") == body
        wrong = {"offsets": [{"partition": {"filename": "x"}, "offset": {"position": -1}}]}
        for refused in (wrong, {"offsets": []}, {"offsets": [{"partition": 5}]}, {}):
            assert worker.request("PATCH", "/connectors/s/offsets", refused)[0] == 400
        assert worker.request("DELETE", "/connectors/s/offsets")[0] == 200
        assert worker.get("/connectors/s/offsets") == {"offsets": []}
        bad = {**config, "topic": f"${{file:{secrets}:nope}}"}
        status, body = worker.request("PUT", "/connectors/s/config", bad)
        assert status == 400
        assert "has no key nope" in body["message"]

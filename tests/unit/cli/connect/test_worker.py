from pathlib import Path

import pytest

from tidelock.cli.connect.worker import NoWorkerFileError, run
from tidelock.config import ConfigError


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("text", ["name=x\n", "name=x\nconnector.class=FileStreamSink\n", ""])
def test_a_connectors_file_in_the_workers_place_is_named(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, "sink.properties", text)
    with pytest.raises(NoWorkerFileError) as caught:
        run(file, [])
    assert caught.value.where == str(file)


def test_a_connector_without_a_name_is_named_by_its_file(tmp_path: Path) -> None:
    worker = written(tmp_path, "worker.properties", "bootstrap.servers=localhost:1\n")
    file = written(tmp_path, "sink.properties", "connector.class=FileStreamSink\n")
    with pytest.raises(ConfigError, match=r"sink\.properties"):
        run(worker, [file])

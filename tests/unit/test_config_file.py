"""Configuration files: two formats, the same dotted keys; what cannot be read says why."""

import tomllib
from pathlib import Path

import pytest

from tidelock.config_file import ConfigFileError, flattened, read_pairs


def test_toml_tables_and_dotted_keys_are_the_same() -> None:
    text = '[broker]\nnum.partitions = 4\n"auto.create.topics.enable" = false\nlog.dirs = ["/a", "/b"]\n'
    assert dict(flattened(tomllib.loads(text))) == {
        "broker.num.partitions": "4",
        "broker.auto.create.topics.enable": "false",
        "broker.log.dirs": "/a,/b",
    }


def test_both_formats_give_the_same_pairs(tmp_path: Path) -> None:
    toml, properties = tmp_path / "a.toml", tmp_path / "a.properties"
    toml.write_text("[a.b]\nc = 1\nd = true\n", encoding="utf-8")
    properties.write_text("a.b.c = 1\na.b.d: true\n", encoding="utf-8")
    assert read_pairs(toml) == read_pairs(properties) == [("a.b.c", "1"), ("a.b.d", "true")]


@pytest.mark.parametrize("content", [b"a = = 1", b"\xff\xfe"])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigFileError):
        read_pairs(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="No such file") as caught:
        read_pairs(tmp_path / "none.toml")
    assert caught.value.where == str(tmp_path / "none.toml")

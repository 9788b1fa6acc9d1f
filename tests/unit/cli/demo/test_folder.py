"""The demo's folder: claimed once, cleaned, edited sources kept, foreign folders never touched."""

from pathlib import Path

import pytest

from tidelock.cli.demo.folder import (
    MARKER,
    SOURCES,
    DemoFolder,
    FolderInTheWayError,
    FolderUnusableError,
)


def test_a_fresh_folder_gets_the_sources_and_a_marker(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.claim()
    assert {entry.name for entry in folder.path.iterdir()} >= {MARKER, "logs", *SOURCES}
    folder.release()


def test_a_second_run_cleans_data_and_keeps_edited_sources(tmp_path: Path) -> None:
    first = DemoFolder(tmp_path)
    first.claim()
    (tmp_path / "common.db").write_text("old")
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "x").write_text("old")
    (tmp_path / "order_service.py").write_text("# mine now\n")
    first.release()
    second = DemoFolder(tmp_path)
    second.claim()
    assert not (tmp_path / "common.db").exists()
    assert not (tmp_path / "platform").exists()
    assert (tmp_path / "order_service.py").read_text() == "# mine now\n"
    assert second.edited == ["order_service.py"]
    second.release()


def test_a_folder_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderInTheWayError, match="not empty"):
        DemoFolder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(FolderInTheWayError, match="is a file"):
        DemoFolder(tmp_path / "thesis.txt")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    first = DemoFolder(tmp_path)
    first.claim()
    with pytest.raises(FolderInTheWayError, match=r"running in this folder \(pid \d+\)"):
        DemoFolder(tmp_path).claim()
    first.release()


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderUnusableError, match="cannot be written"):
        DemoFolder(tmp_path / "file" / "below").claim()

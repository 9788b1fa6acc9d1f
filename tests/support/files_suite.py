"""What every implementation of the log's `Files` must do; a test class inherits this and gives `files`."""

import threading

import pytest

from tidelock.broker.log.files import Files, append_all, read_all, replace


class FilesSuite:
    """Inherit and provide a fixture `files` that returns an empty `Files`."""

    def test_appends_are_read_back_from_any_position(self, files: Files) -> None:
        file = files.open("a")
        assert file.append(b"hello ") == 6
        assert file.append(memoryview(b"world")) == 5
        file.close()
        assert files.read("a", 0, 100) == b"hello world"
        assert files.read("a", 6, 3) == b"wor"
        assert files.read("a", 11, 5) == b""
        assert files.size("a") == 11

    def test_opening_again_goes_on_at_the_end(self, files: Files) -> None:
        for part in (b"one", b"two"):
            file = files.open("a")
            file.append(part)
            file.close()
        assert read_all(files, "a") == b"onetwo"

    def test_appends_after_a_truncation_go_on_there(self, files: Files) -> None:
        file = files.open("a")
        file.append(b"0123456789")
        file.truncate(4)
        file.append(b"x")
        file.close()
        assert read_all(files, "a") == b"0123x"

    def test_reads_see_appends_made_after_the_first_read(self, files: Files) -> None:
        file = files.open("a")
        file.append(b"1")
        assert files.read("a", 0, 10) == b"1"
        file.append(b"2")
        assert files.read("a", 0, 10) == b"12"
        file.close()

    def test_a_missing_file_is_not_found(self, files: Files) -> None:
        for access in (lambda: files.read("no", 0, 1), lambda: files.size("no"), lambda: files.sync("no")):
            with pytest.raises(FileNotFoundError):
                access()
        with pytest.raises(FileNotFoundError):
            files.remove("no")
        with pytest.raises(FileNotFoundError):
            files.open("no-folder/a")

    def test_folders_list_their_names_in_order(self, files: Files) -> None:
        files.make_folder("d")
        files.make_folder("d")
        for name in ("d/b", "d/a", "top"):
            files.open(name).close()
        assert files.list("d") == ["a", "b"]
        assert files.list("") == ["d", "top"]
        assert files.list("absent") == []

    def test_a_rename_replaces_the_target(self, files: Files) -> None:
        for name, content in (("old", b"old"), ("new", b"new")):
            file = files.open(name)
            file.append(content)
            file.close()
        assert files.read("old", 0, 9) == b"old"
        files.rename("new", "old")
        assert files.read("old", 0, 9) == b"new"
        assert files.list("") == ["old"]

    def test_a_folder_is_renamed_with_what_is_in_it(self, files: Files) -> None:
        files.make_folder("d")
        files.open("d/a").close()
        assert files.read("d/a", 0, 1) == b""
        files.rename("d", "e")
        assert files.list("") == ["e"]
        assert files.list("e") == ["a"]

    def test_only_an_empty_folder_is_removed(self, files: Files) -> None:
        files.make_folder("d")
        files.open("d/a").close()
        with pytest.raises(OSError, match="not empty"):
            files.remove("d")
        files.remove("d/a")
        files.remove("d")
        assert files.list("") == []

    def test_a_removed_file_that_is_made_again_starts_empty(self, files: Files) -> None:
        file = files.open("a")
        append_all(file, b"first")
        file.close()
        assert files.read("a", 0, 9) == b"first"
        files.remove("a")
        files.open("a").close()
        assert files.read("a", 0, 9) == b""

    def test_replace_leaves_the_new_content_and_no_temporary_file(self, files: Files) -> None:
        files.make_folder("d")
        for content in (b"a longer first content", b"second"):
            replace(files, "d/f", content)
            assert read_all(files, "d/f") == content
        assert files.list("d") == ["f"]

    def test_another_thread_may_sync_and_replace_while_this_one_works(self, files: Files) -> None:
        files.make_folder("d")
        failures: list[Exception] = []
        work = threading.Thread(target=_sync_and_replace, args=(files, failures))
        work.start()
        number = 0
        while (work.is_alive() and number < 2_000) or number < 50:
            name = f"d/{number}"
            file = files.open(name)
            file.append(b"x")
            file.close()
            assert files.read(name, 0, 1) == b"x"
            if number % 3 == 0:
                files.remove(name)
            number += 1
        work.join()
        assert failures == []
        assert read_all(files, "checkpoint") == b"99"

    def test_files_and_folders_are_synced(self, files: Files) -> None:
        files.make_folder("d")
        files.open("d/a").close()
        files.sync("d/a")
        files.sync("d")
        files.sync("")


def _sync_and_replace(files: Files, failures: list[Exception]) -> None:
    try:
        for number in range(100):
            replace(files, "checkpoint", b"%d" % number)
            files.sync("d")
    except (OSError, RuntimeError) as error:
        failures.append(error)

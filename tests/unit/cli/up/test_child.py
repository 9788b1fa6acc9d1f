"""What a part shows of its warnings: each text once per interval."""

from tidelock.cli.up.child import MOST_TEXTS, Repetitions


def test_a_repeated_text_is_held_back_and_counted() -> None:
    repetitions = Repetitions(interval=10.0)
    assert repetitions.shown("disk is slow", 0.0) == "disk is slow"
    assert [repetitions.shown("disk is slow", at) for at in (1.0, 2.0, 9.9)] == [None, None, None]
    assert repetitions.shown("another", 3.0) == "another"
    assert repetitions.shown("disk is slow", 10.0) == "disk is slow (3 more like it)"
    assert repetitions.shown("disk is slow", 30.0) == "disk is slow"


def test_texts_that_never_repeat_do_not_pile_up() -> None:
    repetitions = Repetitions(interval=10.0)
    for number in range(MOST_TEXTS * 3):
        repetitions.shown(f"text {number}", 0.0)
    assert len(repetitions._seen) <= MOST_TEXTS

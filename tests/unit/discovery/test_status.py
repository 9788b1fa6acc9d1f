"""Every combination against a transcription of the four Java rules, written as nested ifs on purpose."""

import itertools

import pytest

from tidelock.discovery.instance import Status
from tidelock.discovery.status import RULES, Question, decide

UP, OUT = Status.UP, Status.OUT_OF_SERVICE


def java(question: Question) -> Status:
    if question.sent not in (UP, OUT):
        return question.sent
    if question.override is not None:
        return question.override
    if not question.is_replica and question.existing in (UP, OUT):
        assert question.existing is not None
        return question.existing
    return question.sent


ALL = [Question(*row) for row in itertools.product(Status, (None, *Status), (None, *Status), (False, True))]


@pytest.mark.parametrize("question", ALL, ids=lambda question: "-".join(str(part) for part in question))
def test_the_table_says_what_the_java_rules_say(question: Question) -> None:
    assert decide(question) is java(question)


def test_every_rule_decides_something() -> None:
    first = {next(rule.name for rule in RULES if rule.answer(question) is not None) for question in ALL}
    assert first == {rule.name for rule in RULES}


def test_an_instance_cannot_leave_service_by_registering_again() -> None:
    assert decide(Question(OUT, None, UP, is_replica=False)) is UP
    assert decide(Question(OUT, None, UP, is_replica=True)) is OUT

"""What is sent along."""

from __future__ import annotations

from dynasor.chat import Conversation
from dynasor.vocabulary import Message


def test_questions_and_answers_are_sent_along() -> None:
    conversation = Conversation("Be brief.").after("One?", "1")
    assert conversation.asking("Two?") == (
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("user", "Two?"),
    )


def test_a_question_without_an_answer_is_not() -> None:
    assert Conversation().after("One?", " \n").asking("Two?") == (Message("user", "Two?"),)


def test_a_new_conversation_keeps_the_system_message() -> None:
    assert Conversation("Be brief.").after("One?", "1").restarted() == Conversation("Be brief.")

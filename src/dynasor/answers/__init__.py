"""What counts as an answer: reading it out of a text, and telling which answers are the same."""

from dynasor.answers.extraction import AnswerStyle, extract, read_prefix
from dynasor.answers.reader import AnswerReader

__all__ = ["AnswerReader", "AnswerStyle", "extract", "read_prefix"]

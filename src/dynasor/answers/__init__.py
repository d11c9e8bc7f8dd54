"""What counts as an answer: reading it out of a text, and telling which answers are the same."""

from dynasor.answers.extraction import AnswerStyle, extract, read_prefix
from dynasor.answers.reader import AnswerReader, Grouping

__all__ = ["AnswerReader", "AnswerStyle", "Grouping", "extract", "read_prefix"]

"""One request, and its text as it is."""

from __future__ import annotations

from dynasor.programs.protocol import Session
from dynasor.vocabulary import Answer, Branch, Certaindex

UNKNOWN = Certaindex(0.0, {})
"""One text alone does not tell how sure it is."""


class Single:
    """Ask once, and show reasoning and text as they come. The answer is read from the text.

    One that is ended early has the text so far for its solution.
    """

    async def execute(self, session: Session) -> Answer:
        session.grant(most=1)
        async with session.stream(session.question.messages) as stream:
            try:
                async for delta in stream:
                    session.show(delta.text, delta.reasoning)
            finally:
                stream.keep(stream.num_tokens)
                session.observe(UNKNOWN, solution=stream.text)
        completion = stream.completion
        assert completion is not None, "a stream that was read to its end has a completion"
        answer = await session.read_answer(completion)
        text = answer.text if answer else None
        return Answer(text, UNKNOWN, completion.text, (Branch(text, completion.num_tokens),))

"""The checks, one function each: from an engine that was entered to a finding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dynasor.doctor.finding import Finding
from dynasor.doctor.patient import QUESTION, Heard, Patient
from dynasor.engines.priorities import why_they_are_ignored
from dynasor.engines.protocol import TellsCacheUsage
from dynasor.errors import EngineCannot, EngineError, EngineRejected
from dynasor.models.formats import ANSWER_PREFIX, END_THINK, THINK
from dynasor.vocabulary import Sampling

Check = Callable[[Patient], Awaitable[Finding]]

LEAST_CONTEXT = 2048
MOST_BOXED_TOKENS = 32
LOOKED_AT_TOKENS = 48
"""So many tokens show whether a model begins by thinking."""
PRIORITY = 1
LONGER_CONTEXT = {
    "vllm": "start vLLM with a larger --max-model-len",
    "sglang": "start SGLang with a larger --context-length",
    "llamacpp": "start llama.cpp with a larger --ctx-size: it is shared among the slots of --parallel",
    "": "ask its provider for a model with a longer context",
}
RENDERING_ENGINES = {
    "": "use vLLM, SGLang or llama.cpp, and let a proxy in front of it pass on /tokenize and /detokenize, or "
    "/apply-template"
}
PRIORITY_FLAGS = {
    "vllm": "start vLLM with --scheduling-policy priority",
    "sglang": "start SGLang with --enable-priority-scheduling",
}
METRICS_FLAGS = {"sglang": "start SGLang with --enable-metrics"}


async def check_model(patient: Patient) -> Finding:
    info = patient.info
    return Finding.ok("model", f"{info.model} on an engine of kind {info.kind}", "requests ask for this model")


async def check_context(patient: Patient) -> Finding:
    length = patient.info.max_model_len
    if length is None:
        return Finding.warning(
            "context length",
            "the engine does not tell",
            "a prompt that is too long is found out only when it is refused, and its question fails",
            "set --max-tokens to what a sample may need",
        )
    if length < LEAST_CONTEXT:
        return Finding.warning(
            "context length",
            f"{length} tokens for prompt and answer",
            "chains of thought are cut off, and answers that are cut off are none",
            patient.advice(LONGER_CONTEXT),
        )
    return Finding.ok("context length", f"{length} tokens for prompt and answer", "enough for prompts and answers")


async def check_streaming(patient: Patient) -> Finding:
    heard = await patient.hear(QUESTION, Sampling(max_tokens=LOOKED_AT_TOKENS))
    if heard.num_tokens == 0:
        return Finding.failed(
            "generation", "an answer without tokens", "no program can work", "look at the engine's own log"
        )
    found = f"{heard.num_tokens} tokens in {heard.seconds:.2f} s, streamed"
    if heard.prompt_tokens is None:
        return Finding.warning(
            "generation",
            f"{found}; how long the prompt was is not told",
            "tokens produced are counted by chunk, tokens read are not counted",
            "use an engine that honours stream_options.include_usage",
        )
    return Finding.ok("generation", found, "the engine answers, and its tokens are counted as it counts them")


async def check_template(patient: Patient) -> Finding:
    """Rendered, and read as the same number of tokens as the conversation itself."""
    name, needed = "chat template", "chain-of-thought, rebase, mcts and judges continue half-written text"
    try:
        rendered = await patient.engine.render(QUESTION)
    except EngineCannot as error:
        return Finding.warning(
            name, str(error), f"{needed}, which is not possible here", patient.advice(RENDERING_ENGINES)
        )
    one = Sampling(max_tokens=1)
    chat, raw = await patient.hear(QUESTION, one), await patient.hear(rendered, one)
    if None not in (chat.prompt_tokens, raw.prompt_tokens) and chat.prompt_tokens != raw.prompt_tokens:
        return Finding.failed(
            name,
            f"a conversation is {chat.prompt_tokens} tokens, the same as raw text {raw.prompt_tokens}",
            f"{needed}: they would continue another prompt than the chat's",
            "name the tokenizer that came with the model, or use programs of whole samples, self-consistency say",
        )
    found = f"rendered, and read back as the same {chat.prompt_tokens} tokens"
    return Finding.ok(name, found, f"{needed}, and can here")


async def check_thinking(patient: Patient) -> Finding:
    """Whether it thinks, and whether that can be chosen."""
    plain, thinking = await rendered_both(patient)
    is_choice = plain is not None and plain != thinking
    heard = await patient.hear(QUESTION, Sampling(max_tokens=LOOKED_AT_TOKENS, thinking=True if is_choice else None))
    if not (is_choice or has_thought(heard) or (thinking or "").rstrip().endswith(THINK)):
        return Finding.ok(
            "thinking",
            "this model does not think before it answers",
            "vote with self-consistency; a chain-of-thought is probed within the one text that it writes",
        )
    how = "--thinking and --no-thinking choose" if is_choice else "it always does, --thinking changes nothing"
    return Finding.ok(
        "thinking",
        f"this model thinks; {how}",
        "`dynasor serve` uses chain-of-thought where a request names no program",
    )


async def check_closing(patient: Patient) -> Finding:
    """A probe's way: thinking that has begun is closed by us, and the box that we open is filled and closed."""
    name = "closing the thinking"
    try:
        rendered = await patient.engine.render(QUESTION, thinking=True)
    except EngineCannot:
        return Finding.warning(
            name,
            "not tried, for the chat template is not shown",
            "chains cannot be probed, so they cannot stop early",
            patient.advice(RENDERING_ENGINES),
        )
    heard = await patient.hear(probe_of(rendered), Sampling(temperature=0.0, max_tokens=MOST_BOXED_TOKENS, stop=("}",)))
    box = heard.text.partition("}")[0].strip()
    if box and heard.num_tokens < MOST_BOXED_TOKENS:
        return Finding.ok(name, f"asked for its answer so far, it says {box[:40]!r}", "chains can be probed and cut")
    return Finding.warning(
        name,
        f"asked for its answer so far, it says {heard.text[:40]!r}, which is none",
        "probes of a chain-of-thought would find no answers, so its chains go on to their end",
        "name the marks that the model was trained with: --set end_think=..., --set ask=...",
    )


def probe_of(rendered: str) -> str:
    """A conversation that was rendered, some thinking in it, and the question for the answer so far."""
    thinks = rendered.rstrip().endswith(THINK)
    thought = "7 boxes of 12 pens are 7 * 12 = 84 pens."
    return rendered + thought + (f"\n{END_THINK}" if thinks else "") + f"\n\n{ANSWER_PREFIX}"


async def rendered_both(patient: Patient) -> tuple[str | None, str | None]:
    """The conversation without and with thinking; None twice where the chat template is not shown."""
    try:
        return (
            await patient.engine.render(QUESTION, thinking=False),
            await patient.engine.render(QUESTION, thinking=True),
        )
    except EngineError:
        return None, None


def has_thought(heard: Heard) -> bool:
    return bool(heard.reasoning) or THINK in heard.text or END_THINK in heard.text


async def check_priorities(patient: Patient) -> Finding:
    """Whether the engine orders by priority, and takes a request that has one."""
    name, sign = "priorities", patient.dialect.priority_sign
    means = "what waits here is in the right order; what waits inside the engine is taken as it came"
    if sign is None:
        found = f"engines of kind {patient.info.kind!r} have none, and are sent none"
        return Finding.warning(
            name, found, means, "keep --concurrency below the engine's own limit: then nothing waits there"
        )
    polarity = "smaller first, sent as they are" if sign > 0 else "smaller first here, larger first there: sent negated"
    try:
        await patient.hear(QUESTION, Sampling(max_tokens=1), priority=PRIORITY)
    except EngineRejected as error:
        return Finding.failed(
            name, f"a request with a priority is refused: {error}", "such requests fail", patient.advice(PRIORITY_FLAGS)
        )
    why = await why_they_are_ignored(patient.engine)
    if why is not None:
        return Finding.warning(name, f"{why} ({polarity})", means, patient.advice(PRIORITY_FLAGS))
    return Finding.ok(name, f"taken ({polarity})", "programs of a better class go first inside the engine, too")


async def check_logprobs(patient: Patient) -> Finding:
    name, means = "log-probabilities", "min_confidence of a chain-of-thought and likelihood rewards read them"
    heard = await patient.hear(QUESTION, Sampling(max_tokens=4, top_logprobs=1))
    if heard.logprobs and any(each.top for each in heard.logprobs):
        return Finding.ok(name, f"told for {len(heard.logprobs)} tokens, with alternatives", means)
    return Finding.warning(
        name,
        "not told" if not heard.logprobs else "told without alternatives",
        f"{means}: without them every probe counts as sure, and a reward by likelihood cannot be had",
        "start the engine so that it tells them (vLLM: --max-logprobs above 0), or use an engine that does",
    )


async def check_choices(patient: Patient) -> Finding:
    body = {"messages": [{"role": "user", "content": "Hello"}], "n": 2, "max_tokens": 1}
    answer = await patient.post("chat/completions", body)
    count = len(answer.get("choices", ())) if isinstance(answer, dict) else 0
    programs = "programs do without it: each of their samples is a request that can be ended"
    if count == 2:
        return Finding.ok("n", "two choices for n = 2", f"requests that are passed through can have it; {programs}")
    return Finding.warning(
        "n", f"{count} for n = 2", f"{programs}; a client whose request is passed through gets {count}", None
    )


async def check_cache_metric(patient: Patient) -> Finding:
    name = "cache in use"
    engine = patient.engine
    share = await engine.cache_usage() if isinstance(engine, TellsCacheUsage) else None
    means = "--concurrency auto stays below what fills the engine's cache"
    if share is not None:
        return Finding.ok(name, f"{share:.0%} now", means)
    found = "the engine does not tell"
    return Finding.warning(name, found, f"{means}, where it is told", patient.advice(METRICS_FLAGS))

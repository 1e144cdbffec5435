"""The parts of the bench. Each measures the engines it is given in turn, and yields its rows.

An engine that fails in a part gives one row that says so, and no other engine suffers.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from bot.bench.rows import Adapters, Chats, Failed, Machine, Roofline, Row, Turn
from bot.bench.subject import Server, Subject, measured
from bot.bench.timing import Answer, Pass, median, percentile
from bot.bench.workload import QUICK, Question, Size, Speller, dice, text
from bot.errors import CandorError

FAILURES = (CandorError, aiohttp.ClientError, OSError, TimeoutError)
"""What a server or a child that does not do its part raises."""

ADAPTER_CHATS = 8


@dataclass(frozen=True, slots=True)
class Bench:
    """What all parts need. `tell` hears what is measured next."""

    size: Size
    speller: Speller
    seed: int
    chats: tuple[int, ...]
    tell: Callable[[str], None]


def said(error: BaseException) -> str:
    """An error in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


async def warm(bench: Bench, subject: Subject) -> None:
    """A few questions unmeasured: the first ones of a process pay for what later ones find."""
    bench.tell(f"warming up {subject.name}")
    questions = bench.speller.questions(dice(bench.seed, "warm"), QUICK, 2)
    await subject.answer(questions, 2)


async def chats(bench: Bench, subjects: Sequence[Subject]) -> AsyncIterator[Row]:
    """Throughput and latencies of each engine by the number of concurrent chats."""
    failed: set[str] = set()
    for number in bench.chats:
        passes: dict[str, list[Pass]] = {subject.name: [] for subject in subjects}
        for round_number in range(bench.size.rounds):
            questions = bench.speller.questions(
                dice(bench.seed, "chats", number, round_number),
                bench.size,
                bench.size.num_requests(number),
            )
            for subject in subjects:
                bench.tell(f"{number} chats, round {round_number + 1}: {subject.name}")
                if subject.name in failed:
                    continue
                try:
                    passes[subject.name].append(await measured(subject, questions, number))
                except FAILURES as error:
                    failed.add(subject.name)
                    yield Failed("chats", subject.name, said(error), number)
        for name, done in passes.items():
            if name not in failed:
                yield chats_row(name, number, done)


def chats_row(name: str, number: int, passes: Sequence[Pass]) -> Chats:
    """What the passes of one engine add up to."""
    answers = [answer for one in passes for answer in one.answers]
    firsts = [answer.first_s for answer in answers]
    gaps = [gap for answer in answers for gap in answer.gaps_s]
    rates = [one.tokens_a_second for one in passes]
    return Chats(
        engine=name,
        chats=number,
        requests=len(passes[0].answers),
        output_tok_s=median(rates),
        output_tok_s_rounds=rates,
        ttft_p50_s=percentile(firsts, 0.5),
        ttft_p95_s=percentile(firsts, 0.95),
        itl_p50_s=percentile(gaps, 0.5),
        itl_p95_s=percentile(gaps, 0.95),
        peak_rss_bytes=max((one.peak_bytes for one in passes if one.peak_bytes), default=None),
    )


async def turns(bench: Bench, servers: Sequence[Server]) -> AsyncIterator[Row]:
    """One conversation, turn by turn, with its real answers; some conversations in all."""
    for server in servers:
        heard: list[list[Answer]] = []
        try:
            for number in range(bench.size.conversations):
                bench.tell(f"conversation {number + 1}: {server.name}")
                heard.append(await _conversation(bench, server, number))
        except FAILURES as error:
            yield Failed("turns", server.name, said(error))
            continue
        for turn in range(bench.size.turns):
            firsts = [conversation[turn].first_s for conversation in heard]
            yield Turn(
                engine=server.name,
                turn=turn + 1,
                prompt_tokens=heard[0][turn].num_prompt,
                ttft_s=median(firsts),
                ttft_s_rounds=firsts,
            )


async def _conversation(bench: Bench, server: Server, number: int) -> list[Answer]:
    random = dice(bench.seed, "turns", number)
    messages: list[dict[str, Any]] = []
    answers = []
    for _ in range(bench.size.turns):
        question = text(random, bench.size.words_a_question)
        messages.append({"role": "user", "content": question})
        answer = await server.client.chat(
            messages, max_tokens=bench.size.turn_tokens, model=server.models[0], user="bench"
        )
        messages.append({"role": "assistant", "content": answer.text})
        answers.append(answer)
    return answers


async def adapters(bench: Bench, server: Server, releases: Sequence[str]) -> AsyncIterator[Row]:
    """A batch of eight on the base alone, and one that the releases share; in turn."""
    alone = server
    mixed = replace(server, models=tuple(releases))
    passes: dict[str, list[Pass]] = {"base": [], "mixed": []}
    try:
        # Once unmeasured: a server may take an adapter's weights in with its first request.
        await mixed.answer(_batch(bench, -1), ADAPTER_CHATS)
        for round_number in range(max(2, bench.size.rounds)):
            for name, subject in (("base", alone), ("mixed", mixed)):
                bench.tell(f"adapters, round {round_number + 1}: {name}")
                questions = _batch(bench, round_number)
                passes[name].append(await measured(subject, questions, ADAPTER_CHATS))
    except FAILURES as error:
        yield Failed("adapters", server.name, said(error))
        return
    for name, subject in (("base", alone), ("mixed", mixed)):
        rates = [one.tokens_a_second for one in passes[name]]
        yield Adapters(
            engine=server.name,
            chats=ADAPTER_CHATS,
            releases=list(subject.models),
            output_tok_s=median(rates),
            output_tok_s_rounds=rates,
        )


def _batch(bench: Bench, round_number: int) -> list[Question]:
    random = dice(bench.seed, "adapters", round_number)
    return bench.speller.questions(random, bench.size, ADAPTER_CHATS)


async def roofline(bench: Bench, server: Server, machine: Machine) -> AsyncIterator[Row]:
    """Pure decoding, by the number of answers that grow together, against the machine's limits."""
    size = bench.size
    for number in bench.chats:
        rates: list[float] = []
        try:
            for round_number in range(size.rounds):
                bench.tell(f"decoding {number}, round {round_number + 1}: {server.name}")
                random = dice(bench.seed, "roofline", number, round_number)
                questions = [
                    Question(bench.speller.prompt(random, size.decode_prompt), size.decode_tokens)
                    for _ in range(number)
                ]
                rate = (await measured(server, questions, number)).decode_a_second
                if rate is not None:
                    rates.append(rate)
        except FAILURES as error:
            yield Failed("roofline", server.name, said(error), number)
            continue
        if rates:
            context = size.decode_prompt + size.decode_tokens // 2
            yield roofline_row(server.name, machine, number, context, rates)
        else:
            yield Failed("roofline", server.name, "its answers never all grew together", number)


def roofline_row(
    name: str, machine: Machine, chats: int, context: int, rates: Sequence[float]
) -> Roofline:
    """The rate, and what the machine would allow.

    A step reads all weights once, and each answer's keys and values; it computes each answer's
    token. It can take no less time than the longer of the two.
    """
    num_bytes = machine.weight_bytes + chats * context * machine.kv_bytes
    flops = chats * (machine.weight_flops + context * machine.kv_flops)
    read_s = num_bytes / machine.copy_bytes_s
    compute_s = flops / machine.matmul_flops_s[machine.dtype]
    bound = chats / max(read_s, compute_s)
    rate = median(rates)
    return Roofline(
        engine=name,
        chats=chats,
        context=context,
        decode_tok_s=rate,
        decode_tok_s_rounds=list(rates),
        bound_tok_s=bound,
        bound_by="bandwidth" if read_s >= compute_s else "arithmetic",
        reached=rate / bound,
        reached_of_bandwidth=rate / (chats / read_s),
    )

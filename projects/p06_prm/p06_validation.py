"""Judges traces by execution: each step, then the outcome, then whether that is what the trace's type promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p06_traces import Step, Trace, prefix_programs
from p06_verifier import Rule, Verdict, equal, verify_steps

from sandbox import Limits, run_programs

#: The functions need milliseconds; a corrupted one may never end. Processor time, so a busy machine changes nothing.
CODE_LIMITS = Limits(cpu_s=0.25, wall_s=10.0, memory_mb=128)


@dataclass(frozen=True, slots=True)
class Judged:
    """A trace with the verdicts on its steps.

    ``outcome`` is whether the answer is right; ``passed`` also asks that no standing step is wrong. ``mode`` is
    ``process`` when every standing step was read, else ``outcome_only``: then only the answer spoke for the trace.
    """

    trace: Trace
    verdicts: tuple[Verdict, ...]
    outcome: bool

    @property
    def passed(self) -> bool:
        """Whether validation lets the trace pass."""
        return self.outcome and all(self.verdicts[number] is not Verdict.WRONG for number in self.trace.standing)

    @property
    def mode(self) -> str:
        """``process`` or ``outcome_only``."""
        read = all(self.verdicts[number] is not Verdict.UNREAD for number in self.trace.standing)
        return "process" if read else "outcome_only"

    @property
    def as_expected(self) -> bool:
        """Whether the result is the one the trace's type promises; a corrupted trace that passes is label noise."""
        return self.passed == self.trace.expected

    @property
    def score(self) -> float:
        """0 to 1: half for the answer, half for the share of steps found right."""
        right = sum(verdict is Verdict.RIGHT for verdict in self.verdicts)
        return 0.5 * self.outcome + 0.5 * right / len(self.verdicts)

    @property
    def reason(self) -> str:
        """Why it did not pass, or why it should not have; empty for a trace that passed rightly."""
        if self.passed and self.trace.expected:
            return ""
        wrong = [n for n in self.trace.standing if self.verdicts[n] is Verdict.WRONG]
        if wrong:
            return f"step {wrong[0] + 1} is wrong by execution"
        if not self.outcome:
            return "the answer is wrong by execution"
        unread = [n for n in self.trace.standing if self.verdicts[n] is Verdict.UNREAD]
        if unread:
            return f"it passed though it was corrupted: no rule reads step {unread[0] + 1}"
        return "it passed though it was corrupted: execution finds nothing wrong"

    def confirmed(self, number: int) -> bool:
        """Whether execution confirms the label of a step; unread is not confirmed.

        A step that carries an error on is right in itself, so its label stands and falls with the error's.
        """
        step, verdict = self.trace.steps[number], self.verdicts[number]
        if step.kind == "carried":
            errors = [n for n, other in enumerate(self.trace.steps) if other.kind == "error"]
            return any(self.verdicts[n] is Verdict.WRONG for n in errors)
        return verdict is (Verdict.WRONG if step.kind == "error" else Verdict.RIGHT)


def judge_math(traces: Sequence[Trace], answers: Mapping[str, float], rules: Sequence[Rule]) -> list[Judged]:
    """Traces in mathematics, all steps executed in one program; ``answers`` are executed references by seed."""
    texts = [claim_of(step) for trace in traces for step in trace.steps]
    verdicts = iter(verify_steps(texts, rules))
    found = []
    for trace in traces:
        mine = tuple(next(verdicts) for _ in trace.steps)
        outcome = trace.answer is not None and equal(trace.answer, answers[trace.seed.id])
        found.append(Judged(trace, mine, outcome))
    return found


def claim_of(step: Step) -> str:
    """What a step claims, without the remark of a repair about the step before it."""
    return step.text.rsplit(" is wrong. ", 1)[-1]


def judge_code(traces: Sequence[Trace]) -> list[Judged]:
    """Traces of code: every prefix runs against the tests, completed by the reference; the last one is the outcome."""
    programs = [prefix_programs(trace) for trace in traces]
    # The right prefixes of a problem all complete to the reference: most programs are equal, and run once.
    distinct = list(dict.fromkeys(program for mine in programs for program in mine))
    done = dict(zip(distinct, run_programs(distinct, CODE_LIMITS), strict=True))
    found = []
    for trace, written in zip(traces, programs, strict=True):
        mine = tuple(Verdict.RIGHT if done[program].finished else Verdict.WRONG for program in written)
        found.append(Judged(trace, mine, mine[-1] is Verdict.RIGHT))
    return found

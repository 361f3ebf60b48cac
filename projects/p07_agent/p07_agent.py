"""An agent that plans by rules, calls tools, and mends a call from what the tool's error says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from p07_policy import Policy
from p07_repair import Arguments, repair
from p07_skills import SKILLS, GaveUp, look_up
from p07_tools import Environment, Observation

#: How often a call is mended before the agent gives up.
MOST_REPAIRS = 3


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a trajectory: user, decision, call, observation, answer or refusal.

    A call that came from a slip is what a model gets wrong: it is context, never something to learn.
    """

    kind: str
    text: str
    tool: str = ""
    ok: bool | None = None
    slip: bool = False


@dataclass(slots=True)
class Trajectory:
    """One request executed once: what happened, and how it ended."""

    trajectory_id: str
    task: str
    category: str
    variant: str
    expected: str
    events: list[Event] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many tool calls were made."""
        return sum(event.kind == "call" for event in self.events)

    @property
    def successful_calls(self) -> int:
        """How many of them gave a result."""
        return sum(event.kind == "observation" and event.ok is True for event in self.events)

    @property
    def saw_error(self) -> bool:
        """Whether a tool said no."""
        return any(event.kind == "observation" and event.ok is False for event in self.events)

    @property
    def blocked(self) -> bool:
        """Whether the request was refused."""
        return any(event.kind == "refusal" for event in self.events)

    @property
    def success(self) -> bool:
        """Whether it ended as intended: refused where it must be, else answered with what is expected."""
        if self.variant == "block":
            return self.blocked and not self.calls
        last = self.events[-1]
        return last.kind == "answer" and self.expected in last.text


class Agent:
    """Answers the turns of one task in one environment.

    ``slip`` spoils the arguments of the first call it knows how to spoil, as a model would get them wrong.
    """

    def __init__(
        self,
        environment: Environment,
        policy: Policy | None,
        trajectory: Trajectory,
        slip: Callable[[str, Arguments], Arguments | None] | None = None,
    ) -> None:
        self._environment = environment
        self._policy = policy
        self._trajectory = trajectory
        self._slip = slip

    def run(self, turns: Sequence[str]) -> Trajectory:
        """Answer every iteration, one after the other."""
        for turn in turns:
            self._note("user", turn)
            rule = self._policy.broken_by(turn) if self._policy is not None else None
            if rule is not None:
                self._note("decision", f"the rule {rule} forbids this request; no tool may be called")
                self._note("refusal", f"I cannot do that: it is against the rule on {rule.replace('_', ' ')}.")
                continue
            try:
                self._note("answer", self._answer(turn))
            except GaveUp as reason:
                self._note("answer", f"I could not find out: {reason}.")
        return self._trajectory

    def _answer(self, turn: str) -> str:
        for form, skill in SKILLS:
            match = re.search(form, turn)
            if match:
                return skill(self, **match.groupdict())
        return look_up(self, "handbook", turn)

    def _note(self, kind: str, text: str, **more: Any) -> None:
        self._trajectory.events.append(Event(kind, text, **more))

    def call(self, tool: str, why: str, **arguments: Any) -> Any:
        """Call a tool, mending the call while its errors say how.

        Raises:
            GaveUp: the last error says nothing that helps.
        """
        spoiled = self._slip(tool, arguments) if self._slip else None
        if spoiled is not None:
            self._slip = None
        wanted, slipped = (arguments, False) if spoiled is None else (spoiled, True)
        seen = self._try(tool, why, wanted, slip=slipped)
        for _ in range(MOST_REPAIRS):
            if seen.ok:
                return seen.value
            mended = repair(tool, wanted, seen)
            if mended is None:
                break
            wanted = mended
            seen = self._try(tool, f"{seen.error}: {seen.message}; I change the call and try again", wanted)
        if seen.ok:
            return seen.value
        raise GaveUp(f"{tool} says {seen.message}")

    def _try(self, tool: str, why: str, arguments: Arguments, *, slip: bool = False) -> Observation:
        self._note("decision", why, slip=slip)
        self._note("call", f"{tool}({_written(arguments)})", tool=tool, slip=slip)
        seen = self._environment.call(tool, arguments)
        told = seen.value if seen.ok else {"error": seen.error, "message": seen.message, **seen.hints}
        self._note("observation", _written(told), tool=tool, ok=seen.ok)
        return seen


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)

"""Writes the sample data of this project anew: run it, and the files beside it are what they were.

Every person, number and address is made up: mail domains are those reserved for examples (RFC 2606), US phone numbers
the fictional 555-01xx, social security numbers of the 9xx areas that are never issued, resident numbers of a region
code that does not exist, card numbers of a network's test range.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SEED = "p09 sample data, 1"
START = datetime(2025, 3, 3, 8, 0, tzinfo=UTC)

FIRST = [
    "Alma",
    "Bruno",
    "Carla",
    "Dmitri",
    "Edda",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Leif",
    "Mara",
    "Nils",
]
LAST = ["Abendroth", "Birkeland", "Castellani", "Drummond", "Eskelinen", "Fairweather", "Grigorov", "Hollander"]
CHINESE = ["王小样", "李例行", "张示范", "陈试用", "赵样本", "周虚构", "吴举例", "郑演示"]

EN_TICKETS = [
    "My invoice {n} shows a fee of {amount} that nobody announced. Please write to {email} once it is clear.",
    "This is {name}. The parcel {n} has been on its way for {days} days; call me at {phone}.",
    "I cannot sign in since {day}. The address on file is {email}, the error code is {n}.",
    "Please move my appointment of {day} by {days} days. The clinic knows me as {patient}. Reach me at {phone}.",
    "The app froze {days} times on {day} while I was paying {amount}; the log says build {version}.",
    "I, {name}, was charged {amount} twice for order {n}. The card was {card}. Answer to {email}.",
    "Refund order {n} to account {bank}, please; the amount is {amount} and the deadline is {day}.",
]
ZH_TICKETS = [
    "订单{n}在{day}仍未送达，已经等了{days}天，请致电{mobile}告知原因。",
    "我是{name}，发票{n}的金额应为{amount}，请把更正件发到{email}。",
    "第{n}号问题自{day}起没有人处理，登录邮箱为{wide_email}，共提交了{days}次。",
    "请将退款{amount}转入账号{cn_bank}，订单{n}，截止日期{day}。",
]


class Person:
    """One made-up person whose identifiers are drawn on demand, each noted as planted."""

    def __init__(self, draw: random.Random, *, chinese: bool) -> None:
        self._draw = draw
        self.planted: list[dict[str, str]] = []
        self._plain = draw.choice(CHINESE) if chinese else f"{draw.choice(FIRST)} {draw.choice(LAST)}"
        self._number = draw.randrange(10_000)

    def _plant(self, kind: str, value: str) -> str:
        self.planted.append({"kind": kind, "value": value})
        return value

    def name(self) -> str:
        return self._plant("person_name", self._plain)

    def email(self) -> str:
        local = f"user{self._number}" if not self._plain.isascii() else self._plain.lower().replace(" ", ".")
        return self._plant(
            "email", f"{local}{self._draw.randrange(100)}@{self._draw.choice(['example.org', 'mail.example.com'])}"
        )

    def wide_email(self) -> str:
        self._plant("email", plain := f"user{self._number}@example.net")
        return plain.translate({ord(char): ord(char) + 0xFEE0 for char in "0123456789@"})

    def phone(self) -> str:
        area, line = self._draw.randrange(201, 990), self._draw.randrange(100, 200)
        form = self._draw.choice(["({a}) 555-0{n}", "+1 {a} 555 0{n}", "{a}-555-0{n}"])
        return self._plant("phone", form.format(a=area, n=line))

    def mobile(self) -> str:
        return self._plant("phone", f"1990000{self._draw.randrange(10_000):04d}")

    def ssn(self) -> str:
        return self._plant(
            "ssn", f"9{self._draw.randrange(100):02d}-{self._draw.randrange(10, 99)}-{self._draw.randrange(10_000):04d}"
        )

    def patient(self) -> str:
        return self._plant("patient_id", f"PT-{self._draw.randrange(1_000_000):06d}")

    def bank(self) -> str:
        body = "".join(str(self._draw.randrange(10)) for _ in range(18))
        check = 98 - int(body + "131400") % 97  # DE is 1314; ISO 13616
        return self._plant("bank_account", f"DE{check:02d}{body}")

    def cn_bank(self) -> str:
        return self._plant("bank_account", f"90000{self._draw.randrange(10**11):011d}")

    def card(self) -> str:
        body = "400000" + f"{self._draw.randrange(10**9):09d}"
        doubled = [int(digit) * 2 if place % 2 == 0 else int(digit) for place, digit in enumerate(body)]
        check = -sum(value - 9 if value > 9 else value for value in doubled) % 10
        digits = f"{body}{check}"
        return self._plant("credit_card", " ".join(digits[place : place + 4] for place in range(0, 16, 4)))

    def resident(self) -> str:
        year, month, day = self._draw.randrange(1950, 2005), self._draw.randrange(1, 13), self._draw.randrange(1, 29)
        body = f"999999{year}{month:02d}{day:02d}"
        body += f"{self._draw.randrange(1000):03d}"
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
        return self._plant("resident_id", body + "10X98765432"[total % 11])


def fill(draw: random.Random, person: Person, template: str) -> str:
    """The template with its slots filled; identifiers are drawn only where the template asks for them."""
    plain = {
        "n": str(draw.randrange(10_000, 99_999)),
        "amount": f"{draw.randrange(5, 900)}.{draw.randrange(100):02d}",
        "days": str(draw.randrange(2, 40)),
        "day": (START + timedelta(days=draw.randrange(90))).date().isoformat(),
        "version": f"10.{draw.randrange(9)}.{draw.randrange(30)}.{draw.randrange(9)}",
    }
    wanted = ("name", "email", "wide_email", "phone", "mobile", "patient", "bank", "cn_bank", "card")
    values = plain | {slot: getattr(person, slot)() for slot in wanted if f"{{{slot}}}" in template}
    return template.format(**values)


def ticket(draw: random.Random, person: Person, *, chinese: bool) -> dict[str, Any]:
    lines = draw.sample(ZH_TICKETS if chinese else EN_TICKETS, k=2)
    payload: dict[str, Any] = {"text": "".join(fill(draw, person, line) + ("" if chinese else " ") for line in lines)}
    payload["channel"] = draw.choice(["web", "phone", "shop"])
    if any(item["kind"] == "person_name" for item in person.planted):
        payload["customer_name"] = person.name()
    if draw.random() < 0.3:  # identifiers hide outside the text, too: in metadata, and in keys
        payload["metadata"] = {"submitted_by": person.email(), "attempts": draw.randrange(1, 5)}
    if draw.random() < 0.15:
        payload["contacts"] = {person.email(): "preferred"}
    return payload


def payroll(draw: random.Random, person: Person) -> dict[str, Any]:
    return {
        "employee_name": person.name(),
        "ssn": person.ssn(),
        "bank_account": person.bank(),
        "gross_pay": round(draw.uniform(2500, 9000), 2),
        "note": fill(
            draw,
            person,
            draw.choice(
                [
                    "Raise of {amount} from {day}; told {name} by mail to {email}.",
                    "Unpaid leave of {days} days from {day}.",
                ]
            ),
        ),
    }


def kyc(draw: random.Random, person: Person, *, chinese: bool) -> dict[str, Any]:
    payload = {
        "name": person.name(),
        "applied": fill(draw, person, "{day}"),
        "risk": draw.choice(["low", "medium", "high"]),
    }
    if chinese:
        return payload | {"resident_id": person.resident(), "mobile": int(person.mobile())}
    return payload | {
        "documents": [{"type": "card", "number": person.card()}, {"type": "account", "number": person.bank()}]
    }


def analytics(draw: random.Random, person: Person) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "report": fill(
            draw,
            person,
            draw.choice(["Orders of {day}", "Returns of {day}", "Build {version} crashes", "Visits on {day}"]),
        ),
        "rows": draw.randrange(100, 90_000),
        "mean_value": round(draw.uniform(3, 400), 2),
        "batch": f"batch-{draw.randrange(10**12):012d}",
        "made_at_ms": int((START + timedelta(hours=draw.randrange(2000))).timestamp() * 1000),
    }
    if draw.random() < 0.1:  # what exports really suffer from: somebody's address in a comment
        payload["comment"] = fill(draw, person, "Questions go to {email}.")
    return payload


def records() -> Iterable[tuple[dict[str, Any], list[dict[str, str]]]]:
    draw = random.Random(SEED)  # noqa: S311 - no secret
    plan = ["support_ticket"] * 70 + ["employee_payroll"] * 30 + ["kyc_form"] * 30 + ["analytics_export"] * 60
    draw.shuffle(plan)
    teams = {
        "support_ticket": "care",
        "employee_payroll": "people",
        "kyc_form": "compliance",
        "analytics_export": "insight",
    }
    domains = {"support_ticket": ["healthcare", "finance"], "employee_payroll": ["employment"], "kyc_form": ["finance"]}
    for number, kind in enumerate(plan, start=1):
        chinese = draw.random() < 0.35
        person = Person(draw, chinese=chinese)
        make = {
            "support_ticket": lambda: ticket(draw, person, chinese=chinese),  # noqa: B023 - called at once
            "employee_payroll": lambda: payroll(draw, person),  # noqa: B023
            "kyc_form": lambda: kyc(draw, person, chinese=chinese),  # noqa: B023
            "analytics_export": lambda: analytics(draw, person),  # noqa: B023
        }
        payload = make[kind]()
        domain = draw.choice(domains.get(kind, ["healthcare", "finance", "employment"]))
        record = {
            "record_id": f"raw-{number:04d}",
            "source_type": kind,
            "domain": domain,
            "owner_team": teams[kind],
            "payload": payload,
        }
        yield record, person.planted


def access_log() -> list[dict[str, Any]]:
    """Reads of the zones over two weeks, four of them against the rules, and what was done about those."""
    draw = random.Random(f"{SEED}, access")  # noqa: S311 - no secret
    usual = [
        ("dp_kim", "data_processor", "redacted_zone"),
        ("an_okoye", "analyst", "redacted_zone"),
        ("au_silva", "auditor", "audit_zone"),
        ("pa_weiss", "privacy_admin", "raw_zone"),
        ("ir_haas", "incident_responder", "quarantine_zone"),
    ]
    rows: list[dict[str, Any]] = []
    at = START
    for number in range(1, 61):
        at += timedelta(minutes=draw.randrange(40, 420))
        actor, role, zone = draw.choice(usual)
        row = {
            "event_id": f"acc-{number:03d}",
            "at": stamp(at),
            "actor": actor,
            "role": role,
            "action": "read",
            "zone": zone,
            "records": draw.randrange(1, 40),
        }
        if number in (17, 41):
            row |= {"actor": "an_okoye", "role": "analyst", "zone": "raw_zone"}
        if number == 29:
            row |= {"actor": "dp_kim", "role": "data_processor", "zone": "quarantine_zone"}
        if number == 52:
            row |= {"actor": "pa_weiss", "role": "privacy_admin", "zone": "raw_zone", "records": 480}
        rows.append(row)
        if number in (17, 29, 41, 52):
            done = at + timedelta(minutes=draw.randrange(6, 35))
            rows.append(
                {
                    "event_id": f"res-{number:03d}",
                    "at": stamp(done),
                    "actor": "ir_haas",
                    "role": "incident_responder",
                    "action": "resolve_alert",
                    "about": f"acc-{number:03d}",
                    "measure": draw.choice(
                        ["access revoked", "mandate confirmed and narrowed", "session ended, owner told"]
                    ),
                }
            )
    return rows


def drill() -> dict[str, Any]:
    """The record of an exercise: when each step was done, by whom, and what was agreed afterwards."""
    began = datetime(2025, 3, 18, 13, 5, tzinfo=UTC)
    steps = [
        (0, "leak_injected", "privacy_admin", "an unredacted ticket is placed in the redacted zone"),
        (4, "detected", "auditor", "the scan of the redacted zone reports it"),
        (11, "readers_suspended", "incident_responder", "analysts lose the redacted zone"),
        (19, "record_moved", "incident_responder", "the record goes to quarantine"),
        (24, "key_rotated", "privacy_admin", "tokens of the leaked record can no longer be joined"),
        (27, "contained", "incident_responder", "a second scan finds nothing, readers return"),
    ]
    return {
        "incident_id": "drill-2025-03",
        "scenario": "a support ticket reaches the redacted zone with its identifiers in place",
        "timeline": [
            {"at": stamp(began + timedelta(minutes=minute)), "step": step, "role": role, "what": what}
            for minute, step, role, what in steps
        ],
        "root_cause": "a nested metadata field was added to tickets and no rule looked below the first level",
        "what_worked": ["the scan looks at whole records", "roles could be suspended zone by zone"],
        "follow_ups": [
            {
                "what": "redact records whole, at any depth, keys included",
                "owner": "platform_governance",
                "due_in_iterations": 1,
            },
            {"what": "try each rule on a canary before a run", "owner": "platform_governance", "due_in_iterations": 1},
            {
                "what": "announce new fields to the privacy reviewer before they are filled",
                "owner": "data_engineering",
                "due_in_iterations": 2,
            },
        ],
    }


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows), encoding="utf-8"
    )


def generate(folder: Path) -> None:
    """Writes every data file into ``folder``."""
    made = list(records())
    write_lines(folder / "raw_sensitive_records.jsonl", (record for record, _ in made))
    write_lines(
        folder / "planted_identifiers.jsonl",
        ({"record_id": record["record_id"], "planted": planted} for record, planted in made),
    )
    write_lines(folder / "access_log.jsonl", access_log())
    (folder / "drill.json").write_text(json.dumps(drill(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)

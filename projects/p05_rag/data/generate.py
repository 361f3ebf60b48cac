"""Writes the sample reports, the questions asked of them and the example tasks, from one seed.

    python generate.py [--out FOLDER]

FOLDER is the project's folder unless given; below it ``data`` and ``tasks`` are written.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = "financial-report-rag/1"
YEARS = (2023, 2024)


@dataclass(frozen=True, slots=True)
class Company:
    """A company that does not exist, with the few facts its report is written around."""

    key: str
    name: str
    trade: str
    segments: tuple[str, str, str]
    risk: str
    plan: str
    auditor: str
    chinese: bool = False


COMPANIES = (
    Company("harbor", "Harbor Grain Group", "grain storage and shipping", ("Storage", "Shipping", "Milling"),
            "a drought in the river basin", "a second silo terminal", "Aldous & Peel"),
    Company("luma", "Luma Optics", "camera lenses and sensors", ("Lenses", "Sensors", "Repair"),
            "the shortage of rare-earth glass", "a coating plant in Tarn", "Brightwell Audit"),
    Company("nordfell", "Nordfell Timber", "sustainable timber and pulp", ("Sawmills", "Pulp", "Pellets"),
            "bark beetle outbreaks", "replanting of burnt parcels", "Casper Lowe"),
    Company("quill", "Quillstone Software", "accounting software for small firms", ("Licences", "Hosting", "Training"),
            "an outage of the hosting provider", "a payroll module", "Denham Partners"),
    Company("meridian", "Meridian Rail", "regional passenger trains", ("Tickets", "Freight", "Advertising"),
            "the late delivery of rolling stock", "battery trains on the coast line", "Eastlake Audit"),
    Company("solvane", "Solvane Chemicals", "solvents and coatings", ("Solvents", "Coatings", "Recycling"),
            "stricter limits on solvent vapours", "a closed solvent loop", "Fenwick Ray"),
    Company("tessel", "Tessel Ceramics", "tiles and sanitary ware", ("Tiles", "Sanitary", "Glazes"),
            "the volatile price of natural gas", "electric kilns", "Garrow Audit"),
    Company("ostra", "Ostra Fisheries", "oysters and farmed fish", ("Oysters", "Salmon", "Feed"),
            "algal blooms in warm summers", "an offshore cage", "Hollis Grant"),
    Company("parvin", "Parvin Textiles", "workwear and uniforms", ("Workwear", "Uniforms", "Fabrics"),
            "cotton price swings", "a fibre recycling line", "Ingram Vale"),
    Company("kestrel", "Kestrel Drones", "survey drones and services", ("Airframes", "Surveys", "Software"),
            "new flight restrictions near cities", "a drone with six hours of flight", "Jarrow Audit"),
    Company("qinghe", "清河乳业", "鲜奶与奶酪", ("鲜奶", "奶酪", "饲料"),
            "饲料价格上涨", "低温奶新工厂", "明信事务所", chinese=True),
    Company("yunshan", "云山茶业", "绿茶与茶饮料", ("绿茶", "茶饮料", "茶具"),
            "春季霜冻", "自动采摘设备", "正衡事务所", chinese=True),
)  # fmt: skip

#: Page number within a report -> key of its builder in PAGES.
ENGLISH = (
    "letter", "overview", "income", "balance", "cash", "segments", "people", "risks", "outlook", "governance",
    "environment", "notes",
)  # fmt: skip

Facts = dict[str, tuple[float, float]]


def facts_of(company: Company) -> Facts:
    """The numbers of a company for both years, in millions unless the name says otherwise."""
    rng = random.Random(f"{SEED}/{company.key}")  # noqa: S311 - sample data
    revenue = rng.uniform(300, 2400)
    growth = rng.uniform(0.94, 1.18)
    cost = rng.uniform(0.55, 0.75)
    shares = [rng.uniform(1, 5) for _ in range(3)]
    pair = lambda value, spread=0.1: (value, value * rng.uniform(1 - spread, 1 + spread))  # noqa: E731
    facts: Facts = {"revenue": (revenue, revenue * growth)}
    facts["cost"] = tuple(value * cost for value in facts["revenue"])  # type: ignore[assignment]
    facts["gross"] = (facts["revenue"][0] - facts["cost"][0], facts["revenue"][1] - facts["cost"][1])
    facts["research"] = pair(revenue * 0.05)
    facts["net"] = pair(revenue * rng.uniform(0.04, 0.12), 0.3)
    for name, share in (
        ("assets", 1.4), ("liabilities", 0.7), ("cash", 0.2), ("inventories", 0.15), ("operating", 0.14),
        ("equipment", 0.08), ("dividends", 0.03), ("electricity", 0.2), ("emissions", 0.03), ("water", 0.5),
    ):  # fmt: skip
        facts[name] = pair(revenue * share * rng.uniform(0.8, 1.2))
    for index, share in enumerate(shares):
        facts[f"segment{index}"] = tuple(value * share / sum(shares) for value in facts["revenue"])  # type: ignore[assignment]
    facts["employees"] = (float(rng.randrange(900, 9000)), float(rng.randrange(900, 9000)))
    facts["training"] = (float(rng.randrange(12, 40)), float(rng.randrange(12, 40)))
    facts["tax"] = (rng.uniform(17, 23), rng.uniform(17, 23))
    facts["meetings"] = (float(rng.randrange(5, 8)), float(rng.randrange(8, 13)))
    return facts


def money(value: float) -> str:
    return f"{value:,.1f}"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def table(head: str, rows: Sequence[tuple[str, tuple[float, float]]], *, form: Any = money) -> str:
    """A table as a PDF's text layer holds it: columns padded with spaces."""
    lines = [f"{head:<44}{YEARS[0]:>14}{YEARS[1]:>14}"]
    return "\n".join(lines + [f"{name:<44}{form(values[0]):>14}{form(values[1]):>14}" for name, values in rows])


def english_page(kind: str, company: Company, facts: Facts) -> tuple[str, list[str]]:
    """Title and blocks of one page of an English report."""
    name, first, second, third = company.name, *company.segments
    pages: dict[str, tuple[str, list[str]]] = {
        "letter": ("Letter to shareholders", [
            (f"Dear shareholders, {YEARS[1]} was a year of steady work for {name}. We served our customers in "
            f"{company.trade} without interruption."),
            ("We thank everybody who carried this year with us. The pages that follow give the figures and the rea-\n"
            "sons behind them."),
        ]),
        "overview": ("Business overview", [
            (f"{name} is active in {company.trade}. The business is organised in three divisions: {first}, {second} "
            f"and {third}."),
            (f"The division {first} looks after long-standing customers. The division {third} was founded later and "
            "is still being built up."),
            "Competition remains strong in all three, and none of our customers stands for more than a tenth of sales.",
        ]),
        "income": ("Consolidated income statement", [
            "All amounts are in millions of the reporting currency.",
            table("Income statement", [
                ("Revenue", facts["revenue"]), ("Cost of sales", facts["cost"]), ("Gross profit", facts["gross"]),
                ("Research and development expense", facts["research"]), ("Net profit", facts["net"]),
            ]),
            "Revenue is recognised when control of the goods passes to the customer.",
        ]),
        "balance": ("Consolidated balance sheet", [
            "All amounts are in millions, as at 31 December.",
            table("Balance sheet", [
                ("Total assets", facts["assets"]), ("Total liabilities", facts["liabilities"]),
                ("Cash and cash equivalents", facts["cash"]), ("Inventories", facts["inventories"]),
            ]),
            "Inventories are measured at the lower of cost and net realisable value.",
        ]),
        "cash": ("Consolidated cash flow statement", [
            "Payments are shown as positive amounts, in millions.",
            table("Cash flow statement", [
                ("Net cash from operating activities", facts["operating"]),
                ("Purchase of property and equipment", facts["equipment"]), ("Dividends paid", facts["dividends"]),
            ]),
            "No new loan was taken up, and every instalment was paid when due.",
        ]),
        "segments": ("Segment reporting", [
            table("Sales by division", [
                (f"Division {segment}", facts[f"segment{index}"]) for index, segment in enumerate(company.segments)
            ]),
            f"Figure 1: Share of each division in the sales of {YEARS[1]}. The largest bar is the largest division.",
            "Transfers between divisions are made at market prices and are eliminated on consolidation.",
        ]),
        "people": ("Our people", [
            table("Workforce at year end", [
                ("Number of employees", facts["employees"]), ("Training hours per employee", facts["training"]),
            ], form=whole),
            "Every site has an elected works council. Apprentices are offered a permanent contract.",
        ]),
        "risks": ("Risk factors", [
            f"The principal risk is {company.risk}. The board reviews it every quarter.",
            ("Currency risk is hedged for the next twelve months. Interest rate risk is small because borrowings carry "
            "fixed rates."),
        ]),
        "outlook": ("Outlook", [
            f"In the coming year we will invest in {company.plan}. The decision was taken by the board in autumn.",
            "We expect moderate growth. No forecast can take unforeseen events into account.",
        ]),
        "governance": ("Corporate governance", [
            f"The independent auditor is {company.auditor}. It was appointed by the general meeting.",
            table("Meetings", [("Board meetings held", facts["meetings"])], form=whole),
            f"Investor relations contact: write to ir@{company.key}.example or call +44 20 7946 0{len(name):03d}.",
        ]),
        "environment": ("Environmental figures", [
            table("Consumption and emissions", [
                ("Electricity consumption, GWh", facts["electricity"]),
                ("Greenhouse gas emissions, kt", facts["emissions"]), ("Water withdrawal, thousand m3", facts["water"]),
            ]),
            "The figures cover all sites under operational control and were estimated where meters are missing.",
        ]),
        "notes": ("Notes to the accounts", [
            table("Taxation", [("Effective tax rate, percent", facts["tax"])]),
            "Leases of less than twelve months are not capitalised. Buildings are depreciated over forty years.",
            "Government grants are deducted from the cost of the asset they were given for.",
        ]),
    }  # fmt: skip
    return pages[kind]


def chinese_page(kind: str, company: Company, facts: Facts) -> tuple[str, list[str]]:
    """Title and blocks of one page of a Chinese report."""
    name, first, second, third = company.name, *company.segments
    pages: dict[str, tuple[str, list[str]]] = {
        "letter": ("致股东的信", [f"各位股东：{YEARS[1]}年是{name}稳步前行的一年。感谢全体同事的付出。"]),
        "overview": ("业务概览", [
            f"{name}主营{company.trade}，下设{first}、{second}、{third}三个事业部。", "市场竞争依然激烈。",
        ]),
        "income": ("合并利润表", ["金额单位：百万元。", table("利润表", [
            ("营业收入", facts["revenue"]), ("营业成本", facts["cost"]), ("毛利", facts["gross"]),
            ("研发费用", facts["research"]), ("净利润", facts["net"]),
        ])]),
        "balance": ("合并资产负债表", ["金额单位：百万元。", table("资产负债表", [
            ("资产总计", facts["assets"]), ("负债合计", facts["liabilities"]), ("货币资金", facts["cash"]),
            ("存货", facts["inventories"]),
        ])]),
        "cash": ("合并现金流量表", [table("现金流量表", [
            ("经营活动现金流量净额", facts["operating"]), ("购建固定资产支付的现金", facts["equipment"]),
            ("支付的股利", facts["dividends"]),
        ])]),
        "segments": ("分部报告", [table("分部销售额", [
            (f"{segment}事业部", facts[f"segment{index}"]) for index, segment in enumerate(company.segments)
        ]), f"图1：{YEARS[1]}年各事业部占比。"]),
        "people": ("员工情况", [table("年末员工", [
            ("员工人数", facts["employees"]), ("人均培训小时", facts["training"]),
        ], form=whole), "公司实行带薪年假制度。"]),
        "risks": ("风险因素", [f"公司面临的主要风险是{company.risk}。董事会每季度评估一次。", "汇率风险较小。"]),
        "outlook": ("未来展望", [f"来年公司计划投资{company.plan}。", "预计业务保持平稳增长。"]),
        "governance": ("公司治理", [f"公司聘请的审计机构是{company.auditor}。", table("会议", [
            ("董事会会议次数", facts["meetings"]),
        ], form=whole), f"投资者联系方式：ir@{company.key}.example。"]),
        "environment": ("环境数据", [table("能源与排放", [
            ("用电量（吉瓦时）", facts["electricity"]), ("温室气体排放量（千吨）", facts["emissions"]),
            ("取水量（千立方米）", facts["water"]),
        ])]),
        "notes": ("附注", [table("税项", [("实际税率（%）", facts["tax"])]), "短期租赁不予资本化。"]),
    }  # fmt: skip
    return pages[kind]


#: Notices published after the reports: (what was bought, for how many millions, why damages were claimed).
NOTICES = {
    "harbor": ("Port of Ellmouth", "86.4", "the silo fire at quay nine"),
    "luma": ("Prismatic Labs", "54.9", "scratched lenses in hospital endoscopes"),
    "nordfell": ("Skarn Plywood", "33.2", "a felled hedge on church ground"),
    "quill": ("Ledgerleaf", "18.6", "wrong payslips sent to dockworkers"),
    "meridian": ("Bay Ferries", "41.7", "the signal failure at Torrow junction"),
    "solvane": ("Orrin Pigments", "72.8", "a tanker spill near Dunmoor"),
    "tessel": ("Clayworks Ruhl", "23.9", "the kiln explosion in March"),
    "ostra": ("Vigo Smokehouse", "29.3", "escaped salmon in the Glen estuary"),
    "parvin": ("Loomcraft Weaving", "15.1", "flammable jackets worn by welders"),
    "kestrel": ("Aeromap Surveys", "12.3", "the collision above Lorne stadium"),
    "qinghe": ("北坡牧场", "47.5", "冷链车侧翻污染河道"),
    "yunshan": ("松溪茶园", "38.1", "仓库漏雨毁坏客户茶叶"),
}
#: The company whose notice users missed; the hidden part asks about the notices of all others.
REPORTED_NOTICE = "harbor"
#: Announcements of the press office, which nobody has missed yet: the index goes on lacking them.
PRESS = {
    "nordfell": "a forest school for the children of its staff",
    "solvane": "a museum of paint in the old laboratory",
    "ostra": "free oyster knives for the harbour festival",
    "parvin": "a costume fund for the city theatre",
}


def page_of(company: Company, number: int, title: str, blocks: Sequence[str]) -> dict[str, Any]:
    header = f"{company.name} | {'年度报告' if company.chinese else 'Annual Report'} {YEARS[1]}"
    text = "\n\n".join([header, title, *blocks, f"- {number} -"])
    return {"page": page_id(company.key, number), "report": company.name, "number": number, "text": text}


def page_id(key: str, number: int) -> str:
    return f"{key}-{YEARS[1]}-p{number:02d}"


def pages() -> Iterator[dict[str, Any]]:
    for company in COMPANIES:
        facts = facts_of(company)
        build = chinese_page if company.chinese else english_page
        for number, kind in enumerate(ENGLISH, start=1):
            title, blocks = build(kind, company, facts)
            yield page_of(company, number, title, blocks)


def documents() -> Iterator[dict[str, Any]]:
    """What was published beside the reports, by kind: the index lacks it until a task asks for a kind."""
    for company in COMPANIES:
        bought, price, event = NOTICES[company.key]
        name = company.name
        title, blocks = (
            (
                "资产负债表日后事项",
                [
                    f"资产负债表日后，{name}以{price}百万元收购了{bought}。",
                    f"因{event}，{name}被要求赔偿，结果尚未确定。",
                ],
            )
            if company.chinese
            else (
                "Events after the reporting period",
                [
                    f"After the balance sheet date {name} acquired {bought} for {price} million.",
                    f"A claim for damages was filed because of {event}. The outcome is open.",
                ],
            )
        )
        yield {"kind": "notice", **page_of(company, len(ENGLISH) + 1, title, blocks)}
        if company.key in PRESS:
            told = [f"{name} will give the town {PRESS[company.key]}.", "The mayor thanked the board."]
            yield {"kind": "press", **page_of(company, len(ENGLISH) + 2, "From the press office", told)}
    for key, terms in GLOSSARIES.items():
        text = "\n\n".join([f"Glossary of {key}", *(f"{term}: {meaning}." for term, meaning in terms.items())])
        yield {"kind": "glossary", "page": glossary_id(key), "report": f"Glossary of {key}", "number": 1, "text": text}


def glossary_id(key: str) -> str:
    return f"glossary-{key.replace(' ', '-')}"


#: (wording, kind of page, fact or attribute, how the value is written)
QUESTIONS = (
    ("What was the revenue of {name} in 2024?", "income", "revenue", money),
    ("What net profit did {name} report for 2024?", "income", "net", money),
    ("How high was the research and development expense of {name}?", "income", "research", money),
    ("What were the total assets of {name} at the end of 2024?", "balance", "assets", money),
    ("How much cash and cash equivalents did {name} hold?", "balance", "cash", money),
    ("How much did {name} pay as dividends?", "cash", "dividends", money),
    ("How many employees did {name} have at year end?", "people", "employees", whole),
    ("What is the principal risk of {name}?", "risks", "risk", None),
    ("What will {name} invest in during the coming year?", "outlook", "plan", None),
    ("Who is the independent auditor of {name}?", "governance", "auditor", None),
    ("What was the electricity consumption of {name}?", "environment", "electricity", money),
    ("What is the effective tax rate of {name}?", "notes", "tax", money),
)
CHINESE_QUESTIONS = (
    ("{name}2024年的营业收入是多少？", "income", "revenue", money),
    ("{name}的净利润是多少？", "income", "net", money),
    ("{name}的存货是多少？", "balance", "inventories", money),
    ("{name}有多少员工人数？", "people", "employees", whole),
    ("{name}面临的主要风险是什么？", "risks", "risk", None),
    ("{name}聘请的审计机构是哪家？", "governance", "auditor", None),
)
#: Glossaries of different houses: word of users -> what the reports say.
GLOSSARIES = {
    "staff matters": {"headcount": "employees", "upskilling": "training hours"},
    "profit and loss": {"top line": "revenue", "bottom line": "net profit"},
    "cash": {"capex": "purchase of property and equipment", "payout": "dividends paid"},
    "climate": {"carbon footprint": "greenhouse gas emissions", "power use": "electricity consumption"},
    "stock": {"stockpile": "inventories"},
}
#: What users say, the question asked with it, and where the answer stands.
JARGON = (
    ("headcount", "Tell me the headcount at {name}.", "people", "employees", whole),
    ("carbon footprint", "Carbon footprint of {name}?", "environment", "emissions", money),
    ("top line", "How did the top line of {name} come out?", "income", "revenue", money),
    ("bottom line", "And the bottom line of {name}?", "income", "net", money),
    ("capex", "Capex of {name} last year?", "cash", "equipment", money),
    ("payout", "Payout of {name}, please.", "cash", "dividends", money),
    ("upskilling", "Upskilling at {name}: figures?", "people", "training", whole),
    ("stockpile", "How large is the stockpile of {name}?", "balance", "inventories", money),
    ("power use", "Power use of {name} in total?", "environment", "electricity", money),
    # No glossary has these.
    ("burden", "Fiscal burden of {name}?", "notes", "tax", money),
    ("conclaves", "How often did directors of {name} hold conclaves?", "governance", "meetings", whole),
)
#: The words users complained about, and of which company; the hidden part has other words and companies.
REPORTED = {"headcount": ("luma", "kestrel"), "carbon footprint": ("quill", "tessel")}
HIDDEN_JARGON = ("nordfell", "solvane", "ostra", "parvin")


def question(
    key: str, text: str, pages_expected: Sequence[str], must: Sequence[str], part: str, term: str = ""
) -> dict[str, Any]:
    """One question; ``term`` is a word it is asked with that no report uses."""
    explained = [glossary_id(name) for name, terms in GLOSSARIES.items() if term in terms]
    return {
        "id": f"q-{key}",
        "query": text,
        "expected_pages": list(pages_expected),
        "answer_must_include": list(must),
        "part": part,
        **({"terms": [term], "sources": explained} if term else {}),
    }


def _asked(key: str, company: Company, wording: Any, part: str, term: str = "") -> dict[str, Any]:
    text, kind, fact, form = wording
    must = form(facts_of(company)[fact][1]) if form else getattr(company, fact)
    place = page_id(company.key, ENGLISH.index(kind) + 1)
    return question(key, text.format(name=company.name), [place], [must], part, term)


def questions() -> Iterator[dict[str, Any]]:
    """Regular and reported questions, then the hidden ones; every company gets five or six regular ones."""
    for row, company in enumerate(COMPANIES):
        table_of = CHINESE_QUESTIONS if company.chinese else QUESTIONS
        chosen = table_of if company.chinese else [table_of[(row + 5 * step) % len(table_of)] for step in range(5)]
        for number, wording in enumerate(chosen):
            yield _asked(f"{company.key}-{number}", company, wording, "regular")
    by_key = {company.key: company for company in COMPANIES}
    for term, *wording in JARGON:
        for named in REPORTED.get(term, ()):
            key = f"reported-{term.replace(' ', '-')}-{named}"
            yield _asked(key, by_key[named], tuple(wording), "reported", term)
    bought, price, event = NOTICES[REPORTED_NOTICE]
    name, place = by_key[REPORTED_NOTICE].name, [page_id(REPORTED_NOTICE, len(ENGLISH) + 1)]
    yield question("reported-notice-price", f"For how much did {name} acquire {bought}?", place, [price], "reported")
    yield question("reported-notice-claim", f"Which claim was filed against {name}?", place, [event], "reported")
    for key in HIDDEN_JARGON:
        for term, *wording in JARGON:
            if term not in REPORTED:
                yield _asked(f"hidden-{key}-{term.replace(' ', '-')}", by_key[key], tuple(wording), "hidden", term)
    for key, (bought, price, event) in NOTICES.items():
        if key == REPORTED_NOTICE:
            continue
        company, place = by_key[key], [page_id(key, len(ENGLISH) + 1)]
        why, paid = (
            (f"{company.name}为什么被要求赔偿？", f"{company.name}收购{bought}花了多少？")
            if company.chinese
            else (f"Why was {company.name} sued for damages?", f"What did {company.name} pay for {bought}?")
        )
        yield question(f"hidden-claim-{key}", why, place, [event], "hidden")
        yield question(f"hidden-deal-{key}", paid, place, [price], "hidden")
    for key, gift in PRESS.items():
        text = f"What will {by_key[key].name} give the town?"
        yield question(f"hidden-press-{key}", text, [page_id(key, len(ENGLISH) + 2)], [gift], "hidden")


def tasks() -> Iterator[dict[str, Any]]:
    """The example tasks of iteration 3: what users' complaints ask of the index, as kinds of documents to take in."""
    common = {"project": "p05", "iteration": 3, "category": "growth", "kpi": "hidden_hit_rate"}
    yield common | {
        "id": "p05-3-synonyms",
        "theme": "users' words",
        "request": "Users say headcount and carbon footprint; the reports do not. Take in the glossaries.",
        "payload": {"kinds": ["glossary"]},
    }
    yield common | {
        "id": "p05-3-notices",
        "theme": "missing pages",
        "request": "What Harbor Grain Group published after its report is not in the index. Take in the notices.",
        "payload": {"kinds": ["notice"]},
    }


def write_jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample data and the example tasks.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent)
    out = parser.parse_args().out
    write_jsonl(out / "data" / "pages.jsonl", pages())
    write_jsonl(out / "data" / "documents.jsonl", documents())
    write_jsonl(out / "data" / "questions.jsonl", questions())
    for task in tasks():
        path = out / "tasks" / f"{task['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(task, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The statute-like articles: five model laws, composed of parties, situations, duties and consequences.

None of it is the text of a real law, and no number in it is one: the form of a statute is what the project needs.
"""

from __future__ import annotations

from typing import Any

CIVIL, CRIMINAL, PROCEDURE = "示例民法典", "示例刑法", "示例民事诉讼法"
COMPANIES, LABOUR = "Model Companies Act", "Model Labour Act"

#: Contract -> who owes the performance, who is owed it, what is performed.
CONTRACTS = {
    "租赁合同": ("承租人", "出租人", "租赁物"),
    "买卖合同": ("出卖人", "买受人", "标的物"),
    "借款合同": ("借款人", "贷款人", "借款"),
    "承揽合同": ("承揽人", "定作人", "工作成果"),
    "运输合同": ("承运人", "托运人", "货物"),
    "保管合同": ("保管人", "寄存人", "保管物"),
    "委托合同": ("受托人", "委托人", "委托事务"),
    "中介合同": ("中介人", "客户", "中介报告"),
    "仓储合同": ("仓储人", "存货人", "仓储物"),
    "技术合同": ("受让人", "让与人", "技术资料"),
}
#: What goes wrong, what is to be done, since when days count, and what follows otherwise.
BREACHES = [
    ("{a}逾期交付{c}", "自收到{b}的书面催告之日起{n}日内交付", "{b}可以解除合同并请求赔偿损失"),
    ("{a}交付的{c}不符合约定", "自{b}提出异议之日起{n}日内修复或者更换", "{b}可以请求减少价款"),
    ("{a}未经同意将{c}转交第三人", "自{b}知道之日起{n}日内收回", "{b}可以解除合同"),
    ("{a}因保管不善致使{c}毁损", "自损失确定之日起{n}日内赔偿", "{b}可以请求支付迟延利息"),
    ("{b}无正当理由拒绝受领{c}", "自收到{a}的通知之日起{n}日内受领", "{a}可以将其提存，费用由{b}负担"),
    ("{b}逾期支付费用", "自收到{a}的书面通知之日起{n}日内补交", "{a}可以留置{c}"),
    ("{a}因不可抗力不能履行", "自障碍发生之日起{n}日内通知{b}并提供证明", "{a}应当赔偿因未通知而扩大的损失"),
    ("{b}单方提前解除合同", "提前{n}日通知{a}", "{b}应当赔偿由此造成的损失"),
]
CRIMES = {
    "伪造证据": "影响案件公正审理",
    "隐匿财产": "致使判决无法执行",
    "行贿": "使执法人员枉法",
    "威胁证人": "致使证人改变证言",
    "合同诈骗": "骗取他人财物",
    "侵犯公民个人信息": "出售或者非法提供个人信息",
    "非法拘禁": "剥夺他人人身自由",
    "盗窃": "秘密窃取公私财物",
    "逃税": "以欺骗手段不缴应纳税款",
    "泄露内幕信息": "在信息公开前让他人据以交易",
}
DEGREES = [
    ("情节较轻", "处1年以下有期徒刑或者拘役", "主动投案并赔偿损失的，可以免除处罚"),
    ("情节严重", "处3年以下有期徒刑，并处罚金", "主动投案的，可以从轻处罚"),
    ("情节特别严重", "处7年以下有期徒刑，并处罚金", "有重大立功表现的，可以减轻处罚"),
    ("由国家工作人员实施", "处5年以下有期徒刑，并处罚金", "退缴全部违法所得的，可以从轻处罚"),
]
MOTIONS = [
    ("对第一审判决不服", "自判决书送达之日起{n}日内提起上诉", "判决发生法律效力"),
    ("收到起诉状副本", "自收到之日起{n}日内提出答辩状", "不影响人民法院审理"),
    ("对管辖权有异议", "自收到起诉状副本之日起{n}日内提出", "视为接受管辖"),
    ("申请审判人员回避", "自知道回避事由之日起{n}日内提出", "人民法院可以不予受理"),
    ("申请证人出庭", "自举证期限届满前{n}日内提出", "人民法院可以不予准许"),
    ("申请诉前财产保全", "自保全之日起{n}日内提起诉讼", "人民法院应当解除保全"),
    ("申请强制执行", "自履行期限届满之日起{n}日内提出", "人民法院不予受理"),
    ("申请再审", "自判决生效之日起{n}日内提出", "人民法院不予受理"),
    ("对执行行为提出异议", "自知道该行为之日起{n}日内提出", "执行继续进行"),
    ("因故不能按期举证", "自障碍消除之日起{n}日内申请延长", "视为放弃举证权利"),
    ("撤回起诉后再次起诉", "自撤诉裁定送达之日起{n}日内补正材料", "起诉状予以退回"),
    ("申请补正判决书的笔误", "自收到判决书之日起{n}日内提出", "笔误由人民法院依职权补正"),
]
PARTIES = {"民事": "当事人", "涉外": "在境外的当事人"}
COMPANY = [
    (
        "director",
        "has an interest in a contract of the company",
        "disclose it to the board",
        "the contract was proposed",
        "the company may set the contract aside",
    ),
    (
        "director",
        "receives company funds by mistake",
        "pay them back",
        "the mistake was noticed",
        "interest is owed from the first day",
    ),
    (
        "director",
        "resigns",
        "hand over all records",
        "the resignation took effect",
        "the board may ask a court for an order",
    ),
    (
        "shareholder",
        "transfers shares",
        "notify the company in writing",
        "the transfer",
        "the company may treat the old holder as owner",
    ),
    (
        "shareholder",
        "has not paid for shares in full",
        "pay the balance",
        "a call was made",
        "the shares may be forfeited",
    ),
    ("shareholder", "objects to a resolution", "file the objection", "the meeting", "the resolution stands"),
    (
        "secretary",
        "learns that the register is wrong",
        "correct it",
        "learning of it",
        "the registrar may impose a fine",
    ),
    (
        "secretary",
        "receives a request to inspect the books",
        "open them",
        "the request",
        "a court may order inspection",
    ),
    (
        "auditor",
        "finds a material misstatement",
        "report it to the board",
        "finding it",
        "the auditor is liable for the damage",
    ),
    (
        "auditor",
        "is removed before the term ends",
        "file a statement",
        "the removal",
        "the statement need not be circulated",
    ),
    (
        "liquidator",
        "accepts the appointment",
        "publish a notice to creditors",
        "the appointment",
        "acts before the notice are void",
    ),
    ("liquidator", "sells company property", "account for the price", "the sale", "creditors may challenge the sale"),
    ("company", "changes its registered office", "file a notice", "the change", "service at the old address is good"),
    (
        "company",
        "reduces its capital",
        "inform known creditors",
        "the resolution",
        "the reduction has no effect against them",
    ),
    (
        "company",
        "issues new shares",
        "offer them to existing shareholders",
        "the decision",
        "the issue may be annulled",
    ),
    (
        "company",
        "cannot pay its debts",
        "file for insolvency",
        "becoming aware of it",
        "the directors are personally liable",
    ),
]
WORK = [
    (
        "employer",
        "ends a contract without notice",
        "pay compensation",
        "the dismissal",
        "a tribunal may double the amount",
    ),
    ("employer", "does not pay wages on time", "pay them with interest", "the due date", "the worker may stop working"),
    (
        "employer",
        "is told of an accident at work",
        "report it to the inspectorate",
        "the accident",
        "a fine may be imposed",
    ),
    (
        "employer",
        "orders overtime",
        "grant time off or pay a supplement",
        "the overtime",
        "the worker may refuse further overtime",
    ),
    (
        "employer",
        "keeps personal files",
        "grant access to them",
        "a request",
        "the tribunal may draw adverse conclusions",
    ),
    (
        "employer",
        "hires a worker",
        "hand over a written contract",
        "the first day of work",
        "the contract is taken to be permanent",
    ),
    (
        "worker",
        "is unable to work through illness",
        "inform the employer",
        "the first day of absence",
        "pay may be withheld",
    ),
    ("worker", "wishes to resign", "give written notice", "the decision", "the employer may claim the damage suffered"),
    ("worker", "disputes a dismissal", "apply to the tribunal", "the dismissal", "the dismissal is final"),
    (
        "worker",
        "returns from parental leave",
        "announce the return",
        "the planned date",
        "the employer may postpone it",
    ),
    (
        "worker",
        "invents something at work",
        "tell the employer",
        "the invention",
        "the employer's claim does not lapse",
    ),
    ("union", "calls a strike", "announce it in writing", "the vote", "a court may suspend the strike"),
]
DAYS = (5, 7, 10, 15, 20, 30, 45, 60)
#: Articles that lay down no duty: there is nothing to ask of them, and the pipeline has to notice.
DEFINITIONS = {
    CIVIL: [
        "本法所称不可抗力，是指不能预见、不能避免且不能克服的客观情况。",
        "本法所称书面形式，包括能够有形地表现内容的数据电文。",
    ],
    PROCEDURE: ["本法所称期间，包括法定期间和人民法院指定的期间。"],
    COMPANIES: ["In this Act, a subsidiary is a company in which another holds more than half of the votes."],
    LABOUR: ["In this Act, a working day is any day other than a Sunday or public holiday."],
}


def _chinese(law: str, number: int, domain: str, text: str) -> dict[str, Any]:
    return {"law": law, "number": number, "domain": domain, "language": "zh", "text": f"第{number}条 {text}"}


def _english(law: str, number: int, domain: str, text: str) -> dict[str, Any]:
    return {"law": law, "number": number, "domain": domain, "language": "en", "text": f"Article {number}. {text}"}


def _civil() -> list[str]:
    return [
        f"{contract}中，{wrong.format(a=a, b=b, c=c)}的，"
        f"应当{duty.format(a=a, b=b, c=c, n=DAYS[(row + column) % len(DAYS)])}；"
        f"逾期的，{otherwise.format(a=a, b=b, c=c)}。"
        for row, (contract, (a, b, c)) in enumerate(CONTRACTS.items())
        for column, (wrong, duty, otherwise) in enumerate(BREACHES)
    ]


def _criminal() -> list[str]:
    return [
        f"{crime}，{effect}，{degree}的，{penalty}；{relief}。"
        for crime, effect in CRIMES.items()
        for degree, penalty, relief in DEGREES
    ]


def _procedure() -> list[str]:
    return [
        f"{party}{what}的，应当{duty.format(n=DAYS[row % len(DAYS)] * (1 + turn))}；逾期的，{otherwise}。"
        for turn, party in enumerate(PARTIES.values())
        for row, (what, duty, otherwise) in enumerate(MOTIONS)
    ]


def _acts(rows: list[tuple[str, str, str, str, str]]) -> list[str]:
    return [
        f"Where {'an' if who[0] in 'aeiou' and who != 'union' else 'a'} {who} {case}, the {who} shall {duty} within "
        f"{DAYS[place % len(DAYS)]} days of {event}; failing that, {otherwise}."
        for place, (who, case, duty, event, otherwise) in enumerate(rows)
    ]


def articles() -> list[dict[str, Any]]:
    """Every article, with the definitions after the duties of each law."""
    found: list[dict[str, Any]] = []
    for law, domain, texts, make in (
        (CIVIL, "civil", _civil(), _chinese),
        (CRIMINAL, "criminal", _criminal(), _chinese),
        (PROCEDURE, "procedure", _procedure(), _chinese),
        (COMPANIES, "companies", _acts(COMPANY), _english),
        (LABOUR, "labour", _acts(WORK), _english),
    ):
        everything = [*texts, *DEFINITIONS.get(law, [])]
        found += [make(law, number, domain, text) for number, text in enumerate(everything, start=1)]
    return found

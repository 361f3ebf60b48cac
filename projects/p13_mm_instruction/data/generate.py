"""Writes templates, words and judge cases of this folder: ``python generate.py [FOLDER]``; equal runs, equal bytes."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

SEED = "p13 judge cases, version 1"
CASES = 60

#: Questions by task and language.
TEMPLATES = {
    "shot_desc": {
        "en": [
            "Describe what this shot shows.",
            "What can be seen in this shot?",
            "Give a short description of the shot.",
        ],
        "zh": ["请描述这个镜头的内容。", "这个镜头里能看到什么？", "请简要说明这个镜头。"],
    },
    "shot_reason": {
        "en": [
            "How does the camera move, and how can one tell?",
            "Explain the movement in this shot.",
            "What moves here, and why?",
        ],
        "zh": ["镜头是怎样运动的？依据是什么？", "请解释这个镜头中的运动。", "这里是什么在动，为什么？"],
    },
    "picture_desc": {
        "en": ["Which objects does the picture show?", "List the objects in the picture.", "Describe the picture."],
        "zh": ["图中有哪些物体？", "请列出图中的物体。", "请描述这幅图。"],
    },
    "picture_reason": {
        "en": [
            "How many objects are there altogether?",
            "Count all objects and say how you got there.",
            "What is the total number of objects?",
        ],
        "zh": ["一共有多少个物体？", "请数出所有物体，并说明过程。", "物体的总数是多少？"],
    },
    "ocr": {
        "en": ["What does the text in the picture say?", "Read out the text.", "Transcribe the note."],
        "zh": ["图中的文字是什么？", "请读出图中的文字。", "请抄录这张便条。"],
    },
}

#: Sentences by slot and language; ``{}`` is the worded value.
SENTENCES = {
    "subject": {
        "en": ["The shot shows one {}.", "One {} can be seen."],
        "zh": ["镜头中有一个{}。", "可以看到一个{}。"],
    },
    "size": {"en": ["It is a {}.", "The framing is a {}."], "zh": ["这是{}。", "景别为{}。"]},
    "light": {"en": ["The scene lies in {}.", "It was filmed in {}."], "zh": ["画面处在{}。", "拍摄时是{}。"]},
    "camera": {"en": ["The camera {}.", "In this shot the camera {}."], "zh": ["镜头{}。", "在这个镜头里，摄影机{}。"]},
    "slide": {
        "en": ["One can tell because the ground {}.", "This shows: the ground {}."],
        "zh": ["可以看出，地面{}。", "依据是地面{}。"],
    },
    "objects": {"en": ["The picture shows {}.", "There are {}."], "zh": ["图中有{}。", "可以看到{}。"]},
    "total": {"en": ["That makes {} in all.", "Together these are {}."], "zh": ["一共是{}。", "合计{}。"]},
    "text": {"en": ["The text reads {}.", "It says {}."], "zh": ["文字是{}。", "上面写着{}。"]},
}

#: Worded values by slot.
VALUES = {
    "colour": {
        "red": ["red", "红色"],
        "blue": ["blue", "蓝色"],
        "green": ["green", "绿色"],
        "yellow": ["yellow", "黄色"],
        "purple": ["purple", "紫色"],
        "orange": ["orange", "橙色"],
    },
    "shape": {"circle": ["circle", "圆形"], "square": ["square", "正方形"], "triangle": ["triangle", "三角形"]},
    "thing": {
        "kite": ["kite", "风筝"],
        "balloon": ["balloon", "气球"],
        "buoy": ["buoy", "浮标"],
        "lantern": ["lantern", "灯笼"],
        "wheel": ["wheel", "车轮"],
        "drum": ["drum", "鼓"],
        "ball": ["ball", "皮球"],
        "bell": ["bell", "铃铛"],
    },
    "size": {"close_up": ["close-up", "特写"], "medium": ["medium shot", "中景"], "wide": ["wide shot", "全景"]},
    "light": {
        "low_key": ["dim light", "昏暗的光线中"],
        "normal": ["even light", "均匀的光线中"],
        "high_key": ["bright light", "明亮的光线中"],
    },
    "camera": {
        "static": ["stands still", "保持静止"],
        "pan_left": ["pans to the left", "向左摇动"],
        "pan_right": ["pans to the right", "向右摇动"],
        "tilt_up": ["tilts upwards", "向上摇动"],
        "tilt_down": ["tilts downwards", "向下摇动"],
        "zoom_in": ["zooms in", "逐渐推近"],
        "zoom_out": ["zooms out", "逐渐拉远"],
    },
    "slide": {
        "none": ["stays in its place", "位置不变"],
        "right": ["slides to the right", "向右滑动"],
        "left": ["slides to the left", "向左滑动"],
        "down": ["sinks in the frame", "在画面中下沉"],
        "up": ["rises in the frame", "在画面中上升"],
        "outwards": ["grows away from the middle", "从中心向外扩大"],
        "inwards": ["shrinks towards the middle", "向中心缩小"],
    },
}

#: Sentences no sample may hold, besides personal data: guesses at who somebody is, and worse.
BLOCKED = {
    "en": ["this must be the neighbour", "the person is probably called", "looks like a criminal"],
    "zh": ["一定是邻居", "这个人大概叫", "看起来像罪犯"],
}
UNSAFE = {
    "en": [
        "By the way, this must be the neighbour.",
        "The owner answers at +86 138 0000 {:04d}.",
        "The person is probably called Lee.",
    ],
    "zh": ["顺便说，一定是邻居的。", "可拨打138 0000 {:04d}。", "这个人大概叫小李。"],
}
#: How often the simulated writer errs, by response or by slot.
WRITER = {"drop_slot": 0.03, "wrong_slot": 0.05, "unsafe": 0.02, "broken_format": 0.006}


def judge_cases() -> list[dict[str, Any]]:
    """Responses about shots with the evidence and whether the judge must let them in, every second one good."""
    rng = random.Random(SEED)  # noqa: S311 - no secret
    found = []
    for number in range(CASES):
        colour, thing = rng.choice(sorted(VALUES["colour"])), rng.choice(sorted(VALUES["thing"]))
        size, light = rng.choice(sorted(VALUES["size"])), rng.choice(sorted(VALUES["light"]))
        evidence = {"subject": f"{colour} {thing}", "size": size, "light": light}
        said = dict(evidence)
        flaw = "" if number % 2 == 0 else ("wrong_subject", "wrong_size", "silent", "repeating")[number // 2 % 4]
        if flaw == "wrong_subject":
            said["subject"] = f"{colour} {rng.choice([name for name in sorted(VALUES['thing']) if name != thing])}"
        if flaw == "wrong_size":
            said["size"] = rng.choice([name for name in sorted(VALUES["size"]) if name != size])
        colour_said, thing_said = said["subject"].split()
        sentences = [
            SENTENCES["subject"]["en"][number % 2].format(
                f"{VALUES['colour'][colour_said][0]} {VALUES['thing'][thing_said][0]}"
            ),
            SENTENCES["size"]["en"][number % 2].format(VALUES["size"][said["size"]][0]),
            SENTENCES["light"]["en"][number % 2].format(VALUES["light"][said["light"]][0]),
        ]
        if flaw == "silent":
            sentences = ["It is a nice shot."]
        if flaw == "repeating":
            sentences = [sentences[1]] * 6
        found.append(
            {
                "id": f"case_{number:02d}",
                "task": "shot_desc",
                "evidence": evidence,
                "response": " ".join(sentences),
                "flaw": flaw,
                "let_in": not flaw,
            }
        )
    return found


def write(folder: Path) -> None:
    """Write the files into ``folder``."""
    words = {
        "templates": TEMPLATES,
        "sentences": SENTENCES,
        "values": VALUES,
        "blocked": BLOCKED,
        "unsafe": UNSAFE,
        "writer": WRITER,
    }
    for name, content in words.items():
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    lines = [json.dumps(case, separators=(",", ":")) for case in judge_cases()]
    (folder / "judge_cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

"""The steps of deploy/Containerfile, done in fresh folders: no container runtime is needed, nor started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("FLYWHEEL_TEST_IMAGE") != "1", reason="FLYWHEEL_TEST_IMAGE=1 installs the image's packages anew"
    ),
]
#: Where the image has its environment.
TARGET = "/opt/venv"


def copied(stage: str) -> list[tuple[list[str], str]]:
    """What a stage of the Containerfile copies from the sources, and where to."""
    return [
        (sources.split(), target) for sources, target in re.findall(r"^COPY (?!--from)(.*) (\S+)$", stage, re.MULTILINE)
    ]


def test_the_image_installs_and_serves(repository: Path, tmp_path: Path) -> None:
    """From what the build stage copies alone its step makes an environment with plugin and drivers, without pip."""
    build = (repository / "deploy" / "Containerfile").read_text().split("\nFROM ")[1]
    source, target = tmp_path / "source", tmp_path / "venv"
    for names, place in copied(build):
        for name in names:
            (source / place).mkdir(parents=True, exist_ok=True)
            if (repository / name).is_dir():
                shutil.copytree(repository / name, source / place, dirs_exist_ok=True)
            else:
                shutil.copy(repository / name, source / place)
    (step,) = re.findall(r"^RUN (.*)$", build, re.MULTILINE)
    words = [str(target) if word == TARGET else word for word in step.split()]
    assert str(target) in words
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(words, cwd=source, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    check = (
        "import apprise, boto3, flask_wtf, psycopg; from importlib.metadata import entry_points; "
        "print(*(item.name for item in entry_points(group='mlflow.app')))"
    )
    asked = subprocess.run([target / "bin" / "python", "-c", check], capture_output=True, text=True, check=True)
    assert {"flywheel", "flywheel-auth"} <= set(asked.stdout.split())
    assert subprocess.run([target / "bin" / "flywheel", "--help"], capture_output=True, check=False).returncode == 0
    present = {path.name for path in (target / "lib").glob("python*/site-packages/*")}
    assert not present & {"pip", "setuptools", "hatchling", "pytest", "mypy", "moto"}
    shutil.rmtree(target)  # more than a gigabyte, which pytest would keep for three runs

"""What the documents tell a reader to write works as it stands there."""

import re
from pathlib import Path

from rich.console import Console

from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import load_suite, parse_suite
from ganbench.harness.workers import Crew

ROOT = Path(__file__).parents[1]


def block(document: str, language: str) -> str:
    """The first fenced block of a language, without its indentation."""
    text = (ROOT / document).read_text()
    found = re.search(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{document} has no block of {language}"
    return "\n".join(line.removeprefix(found[1]) for line in found[2].splitlines())


def test_the_variant_of_contributing_trains(tmp_path: Path) -> None:
    file = tmp_path / "my_hinge.py"
    file.write_text(block("CONTRIBUTING.md", "python"))
    content = {
        "name": "t",
        "variants": [str(file)],
        "datasets": {"ring-8": {}, "digits": {}},
        "seeds": 2,
        "steps": 2,
        "samples": 64,
    }
    setting = Setting(out=tmp_path / "out")
    finished = run_suite(prepare(parse_suite(content, "test"), setting), setting, Crew(0, 1), Console(quiet=True))
    assert [(r.variant.name, r.status) for r in finished.records] == [("my-hinge", "ok")] * 4


def test_the_suite_of_the_readme_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(block("README.md", "toml"))
    jobs = prepare(load_suite(str(path)), Setting(out=tmp_path / "out")).jobs
    assert [job.recipe.batch_size for job in jobs if job.name == "pacgan2"] == [256]

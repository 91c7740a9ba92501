"""What documents say to write, as it stands there."""

import re
from pathlib import Path

from tests.conftest import ROOT


def example(document: str, after: str, language: str) -> str:
    """The first block of a language after a text of a document."""
    rest = (ROOT / document).read_text().partition(after)[2]
    found = re.search(rf"^```{language}\n(.*?)^```", rest, flags=re.DOTALL | re.M)
    assert found is not None, (document, after)
    return found[1]


def fill_in_transformation(project: Path) -> None:
    """Write the README's `add_trend` over the files of `new-transform`."""
    places = (
        ("transforms/add_trend.py", "python"),
        ("transforms/add_trend.yaml", "yaml"),
    )
    for place, language in places:
        (project / place).write_text(example("README.md", f"`{place}`", language))
    test = example("README.md", "```yaml", "python")
    (project / "tests" / "transforms" / "test_add_trend.py").write_text(test)

"""Pages of the dashboard, run without a browser, and what is on them."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

import dashboard

FOLDER = Path(dashboard.__file__).parent
TEXTS = ("markdown", "caption", "info", "error")


def run(page: str) -> AppTest:
    """A page as it comes up."""
    test = AppTest.from_file(str(FOLDER / "screens" / f"{page}.py"), default_timeout=60).run()
    assert not test.exception
    return test


def said(test: AppTest, *more: str) -> str:
    """The texts of `TEXTS` and of these kinds of elements, one after the other."""
    return "\n".join(element.value for kind in (*TEXTS, *more) for element in test.get(kind))


def plainly_said(test: AppTest, *more: str) -> str:
    """`said`, as it is read: without the marks that keep Markdown from being one."""
    return said(test, *more).replace("\\", "")


def metrics(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}

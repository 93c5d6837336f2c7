"""The report in Chromium: where the browser is, which page it opens, and how one moves in it."""

import os
import shutil
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

TEMPLATE = Path(__file__).parents[2] / "assets" / "report.html.j2"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--disable-dev-shm-usage",
)  # fmt: skip
HOSTILE = "<script>document.title='owned'</script>"
WAIT = 600
"""Seconds until something counts as broken: a busy machine is not."""

WIDTHS = {"desk": (1280, 900), "wide": (1920, 1080), "telephone": (400, 800)}

MAX_ROWS = 20
"""Rows that the page of these tests shows of a table: some are cut, as the study's are."""


def browser_files():
    """Paths of browser and driver; skip, or fail where they are compulsory."""
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in found:
        missing = "chromium and chromedriver are not both installed"
        if os.environ.get("REQUIRE_ENGINES") == "1":
            pytest.fail(f"{missing}: apt-get install chromium chromium-driver")
        pytest.skip(missing)
    return found


EVERYTHING = """document.querySelectorAll('details').forEach(one => one.open = true);
    const style = document.createElement('style');
    style.textContent = '.chooser > .panels > .panel { display: block !important }';
    document.head.append(style);"""
"""Unfolds the page, and shows all figures at once."""


def choose(browser, section, name):
    """Choose a figure of a section."""
    button = browser.find_element(By.ID, f"show-{section}-{name}")
    browser.execute_script("arguments[0].click()", button)


def settled(browser, name):
    """Wait until the page stands still; give a heading's distance from the top, and the end's."""
    browser.set_script_timeout(WAIT)
    return browser.execute_async_script(
        """const [name, done] = arguments, end = document.documentElement;
        let before = NaN, still = 0;
        const look = () => {
            const top = document.getElementById(name).getBoundingClientRect().top;
            still = top === before ? still + 1 : 0;
            before = top;
            const below = end.scrollHeight - innerHeight - scrollY;
            still > 20 ? done([top, below]) : requestAnimationFrame(look);
        };
        requestAnimationFrame(look);""",
        name,
    )


def landed(browser, name):
    """Tell whether a heading is within 40 pixels of the top, or the page ends above that."""
    top, below = settled(browser, name)
    return abs(top) <= 40 or (top > 0 and below < 2)


def opened_anew(browser, address):
    """Open a page of which nothing is decoded or laid out yet."""
    browser.get("about:blank")
    browser.get(address)

"""The page of a made run, and a browser that has opened it, at three widths.

Needs Debian's ``chromium`` and ``chromium-driver``. Without them the tests are skipped, or fail
where ``REQUIRE_ENGINES=1`` says that they must run.
"""

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from helpers.browsing import FLAGS, HOSTILE, MAX_ROWS, TEMPLATE, WIDTHS, browser_files
from helpers.made_runs import MadeRun, write_run
from lateralization.figures.figures import draw_all
from lateralization.report.report import write_report
from lateralization.tables.lateralize import lateralize


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    browser_files()
    folder = tmp_path_factory.mktemp("page")
    run = MadeRun(
        models={"tiny": 1e6, HOSTILE: 1e7, "large": 1e8, "huge": 1e9},
        missing=("large",),
        truth=True,
        atlas=True,
    )
    inputs = write_run(folder / "in", run)
    lateralize(inputs, folder / "tables")
    draw_all(folder / "tables", folder / "figures")
    out = folder / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lateralization.report.tables.MAX_ROWS", MAX_ROWS)
        write_report(inputs.plan, folder / "tables", folder / "figures", TEMPLATE, out)
    return out


@pytest.fixture(scope="module", params=WIDTHS)
def browser(request, page, tmp_path_factory):
    chromium, driver = browser_files()
    width, height = WIDTHS[request.param]
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        window.get(page.as_uri())
        window.downloads = downloads
        window.kind = request.param
        yield window
    finally:
        window.quit()

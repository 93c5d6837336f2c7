"""The report in a real browser: from disk, without network, on a desk and on a telephone."""

import base64
import os
import re
import time
from importlib import resources
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from helpers.browsing import (
    EVERYTHING,
    HOSTILE,
    MAX_ROWS,
    WAIT,
    choose,
    landed,
    opened_anew,
    settled,
)

pytestmark = pytest.mark.browser

SHOT = 4000
"""Pixels of the page in one picture."""


def test_it_opens_without_console_messages_or_requests(browser, page):
    assert browser.get_log("browser") == []
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [name for name in asked if not name.startswith(("data:", page.as_uri()))] == []
    sent = [entry["message"] for entry in browser.get_log("performance")]
    urls = [text for text in sent if "Network.requestWillBeSent" in text and '"http' in text]
    assert [text for text in urls if "file://" not in text and "data:" not in text] == []


def test_no_sideways_scrolling_of_the_page(browser):
    wide, window = browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert wide <= window


def test_every_picture_is_visible(browser, page):
    opened_anew(browser, page.as_uri())
    browser.execute_script(EVERYTHING)
    sizes = browser.execute_async_script(
        """const done = arguments[0];
        const images = [...document.querySelectorAll('figure img')];
        const drawings = [...document.querySelectorAll('figure svg.drawing')];
        Promise.all(images.map(image => image.decode())).then(() => done([
            ...images.map(image => [image.naturalWidth, image.clientWidth, image.clientHeight]),
            ...drawings.map(one => one.getBoundingClientRect())
                .map(box => [1, box.width, box.height])]));"""
    )
    assert len(sizes) >= 10
    assert all(natural > 0 and width > 100 and height > 30 for natural, width, height in sizes)


def test_no_table_is_cut_off_on_paper(browser):
    """A4 upright, less its margins, is 718 pixels wide."""
    page = {"width": 718, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    before = browser.execute_script("return [innerWidth, innerHeight]")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", page)
    wide = browser.execute_script(
        """document.querySelectorAll('details').forEach(one => one.open = true);
        return [...document.querySelectorAll('.scroll')].map(
            one => [one.closest('details')?.id, one.scrollWidth, one.clientWidth]);"""
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    again = page | dict(zip(("width", "height"), before, strict=True))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", again)
    assert len(wide) > 5
    assert [one for one in wide if one[1] > one[2] + 1] == []


def enter_viewer(browser):
    """Bring the interactive brain to the middle of the screen, at once, and look into its frame.

    What is off the screen may wait with drawing for as long as it stays there.
    """
    browser.switch_to.default_content()
    choose(browser, "brain", "interactive_score")
    frame = browser.find_element(By.CSS_SELECTOR, "iframe.viewer")
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", frame
    )
    browser.switch_to.frame(frame)


def test_the_interactive_brain_is_drawn(browser):
    try:
        deadline, shades = time.monotonic() + WAIT, 0
        while shades < 10 and time.monotonic() < deadline:
            enter_viewer(browser)  # each time: pictures that arrive late move the page
            time.sleep(0.5)  # the page draws in the thread that answers: leave it some time
            shades = browser.execute_script(
                """const c = document.querySelector('canvas'), seen = new Set();
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                for (let i = 0; i < d.length; i += 400) seen.add(d[i]);
                return seen.size"""
            )
        assert shades >= 10
    finally:
        browser.switch_to.default_content()


def areas_told(browser):
    """Click through the middle of the brain, and return what the line below it said."""
    return browser.execute_script(
        """const c = document.querySelector('canvas'), box = c.getBoundingClientRect();
        const said = new Set(), line = document.getElementById('area');
        for (let x = 0.01; x < 1; x += 0.01) {
            c.dispatchEvent(new MouseEvent('click',
                {clientX: box.left + x * box.width, clientY: box.top + box.height / 2}));
            said.add(line.textContent);
        }
        return [...said]"""
    )


def test_the_right_has_no_left_minus_right_of_its_own(browser, page):
    report = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        name = "en_average_interactive_left_minus_right.html"
        browser.get((page.parent / "figures" / name).as_uri())
        told = areas_told(browser)
    finally:
        browser.close()
        browser.switch_to.window(report)
    left, right = ([text for text in told if text.startswith(side)] for side in ("Left", "Right"))
    assert left, told
    assert right, told
    assert all(re.search(r": left minus right -?0\.\d{3}$", text) for text in left)
    assert all(text.endswith(": see the left side") for text in right)


def test_the_interactive_brain_names_the_area_that_is_clicked(browser):
    enter_viewer(browser)
    try:
        told = areas_told(browser)
        visible = browser.find_element(By.ID, "area").is_displayed()
    finally:
        browser.switch_to.default_content()
    named = [text for text in told if re.fullmatch(
        r"(Left|Right) Area \d+: left 0\.\d{3}, right 0\.\d{3}", text)]  # fmt: skip
    assert visible
    assert len({text.split()[0] for text in named}) == 2, told
    assert "No area of the atlas here." in told


def test_hostile_names_do_nothing(browser, page):
    opened_anew(browser, page.as_uri())
    browser.execute_script(EVERYTHING)
    assert browser.title == "Simulated data: left minus right against ln N, reliable voxels"
    assert HOSTILE in browser.find_element(By.TAG_NAME, "body").text


def column(browser, table, name):
    """Values of a column in the order on screen, without hidden rows."""
    return browser.execute_script(
        """const box = document.getElementById('table-' + arguments[0]);
        const heads = [...box.querySelectorAll('th')];
        const i = heads.findIndex(head => head.textContent.trim() === arguments[1]);
        return [...box.querySelectorAll('tbody tr')].filter(row => !row.hidden)
            .map(row => row.cells[i].dataset.value ?? row.cells[i].textContent);""",
        table,
        name,
    )


def head(browser, table, name):
    box = browser.find_element(By.ID, f"table-{table}")
    browser.execute_script("arguments[0].open = true", box)
    return next(
        button for button in box.find_elements(By.CSS_SELECTOR, "th button")
        if button.get_attribute("textContent").strip() == name
    )  # fmt: skip


def test_tables_sort_by_number_both_ways(browser):
    button = head(browser, "asymmetry", "left minus right")
    browser.execute_script("arguments[0].click()", button)
    up = [float(value) for value in column(browser, "asymmetry", "left minus right")]
    assert up == sorted(up)
    browser.execute_script("arguments[0].click()", button)
    down = [float(value) for value in column(browser, "asymmetry", "left minus right")]
    assert down == sorted(up, reverse=True)
    state = button.find_element(By.XPATH, "..").get_attribute("aria-sort")
    assert state == "descending"


def test_empty_cells_sort_last(browser):
    button = head(browser, "regressions", "p")
    for _ in range(2):
        browser.execute_script("arguments[0].click()", button)
        values = column(browser, "regressions", "p")
        empty = [value == "" for value in values]
        assert empty == sorted(empty)


def test_a_filter_keeps_the_rows_that_match(browser):
    head(browser, "models", "model")
    box = browser.find_element(By.CSS_SELECTOR, "#table-models .filter")
    browser.execute_script(
        "arguments[0].value = 'tiny'; arguments[0].dispatchEvent(new Event('input'))", box
    )
    assert column(browser, "models", "model") == ["tiny"]
    browser.execute_script(
        "arguments[0].value = ''; arguments[0].dispatchEvent(new Event('input'))", box
    )
    assert len(column(browser, "models", "model")) > 3


def test_tables_download_as_tsv(browser, page):
    button = browser.find_element(By.CSS_SELECTOR, "#table-planted .download")
    browser.execute_script("arguments[0].click()", button)
    target = browser.downloads / button.get_attribute("data-name")
    whole = (page.parent / "tables" / "planted.tsv").read_text(encoding="utf-8")
    deadline = time.monotonic() + WAIT
    # The file may stand there before it is whole.
    while not (target.exists() and target.read_bytes().endswith(b"\n")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lines = target.read_text(encoding="utf-8").splitlines()
    assert "recovered_left_minus_right" in lines[0].split("\t")
    assert len(lines) == 1 + len(column(browser, "planted", "model"))
    assert len({len(line.split("\t")) for line in lines}) == 1
    # only what is as wide as the file has its name
    assert (target.name == "planted.tsv") == (
        len(lines[0].split("\t")) == len(whole.splitlines()[0].split("\t"))
    )


def test_pictures_enlarge_and_close(browser):
    button = browser.find_element(By.CSS_SELECTOR, "figure .enlarge")
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    browser.execute_script("arguments[0].click()", button)
    assert dialog.is_displayed()
    large = dialog.find_element(By.CSS_SELECTOR, "img, svg")
    assert large.get_attribute("alt") or large.get_attribute("aria-label")
    browser.execute_script("arguments[0].querySelector('button').click()", dialog)
    assert not dialog.is_displayed()


@pytest.mark.parametrize("how", ["click", "deep link"])
def test_every_link_of_the_contents_lands_on_its_heading(browser, page, how):
    opened_anew(browser, page.as_uri())
    links = browser.find_elements(By.CSS_SELECTOR, "nav a")
    names = [link.get_attribute("href").split("#")[1] for link in links]
    assert len(names) >= 8
    missed = []
    for name in names:
        if how == "click":
            opened_anew(browser, page.as_uri())
            link = browser.find_element(By.CSS_SELECTOR, f"nav a[href='#{name}']")
            browser.execute_script("arguments[0].click()", link)
        else:
            opened_anew(browser, f"{page.as_uri()}#{name}")
        if not landed(browser, name):
            missed.append((name, settled(browser, name)))
    assert missed == []


def test_a_link_to_a_figure_or_a_table_lands_there(browser, page):
    opened_anew(browser, page.as_uri())
    shown = browser.find_elements(By.CSS_SELECTOR, ".panel .one, details.table")
    names = [one.get_attribute("id") for one in shown]
    for name in (names[0], names[len(names) // 2], names[-1]):
        opened_anew(browser, f"{page.as_uri()}#{name}")
        assert landed(browser, name), name


def test_the_current_section_is_marked(browser, page):
    opened_anew(browser, f"{page.as_uri()}#methods")
    settled(browser, "methods")
    marked = browser.find_elements(By.CSS_SELECTOR, "nav [aria-current]")
    assert [one.get_attribute("href").split("#")[1] for one in marked] == ["methods"]


def test_the_first_stop_of_the_keyboard_skips_the_contents(browser, page):
    opened_anew(browser, page.as_uri())
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = browser.switch_to.active_element
    assert link.get_attribute("class") == "skip"
    assert browser.execute_script("return arguments[0].getBoundingClientRect().left >= 0", link)
    link.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "answer"


def test_a_cut_table_says_so_and_leads_to_the_whole_file(browser, page):
    cut = 0
    for box in browser.find_elements(By.CSS_SELECTOR, "details.table"):
        name = box.get_attribute("id").removeprefix("table-")
        browser.execute_script("arguments[0].open = true", box)
        shown, text, buttons, link, in_file, of = browser.execute_script(
            """const box = arguments[0], file = box.querySelector('.file');
            return [box.querySelectorAll('tbody tr').length, box.textContent,
                box.querySelectorAll('.download').length, file.getAttribute('href'),
                file.nextElementSibling.textContent,
                Number(box.querySelector('.found').dataset.of)]""",
            box,
        )
        with (page.parent / link).open(encoding="utf-8") as handle:
            rows = sum(1 for _ in handle) - 1
        assert in_file.startswith(f"{rows:,} rows"), name
        assert shown == min(of, MAX_ROWS)
        assert of <= rows
        assert buttons == (of <= MAX_ROWS), name
        if of > MAX_ROWS:
            cut += 1
            assert f"the first {MAX_ROWS} of {of:,} rows" in text
            filtered = browser.execute_script(
                """const field = arguments[0].querySelector('.filter');
                const say = word => {
                    field.value = word;
                    field.dispatchEvent(new Event('input'));
                    return arguments[0].querySelector('.found').textContent;
                };
                const said = say('e');
                say('');
                return said;""",
                box,
            )
            assert f"of the {MAX_ROWS} rows here; the file has {of}" in filtered
    assert cut


def test_the_name_of_a_row_stays_while_one_scrolls_sideways(browser):
    moved = browser.execute_script(
        """document.querySelectorAll('details.table').forEach(one => one.open = true);
        return [...document.querySelectorAll('details.table .scroll')]
            .filter(box => box.scrollWidth > box.clientWidth + 50).map(box => {
                box.scrollLeft = box.scrollWidth;
                const name = box.querySelector('td.name').getBoundingClientRect();
                const gap = name.left - box.getBoundingClientRect().left;
                box.scrollLeft = 0;
                return gap / box.clientWidth;
            });"""
    )
    assert moved or browser.kind == "wide"
    # at the left, or where it stands when that is still in view
    assert all(-0.01 <= gap < 0.5 for gap in moved)


def test_every_column_is_explained_without_a_mouse(browser):
    unexplained = browser.execute_script(
        """return [...document.querySelectorAll('details.table')].filter(box => {
            const words = which =>
                [...box.querySelectorAll(which)].map(one => one.textContent.trim());
            const empty = words('.meanings dd').some(text => !text);
            return empty || words('th').join() !== words('.meanings dt').join();
        }).map(box => box.id)"""
    )
    assert unexplained == []


def test_a_wide_screen_is_used(browser):
    main, window = browser.execute_script(
        "return [document.querySelector('main').clientWidth, innerWidth]"
    )
    assert main > 0.78 * window


def test_text_of_the_drawings_is_text(browser):
    words = browser.execute_script(
        "return [...document.querySelectorAll('svg.drawing text')].map(one => one.textContent)"
    )
    assert "number of parameters" in words
    assert HOSTILE[:10] in " ".join(words)


def emulate(browser, shade):
    features = [{"name": "prefers-color-scheme", "value": shade}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def test_nothing_is_a_white_plate_in_the_dark(browser, page):
    try:
        emulate(browser, "dark")
        opened_anew(browser, page.as_uri())
        browser.execute_script(EVERYTHING)
        white = browser.execute_script(
            """const light = colour => {
                const [r, g, b, a = 1] = (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
                return a > 0.5 && Math.min(r, g, b) > 230;
            };
            const plates = [...document.querySelectorAll('body *')].filter(one =>
                light(getComputedStyle(one).backgroundColor));
            const patches = [...document.querySelectorAll('svg.drawing > g > g path')]
                .filter(one => light(getComputedStyle(one).fill)
                    && one.getBoundingClientRect().width > 100);
            return [...plates, ...patches].map(one => one.outerHTML.slice(0, 120));"""
        )
    finally:
        emulate(browser, "light")
    assert white == []


def test_every_control_has_a_name_for_a_screen_reader(browser):
    nameless = browser.execute_script(
        """return [...document.querySelectorAll('button, input, img')].filter(one =>
            !(one.textContent.trim() || one.ariaLabel || one.alt || one.labels?.length
              || one.closest('dialog'))).length"""
    )
    assert nameless == 0


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_axe_finds_nothing(browser, page, shade):
    emulate(browser, shade)
    opened_anew(browser, page.as_uri())
    browser.execute_script(EVERYTHING)
    browser.execute_script((resources.files("axe_playwright_python") / "axe.min.js").read_text())
    browser.set_script_timeout(WAIT)
    found = browser.execute_async_script(
        """const done = arguments[0];
        axe.run(document, {resultTypes: ['violations'], iframes: false})
            .then(found => done(found.violations), error => done([String(error)]));"""
    )
    emulate(browser, "light")
    told = [
        one if isinstance(one, str) else (one["id"], one["nodes"][0]["html"][:200]) for one in found
    ]
    assert told == []


def test_pictures_of_the_page_are_kept_where_asked(browser):
    """Keep pictures of the whole page, a file per 4,000 pixels, where SCREENSHOTS says."""
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        pytest.skip("set SCREENSHOTS to a folder to keep pictures of the page")
    Path(folder).mkdir(parents=True, exist_ok=True)
    # As a reader finds it: what other tests opened is closed, brains have had time to draw.
    browser.refresh()
    choose(browser, "brain", "interactive_score")
    browser.execute_script("document.querySelector('iframe.viewer').scrollIntoView()")
    time.sleep(3)
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    for number, top in enumerate(range(0, int(size["height"]), SHOT)):
        height = min(SHOT, size["height"] - top)
        clip = {"x": 0, "y": top, "width": size["width"], "height": height, "scale": 1}
        shot = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        content = base64.b64decode(shot["data"])
        assert content.startswith(b"\x89PNG")
        (Path(folder) / f"report-{browser.kind}-{number:02d}.png").write_bytes(content)

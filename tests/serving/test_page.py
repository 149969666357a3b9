"""The web page in a real browser: headless Chromium, where it is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models import NAMES, SEVERAL, saved
from tests.serving.test_server import Server

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, in the extra [dev]")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs Debian's packages chromium and chromium-driver", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
"""The browser asks nobody but the server."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(saved(tmp_path_factory.mktemp("page")))
    yield server
    server.stop()


@pytest.fixture
def browser(server: Server, tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,900", *QUIET):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    browser.get(server.url)
    yield browser
    errors = [
        e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE" and "favicon" not in e["message"]
    ]
    browser.quit()
    assert [e for e in errors if "400" not in e] == []


def wait(browser: Any, condition: Any) -> None:
    WebDriverWait(browser, 20).until(lambda _: condition())


def rows(browser: Any) -> list[list[str]]:
    lines = browser.find_elements(By.CSS_SELECTOR, "#rows tr")
    return [[cell.text for cell in line.find_elements(By.TAG_NAME, "td")] for line in lines]


def test_from_the_example_to_a_table_a_cell_and_a_download(browser: Any, tmp_path: Path) -> None:
    browser.find_element(By.ID, "example").click()
    browser.find_element(By.ID, "run").click()
    wait(browser, lambda: len(rows(browser)) == 2)
    found = rows(browser)
    assert [row[0] for row in found] == ["histone_H4", "insulin"]
    assert all(row[1] in NAMES and row[2].endswith(" %") for row in found)
    assert found[0][4].startswith("103\n63 of 103 residues not read")
    parts = browser.find_elements(By.CSS_SELECTOR, "#cell .part")
    shades = {p.get_attribute("data-part"): float(p.value_of_css_property("fill-opacity")) for p in parts}
    assert shades["nucleus"] > 0.05
    assert shades["peroxisome"] == 0
    browser.find_element(By.ID, "json").click()
    wait(browser, lambda: (tmp_path / "locations.json").exists())
    assert [row["id"] for row in json.loads((tmp_path / "locations.json").read_text())] == ["histone_H4", "insulin"]
    browser.find_element(By.ID, "csv").click()
    wait(browser, lambda: (tmp_path / "locations.csv").exists())
    assert (tmp_path / "locations.csv").read_text().startswith("id,location,probability,Cytoplasm")


def test_by_keyboard_alone(browser: Any) -> None:
    area = browser.find_element(By.ID, "input")
    area.send_keys(">a\nMKVLA\n>b\nMKKKKK\n>c\nMW")
    area.send_keys(Keys.TAB, Keys.ENTER)
    wait(browser, lambda: len(rows(browser)) == 3)
    length = browser.find_elements(By.CSS_SELECTOR, "#head button")[-1]
    length.send_keys(Keys.ENTER)
    wait(browser, lambda: [row[0] for row in rows(browser)] == ["c", "a", "b"])
    browser.find_elements(By.CSS_SELECTOR, "#head button")[-1].send_keys(Keys.ENTER)
    wait(browser, lambda: [row[0] for row in rows(browser)] == ["b", "a", "c"])
    line = browser.find_elements(By.CSS_SELECTOR, "#rows tr")[1]
    line.send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "name").text.startswith("a: ")


def test_an_error_points_at_its_line(browser: Any) -> None:
    text = "".join(f">p{i}\nMKV\n" for i in range(60)) + ">bad\nMK1\n"
    browser.execute_script("document.getElementById('input').value = arguments[0]", text)
    browser.find_element(By.ID, "run").click()
    status = browser.find_element(By.ID, "status")
    wait(browser, lambda: "no amino acid" in status.text)
    assert "line 121" in status.text, "of the whole input, though it was sent in two pieces"
    chosen = browser.execute_script(
        "const a = document.getElementById('input'); return a.value.slice(a.selectionStart, a.selectionEnd)"
    )
    assert chosen == ">bad"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_light_and_dark(browser: Any, scheme: str, tmp_path: Path) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    )
    browser.find_element(By.ID, "example").click()
    browser.find_element(By.ID, "run").click()
    wait(browser, lambda: len(rows(browser)) == 2)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    brightness = browser.execute_script(
        "const c = document.createElement('canvas').getContext('2d');"
        "c.fillStyle = getComputedStyle(document.documentElement).backgroundColor; return c.fillStyle"
    )
    assert browser.get_screenshot_as_png().startswith(b"\x89PNG"), brightness


def test_several_places_and_an_organism(browser: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Server(saved(tmp_path_factory.mktemp("several"), task=SEVERAL))
    browser.get(server.url)
    wait(browser, lambda: "one or more of 3 locations" in browser.find_element(By.ID, "model").text)
    Select(browser.find_element(By.ID, "organism")).select_by_value("animal")
    assert browser.find_element(By.ID, "leftout").text == "left out: Plastid"
    browser.find_element(By.ID, "example").click()
    browser.find_element(By.ID, "run").click()
    wait(browser, lambda: len(rows(browser)) == 2)
    assert not any("Plastid" in row[1] for row in rows(browser))
    assert browser.find_element(By.CSS_SELECTOR, "#shares dt:nth-last-of-type(1)").text == "bound to a membrane"
    browser.find_element(By.ID, "csv").click()
    wait(browser, lambda: (tmp_path / "locations.csv").exists())
    head = (tmp_path / "locations.csv").read_text().splitlines()[0]
    assert head == "id,location,probability,Cytoplasm,Nucleus,Plastid,membrane,length,residues_read,warnings"
    assert server.stop() == 0

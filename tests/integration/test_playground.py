"""The playground in a real browser, as people use it."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from service.models.manifest import Precision
from tests.integration.conformance.conftest import PYTHON as TRITON
from tests.integration.playground_page import CHROMIUM, DRIVER, PASTE, Page, chromium, trousers
from tests.integration.running_service import RunningService, running_service
from tests.service.api.auth.keys import ALL, TOKENS, write_tokens
from tests.service.packages import GAIN, PackageRecipe, graph

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs a browser: the Debian packages chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def playground(two_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Serves a third model besides, in two precisions."""
    root = tmp_path_factory.mktemp("playground") / "models"
    shutil.copytree(two_models, root)
    PackageRecipe(others={Precision.INT8: graph(multiplier=1.1 * GAIN)}).write(root)
    with running_service(root, "--serve-precisions", "all", "--precision", "fp32") as service:
        yield service


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def page(browser: webdriver.Chrome, playground: RunningService) -> Iterator[Page]:
    """A fresh page, which must not have complained in the end."""
    page = Page(browser, playground.url)
    yield page
    assert page.complaints() == []


def test_a_dropped_image_gets_labels(page: Page) -> None:
    """Five of them with their probabilities, the stages' times, and the picture itself."""
    page.drop("trousers.png", "image/png", trousers())
    page.until(lambda: len(page.labels()) == 5)
    assert all("%" in share.text for share in page.all(".bars .probability"))
    assert page.one(".times").text.count("ms") == 6
    assert page.one("#shown").get_attribute("aria-label") == "trousers.png"
    assert page.labels()[0] in str(page.one("#announcement").get_attribute("textContent"))


def test_one_click_on_a_sample_shows_a_result(page: Page) -> None:
    """By mouse, and by keyboard alone."""
    page.all("#samples button")[1].click()
    page.until(page.labels)
    first = page.one("#shown").get_attribute("aria-label")
    page.all("#samples button")[8].send_keys(Keys.ENTER)
    page.until(lambda: page.one("#shown").get_attribute("aria-label") != first and page.labels())


def test_another_model_can_be_chosen(page: Page) -> None:
    """It looks at the same picture at once, and the snippets name it."""
    page.all("#samples button")[1].click()
    page.until(page.labels)
    Select(page.one(".panel select")).select_by_visible_text("fashion_twin")
    page.until(lambda: page.one(".panel").get_attribute("aria-label") == "fashion_twin version 1" and page.labels())
    for tab in page.all("[role=tab]"):
        tab.click()
        assert "fashion_twin" in page.one("#snippet code").text
        assert tab.get_attribute("aria-selected") == "true"


def test_a_precision_can_be_chosen(page: Page) -> None:
    """Where a model answers in several: the other one answers at once, and the snippets name it."""
    page.drop("trousers.png", "image/png", trousers())
    page.until(page.labels)
    name, _, precision = page.all(".panel .choice select")
    assert not precision.is_displayed()
    Select(name).select_by_visible_text("thirds")
    page.until(lambda: "fp32" in page.one(".times").text and len(page.labels()) == 3)
    assert [option.text for option in Select(precision).options] == ["fp32", "int8"]
    Select(precision).select_by_visible_text("int8")
    page.until(lambda: "int8" in page.one(".times").text and page.labels())
    assert page.one(".panel").get_attribute("aria-label") == "thirds version 1, int8"
    for tab in page.all("[role=tab]"):
        tab.click()
        assert "int8" in page.one("#snippet code").text
    page.one(".card summary").click()
    page.until(lambda: "int8" in page.one(".card .facts").text)


def test_a_picture_comes_by_choice_camera_and_paste(page: Page, tmp_path: Path) -> None:
    """Each in its own way; a telephone opens the camera."""
    file = tmp_path / "chosen.png"
    file.write_bytes(trousers())
    page.one("#choose").send_keys(str(file))
    page.until(lambda: page.one("#shown").get_attribute("aria-label") == "chosen.png" and page.labels())
    photograph = page.one("#photograph")
    assert photograph.get_attribute("capture") == "environment"
    photograph.send_keys(str(file.rename(tmp_path / "taken.png")))
    page.until(lambda: page.one("#shown").get_attribute("aria-label") == "taken.png" and page.labels())
    page.browser.execute_script(PASTE, "pasted.png", "image/png", base64.b64encode(trousers()).decode())
    page.until(lambda: page.one("#shown").get_attribute("aria-label") == "pasted.png" and page.labels())
    assert len(page.all("#own-pictures button")) == 3
    pressed = [button.get_attribute("title") for button in page.all(".thumbnails [aria-pressed=true]")]
    assert pressed == ["pasted.png"]


def test_every_control_has_a_name_and_is_reached_by_keyboard(page: Page) -> None:
    """As a screen reader speaks it, in the order of the page."""
    page.all("#samples button")[1].click()
    page.until(page.labels)
    controls = [control for control in page.all("button, select, input, summary, a") if control.is_displayed()]
    assert [control.tag_name for control in controls if not control.accessible_name] == []
    page.one("body").click()
    reached: list[WebElement] = []
    for _ in range(len(controls) + 8):
        webdriver.ActionChains(page.browser).send_keys(Keys.TAB).perform()
        reached.append(page.browser.switch_to.active_element)
    tabs = set(page.all("[role=tab]")[1:])  # arrows go from tab to tab
    assert [control.accessible_name for control in controls if control not in reached and control not in tabs] == []


def test_two_models_look_at_one_picture_side_by_side(page: Page) -> None:
    """Both answer, next to each other, and one can be taken away again."""
    page.browser.set_window_size(1280, 900)
    page.all("#samples button")[3].click()
    page.until(page.labels)
    page.one("#compare").click()
    page.until(lambda: len(page.all(".panel")) == 2 and page.labels(1))
    left, right = page.all(".panel")
    assert [left.get_attribute("aria-label"), right.get_attribute("aria-label")] == [
        "fashion_cnn version 1",
        "fashion_twin version 1",
    ]
    assert left.location["y"] == right.location["y"]
    assert left.location["x"] < right.location["x"]
    assert page.labels(0) == page.labels(1)
    right.find_element(By.CSS_SELECTOR, ".remove").click()
    page.until(lambda: len(page.all(".panel")) == 1)


def test_the_heat_map_is_shown_on_demand(page: Page) -> None:
    """It is painted, its strength follows the slider, and another label has another map."""
    page.all("#samples button")[8].click()
    page.until(page.labels)
    page.one(".heat button").click()
    page.until(lambda: page.one(".heat-body").is_displayed())
    pixels = "const c = document.querySelector('.heat .map'); return c.toDataURL()"
    first = page.browser.execute_script(pixels)
    slider = page.one(".heat input[type=range]")
    slider.send_keys(Keys.HOME)
    page.until(lambda: page.one(".heat .map").value_of_css_property("opacity") == "0")
    Select(page.one(".heat select")).select_by_index(1)
    page.until(lambda: page.browser.execute_script(pixels) != first)


def test_the_card_tells_of_the_model(page: Page, playground: RunningService) -> None:
    """Accuracy, each label, and the whole digest."""
    page.one(".card summary").click()
    page.until(lambda: page.all(".card .confusion td"))
    assert len(page.all(".card table:first-of-type tbody tr")) >= 10
    assert len(page.one(".digest").text) == 64


def test_a_text_file_shows_an_error(browser: webdriver.Chrome, playground: RunningService) -> None:
    """The server's own sentence, in place of labels; the next picture is answered again."""
    page = Page(browser, playground.url)
    page.drop("notes.txt", "text/plain", b"This is no picture.")
    page.until(lambda: page.one(".panel .error").is_displayed())
    assert "not an image" in page.one(".panel .error").text
    assert page.labels() == []
    page.drop("trousers.png", "image/png", trousers())
    page.until(lambda: len(page.labels()) == 5)
    assert not page.one(".panel .error").is_displayed()
    (complaint,) = page.complaints()  # the browser itself notes every 400
    assert "400" in complaint


def test_the_live_strip_follows_the_metrics(page: Page) -> None:
    """Latency appears once something was asked."""
    page.all("#samples button")[0].click()
    page.until(lambda: "ms" in page.one("[data-live=p50]").text)
    assert float(page.one("[data-live=rate]").text) >= 0.0


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_nothing_runs_over_the_edge(page: Page, width: int, height: int) -> None:
    """At the width of a phone and of a desk, with two models, their heat maps and cards."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.all("#samples button")[1].click()
    page.until(page.labels)
    page.one("#compare").click()
    page.until(lambda: len(page.all(".panel")) == 2 and page.labels(1))
    for button in page.all(".heat > button"):
        button.click()
    page.until(lambda: all(body.is_displayed() for body in page.all(".heat-body")))
    for summary in page.all(".card summary"):
        summary.click()
    page.until(lambda: len(page.all(".digest")) == 2)
    page_width = page.browser.execute_script("return document.documentElement.scrollWidth")
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page_width <= width


def test_behind_a_token_the_page_works_and_its_snippets_bring_it(
    browser: webdriver.Chrome, tmp_path: Path, two_models: Path
) -> None:
    """The browser sends what it asked its user for; the token itself stands nowhere on the page."""
    tokens = write_tokens(tmp_path / "tokens.toml", TOKENS)
    password = base64.b64encode(f"anybody:{ALL}".encode()).decode()
    with running_service(two_models, "--tokens", str(tokens)) as service:
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": f"Basic {password}"}})
        try:
            page = Page(browser, service.url)
            page.all("#samples button")[1].click()
            page.until(page.labels)
            for tab in page.all("[role=tab]"):
                tab.click()
                assert "RECOGNITION_TOKEN" in page.one("#snippet code").text
            assert ALL not in browser.page_source
            assert page.complaints() == []
        finally:
            browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})


def test_the_snippets_run_as_they_are(page: Page, tmp_path: Path) -> None:
    """For the model and the precision that are chosen; grpcurl itself is seldom there."""
    name, _, precision = page.all(".panel .choice select")
    Select(name).select_by_visible_text("thirds")
    Select(precision).select_by_visible_text("int8")
    (tmp_path / "picture.png").write_bytes(trousers())
    triton = [str(TRITON)] if TRITON.exists() else []
    for tab, command in (("Python", [sys.executable]), ("tritonclient", triton), ("curl", ["bash"])):
        next(button for button in page.all("[role=tab]") if button.text == tab).click()
        if command:
            code = page.one("#snippet code").text
            done = subprocess.run(command, cwd=tmp_path, input=code, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "middle" in done.stdout

"""The playground's page in a browser: what is on it, and the ways to give it a picture."""

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS = 60
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TRANSFER = """
const [name, kind, text] = arguments;
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, {type: kind}));
"""
DROP = f"""{TRANSFER}
document.getElementById("stage").dispatchEvent(
  new DragEvent("drop", {{dataTransfer: transfer, bubbles: true, cancelable: true}}));
"""
PASTE = f"""{TRANSFER}
document.dispatchEvent(new ClipboardEvent("paste", {{clipboardData: transfer, bubbles: true}}));
"""


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser without a window, with an empty profile in that folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The page as a visitor sees it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self.complaints()
        browser.get(url)
        self.until(lambda: len(self.all("#samples button")) == 10)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> None:
        passing = (NoSuchElementException, StaleElementReferenceException)  # the page is drawing itself anew
        wait = WebDriverWait(self.browser, SECONDS, poll_frequency=0.05, ignored_exceptions=passing)
        wait.until(lambda _: condition())

    def labels(self, panel: int = 0) -> list[str]:
        """The ranked labels of a panel; none while it waits."""
        shown = self.all(".panel")[panel]
        if shown.get_attribute("aria-busy"):
            return []
        return [label.text for label in shown.find_elements(By.CSS_SELECTOR, ".bars .label")]

    def drop(self, name: str, kind: str, content: bytes) -> None:
        self.browser.execute_script(DROP, name, kind, base64.b64encode(content).decode())

    def _log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call] # selenium has no type for it
        return log

    def complaints(self) -> list[str]:
        """What the browser's console says beyond notes."""
        return [entry["message"] for entry in self._log() if entry["level"] != "INFO"]


def trousers() -> bytes:
    """Bright trousers on black, drawn large."""
    picture = Image.new("L", (280, 280))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(95, 15), (185, 15), (200, 265), (150, 265), (140, 90), (130, 265), (80, 265)], fill=210)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()

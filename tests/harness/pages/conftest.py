"""A headless Chromium that remembers every request and every complaint, and runs of the tiny world to report on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.pages.evidence import Evidence, read_evidence

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)

QUICK = {"adapt.image": None, "fit.epochs": 2}  # what is predicted matters little here

READ = "return location.href === arguments[0] && document.readyState === 'complete'"


class Browser:
    """One window."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int = 1280) -> None:
        """Open a file from disk on a screen of this many CSS pixels.

        What was logged before, the browser's own first page too, is forgotten.
        """
        from selenium.webdriver.support.wait import WebDriverWait

        self.driver.get("about:blank")
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(path.resolve().as_uri())
        # on a busy machine `get` was seen to come back from a page half read
        WebDriverWait(self.driver, 60).until(lambda driver: driver.execute_script(READ, path.resolve().as_uri()))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """The text of every element that is shown."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
            ".map(e => e.textContent.trim())",
            selector,
        )

    def choose(self, name: str, value: str) -> None:
        """Set a filter of the board."""
        self.run(
            "const one = document.querySelector(`select[name=${arguments[0]}]`); one.value = arguments[1];"
            "one.dispatchEvent(new Event('change'))",
            name,
            value,
        )

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def complaints(self) -> list[str]:
        """Errors and warnings on the console since `open`."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> set[str]:
        """Addresses asked for since `open`, inline data aside."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
        return {url for url in asked if not url.startswith("data:")}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Skipped where Chromium or its driver is not installed."""
    binary, service = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not service:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(service))
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def evidence(tiny: Any) -> Callable[..., Evidence]:
    """`evidence(task, split)`: a run of the tiny world, read back; `**words` go to `read_evidence`."""

    def make(task: str = "colour", split: str = "official", **words: Any) -> Evidence:
        world = tiny(task)
        row, *_ = world.rows(splits="folds" if split.startswith("folds-") else split, sets=QUICK)
        (folder,) = (world.folder / "runs" / task).glob(f"*/{row['run']}")
        return read_evidence(folder, split, **{"plugins": world.plugins, "data": {"tiny": str(world.root)}, **words})

    return make

# SPDX-License-Identifier: GPL-2.0
"""The page of `dewarp tune` in Chromium, used with a mouse, a finger and a keyboard.

usage: tune.py DEWARP SCREENSHOTS [PART-OF-A-NAME]

Prints `ok NAME` or `FAIL NAME: WHY` for each test, and leaves a screenshot of each in the directory.
"""

import functools
import os
import shlex
import subprocess
import sys
import tempfile

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from verdict import Wrong, ensure, judge

PICTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tests/pictures")
PHOTO = os.path.join(PICTURES, "photo.jpg")
CALIBRATION = os.path.join(PICTURES, "left_intrinsics.yml")
DESKTOP, PHONE, ON_ITS_SIDE = (1280, 800), (390, 844), (844, 390)
# Seconds in which the page has done what it was asked for, on a busy machine.
PATIENCE = 30
# The smallest side of what a finger hits, in CSS pixels: the page's own measure.
FINGER = 40


class Page:
    """The page, in a browser window, and the program behind it, in an empty directory."""

    def __init__(self, dewarp, size, words):
        self.dewarp = os.path.abspath(dewarp)
        self.folder = tempfile.TemporaryDirectory()
        self.program = subprocess.Popen(
            [self.dewarp, "tune", "--port", "0", *words], stdout=subprocess.PIPE, text=True, cwd=self.folder.name
        )
        url = self.program.stdout.readline().strip()
        options = webdriver.ChromeOptions()
        # There is no user but root, and no screen.
        for word in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
            options.add_argument(word)
        self.browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        is_phone = size != DESKTOP
        width, height = size
        measures = {"width": width, "height": height, "deviceScaleFactor": 2 if is_phone else 1, "mobile": is_phone}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", measures)
        self.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": is_phone})
        self.browser.get(url)
        self.until("there is no picture", lambda: self.find("#picture").get_attribute("data-state"))
        self.settled()

    def close(self):
        self.browser.quit()
        self.program.kill()
        self.program.wait()
        self.folder.cleanup()

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, why, holds):
        try:
            return WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: holds())
        except TimeoutException:
            raise Wrong(why) from None

    def settled(self):
        """Waits until picture and command line are those of the newest options."""
        done = "return $('picture').dataset.state == wanted && !checking && !flying"
        self.until("the picture does not follow the sliders", lambda: self.run(done))

    def pixels(self):
        return self.run("return $('picture').toDataURL()")

    def command(self):
        return shlex.split(self.find("#command").get_property("value"))

    def drag(self, element, right, down=0):
        self.run("arguments[0].scrollIntoView({block: 'end'})", element)
        ActionChains(self.browser).drag_and_drop_by_offset(element, right, down).perform()

    def type(self, selector, text):
        field = self.find(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def save(self, what, name):
        """Saves under this name, by the mouse, and returns what was written."""
        form = self.find(f"[data-save={what}]")
        self.type(f"[data-save={what}] input", name)
        form.find_element(By.TAG_NAME, "button").click()
        said = self.until("it does not say that it saved", lambda: self.find("#saved").text)
        ensure(said.startswith(f"{name} is saved."), f"it says: {said}")
        return self.read(name)

    def read(self, name):
        with open(os.path.join(self.folder.name, name), "rb") as file:
            return file.read()

    def typed(self, words):
        """What a command line leaves in the file that it names last."""
        ensure(words[0] == "dewarp", f"the command is {words}")
        words = [self.dewarp, *words[1:-1], "typed"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder.name)
        ensure(done.returncode == 0, f"the command fails: {done.stderr}")
        return self.read("typed")


def slider(page):
    """A slider that the mouse moves changes the number beside it, the picture and the command line."""
    before = page.pixels(), page.command()
    ensure(f"--calibration={CALIBRATION}" in before[1], f"the command is {before[1]}")
    first = float(page.find("#radial-0-number").get_property("value"))
    page.drag(page.find("#radial-0"), 40)
    page.settled()
    number = float(page.find("#radial-0-number").get_property("value"))
    ensure(number > first + 0.05, f"k1 was {first} and is {number}")
    radial = [word for word in page.command() if word.startswith("--radial=")]
    ensure(radial and float(radial[0].split("=")[1].split(",")[0]) == number, f"the command is {page.command()}")
    ensure(page.pixels() != before[0], "the picture stays")
    page.find("#reset-lens").click()
    page.settled()
    ensure((page.pixels(), page.command()) == before, "the button does not bring the start back")


def number(page):
    """A number that is typed moves the slider, and keeps all its digits in the command line."""
    page.type("#focal-0-number", "512.34567")
    page.settled()
    focal = [word for word in page.command() if word.startswith("--focal=")]
    ensure(focal and focal[0].startswith("--focal=512.34567,"), f"the command is {page.command()}")
    ensure(abs(float(page.find("#focal-0").get_property("value")) - 512.3) < 0.11, "the slider stays")


def shows(page):
    """The three buttons show the straight picture, the source and the scale."""
    straight = page.pixels()
    seen = {straight}
    for name in ["source", "scale"]:
        page.find(f"[data-show={name}]").click()
        page.settled()
        ensure(page.find(f"[data-show={name}]").get_attribute("aria-pressed") == "true", f"{name} is not pressed")
        ensure(page.find("#key").is_displayed() == (name == "scale"), f"{name}: the key of the colours")
        seen.add(page.pixels())
    ensure(len(seen) == 3, "two of the three are the same")
    page.find("[data-show=dewarped]").click()
    page.settled()
    ensure(page.pixels() == straight, "the straight picture is another one now")


def saved_map(page):
    """The map that is saved is the one that the shown command makes."""
    page.drag(page.find("#radial-1"), 25)
    page.drag(page.find("#pan"), 12)
    page.settled()
    command = page.command()
    ensure(any(word.startswith("--pan=") for word in command), f"the command is {command}")
    saved = page.save("map", "by-hand.bin")
    ensure(len(saved) > 1000 and saved == page.typed(command), "the maps differ")


def saved_calibration(page):
    """The calibration that is saved has the lens that the sliders show."""
    page.drag(page.find("#radial-0"), 30)
    page.settled()
    by_numbers = page.typed(page.command())
    page.save("calibration", "mine.yml")
    by_file = page.typed(["dewarp", "map", "lens", "--size=640x480", "--calibration=mine.yml", "-o", "map.bin"])
    ensure(by_file == by_numbers, "the map of the file differs from that of the numbers")


def saved_section(page):
    """The section for libcamera that is saved is the one that the export prints."""
    saved = page.save("libcamera", "tuning.yaml")
    ensure(b"Dewarp" in saved, f"it has {saved[:200]}")
    words = [page.dewarp, "export", "libcamera", "--calibration", CALIBRATION]
    done = subprocess.run(words, capture_output=True, cwd=page.folder.name)
    lines = lambda text: [line for line in text.splitlines() if not line.lstrip().startswith(b"#")]
    ensure(lines(saved) == lines(done.stdout), f"the export prints {done.stdout[:300]}")


def bad_number(page):
    """A number that cannot be is told with its name, and the page goes on."""
    page.type("#focal-0-number", "0")
    told = page.until("nothing is told", lambda: page.find("#error").text)
    ensure("focal" in told and "0" in told, f"it says: {told}")
    page.type("#focal-0-number", "500")
    page.until("the error stays", lambda: not page.find("#error").is_displayed())
    page.settled()


def bad_name(page):
    """A file of another name is told and not written, nor one in another directory."""
    for name in ["map.png", "../map.bin", ".bin", "a/b.bin"]:
        page.run("$('saved').textContent = ''")
        page.type("[data-save=map] input", name)
        page.find("[data-save=map] button").click()
        told = page.until(f"{name}: nothing is told", lambda: page.find("#saved").text)
        ensure("is saved" not in told, f"{name}: {told}")
    ensure(os.listdir(page.folder.name) == [], f"it wrote {os.listdir(page.folder.name)}")


def guide(page):
    """A guide follows the mouse and the arrow keys, and stays in the picture."""
    page.find("#add").click()
    places = lambda: page.run("const line = $('guides').querySelector('line'); return ['x1', 'y1', 'x2', 'y2']"
                              ".map((name) => parseFloat(line.getAttribute(name)))")
    first = places()
    box = page.find("#picture").rect
    end = page.browser.find_elements(By.CSS_SELECTOR, ".handle")[1]
    page.drag(end, -100, 60)
    moved = places()
    right = [first[0], first[1], first[2] - 100 / box["width"] * 100, first[3] + 60 / box["height"] * 100]
    ensure(max(abs(a - b) for a, b in zip(moved, right)) < 0.5, f"the guide is at {moved} and not {right}")
    end.send_keys(Keys.ARROW_UP * 4)
    ensure(abs(places()[3] - (right[3] - 1)) < 0.5, f"the arrow keys leave it at {places()}")
    corner = [side - 10 for side in DESKTOP]
    page.drag(end, *(int(far - near - 22) for far, near in zip(corner, (end.rect["x"], end.rect["y"]))))
    ensure(max(places()) <= 100, f"it leaves the picture: {places()}")
    page.find("#clear").click()
    ensure(not page.browser.find_elements(By.CSS_SELECTOR, "line"), "it stays")


def model(page):
    """Another model has its own numbers, and its own option."""
    page.find("#model [value=fisheye]").click()
    page.settled()
    ensure(any(word.startswith("--fisheye=") for word in page.command()), f"the command is {page.command()}")
    ensure(len(page.browser.find_elements(By.CSS_SELECTOR, "[id^=fisheye-][type=range]")) == 4, "its sliders")


def fits(page, size):
    """Nothing is wider than its place, a finger hits every button and field, and the picture is in sight
    beside every slider."""
    wide = page.run(
        "return [document.scrollingElement, ...document.querySelectorAll('section, details')]"
        ".filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.id || it.textContent.trim())"
    )
    ensure(not wide, f"wider than its place: {wide}")
    small = page.run(
        "const height = (it) => it.getBoundingClientRect().height;"
        "return [...document.querySelectorAll('button, select, input, summary, textarea')]"
        ".filter((it) => it.checkVisibility())"
        f".filter((it) => Math.max(height(it), height(it.closest('.slider, .row') || it)) < {FINGER})"
        ".map((it) => it.id || it.textContent)"
    )
    ensure(not small, f"too small to hit: {small}")
    for name in ["radial-5", "roll"]:
        page.run("arguments[0].scrollIntoView({block: 'center'})", page.find(f"#{name}"))
        box = "const box = document.getElementById(arguments[0]).getBoundingClientRect();"
        box += "return [box.left, box.top, box.right, box.bottom]"
        left, top, right, bottom = page.run(box, "picture")
        ensure(left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1], f"{name}: the picture is not in sight")
        place = page.run(box, name)
        ensure(place[0] >= right or place[1] >= bottom, f"the picture covers {name}")


def finger(page):
    """A finger moves a slider."""
    before = page.pixels()
    knob = page.find("#radial-0")
    page.run("arguments[0].scrollIntoView({block: 'end'})", knob)
    left, top, wide, high = page.run(
        "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top, box.width, box.height]", knob
    )
    actions = ActionBuilder(page.browser, mouse=PointerInput("touch", "finger"))
    touch = actions.pointer_action
    # k1 is 0, in the middle.
    touch.move_to_location(int(left + wide / 2), int(top + high / 2)).pointer_down()
    touch.move_to_location(int(left + wide * 0.4), int(top + high / 2)).pointer_up()
    actions.perform()
    page.settled()
    ensure(page.pixels() != before, "the picture stays")


FILE = ["--calibration", CALIBRATION, PHOTO]
TESTS = [
    ("the mouse moves a slider, and picture and command follow", slider, DESKTOP, FILE),
    ("a typed number keeps its digits", number, DESKTOP, FILE),
    ("straight, source and scale are shown", shows, DESKTOP, FILE),
    ("the saved map is the one of the command", saved_map, DESKTOP, FILE),
    ("the saved calibration is the lens of the sliders", saved_calibration, DESKTOP, [PHOTO]),
    ("the saved libcamera section is the exported one", saved_section, DESKTOP, FILE),
    ("a number that cannot be is told", bad_number, DESKTOP, [PHOTO]),
    ("a name that cannot be is told and nothing written", bad_name, DESKTOP, [PHOTO]),
    ("a guide follows mouse and keyboard", guide, DESKTOP, [PHOTO]),
    ("another model has its own sliders", model, DESKTOP, [PHOTO]),
    ("the page fits a desktop", lambda page: fits(page, DESKTOP), DESKTOP, FILE),
    ("the page fits a phone", lambda page: fits(page, PHONE), PHONE, FILE),
    ("the page fits a phone on its side", lambda page: fits(page, ON_ITS_SIDE), ON_ITS_SIDE, FILE),
    ("a finger moves a slider", finger, PHONE, [PHOTO]),
]


def run(dewarp, screenshots, name, test, size, words):
    try:
        page = Page(dewarp, size, words)
        try:
            test(page)
        finally:
            page.browser.save_screenshot(os.path.join(screenshots, f"{name}.png"))
            page.close()
    except WebDriverException as why:
        raise Wrong(f"the browser: {why.msg}") from None


def main():
    dewarp, screenshots = sys.argv[1:3]
    part = "".join(sys.argv[3:])
    os.makedirs(screenshots, exist_ok=True)
    for name, *rest in TESTS:
        name = f"dewarp tune, {name}"
        if part in name:
            judge(name, functools.partial(run, dewarp, screenshots, name, *rest))


main()

"""JupyterLab in a real browser: started by `make lab`, used by menu and by keyboard (`make browser-test`).

It takes minutes and needs Chromium, so `make test` leaves it out. The pictures in `build/browser/` are there to be
looked at: 1280 and 800 pixels wide, light and dark.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from nbformat.v4 import new_code_cell
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from smoke_notebooks import prepare

from autorefine_lib import provenance
from autorefine_lib.reproduce import NOTEBOOKS

FOLDER = provenance.ROOT / "build/browser"
COPIES = FOLDER / "notebooks"
# In this order: a numbered notebook reads what those before it wrote. 04 has a test of its own.
STEMS = [*sorted(path.stem for path in NOTEBOOKS.glob("0[0-3]*.ipynb")), "my_data"]
LATER = sorted(path.stem for path in NOTEBOOKS.glob("[01][0-9]*.ipynb") if path.stem[:2] > "04")
EXERCISES = [f"exercises/{path.stem}" for path in sorted((NOTEBOOKS / "exercises").glob("*.ipynb"))]
PPO = "04_ppo_finetuning"
# 150 words, none of them those of the sample ad.
AD = """Nurse at Riverside Clinic

We are a dynamic team of 12 people, and we care for patients after surgery.
You lead the night shift and make strong decisions under pressure.
You support the families of our patients and answer their questions with patience.
You work closely with the doctors and plan the next day together.
You keep the records of the ward and check the stock of medicines twice a week.

Requirements:
- You have at least 3 years of experience in a hospital.
- Excel, SAP
- You stay calm when several things happen at once, and you set priorities.
- You speak with everybody in a friendly and open way.

We offer a competitive salary, 30 days of paid leave and a place in our kindergarten.
You can choose your shifts four weeks ahead. We help you to find a flat in the city.
<b>We are an equal opportunity employer</b> and welcome all applicants.
Send your application to jobs@riverside.example.
"""
WIDTHS = (1280, 800)
PATIENCE = 900  # seconds for a notebook; the slowest takes 40 on two idle cores
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"]'  # warnings and tracebacks look the same to JupyterLab
expect.set_options(timeout=60_000)
# No question about news, which would need a network; and all cells in the page, so that none escapes the test.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: that of the system, or the one that playwright has installed."""
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.exit("no Chromium: run `.venv/bin/playwright install --with-deps chromium`", returncode=2)
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address():
    """A function from a notebook to its address in a JupyterLab on the loopback, which works on copies."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    prepare(COPIES)
    shutil.copytree(NOTEBOOKS / "exercises", COPIES / "exercises")
    figures = "reports/embedded/figures"  # which notebooks show beside their own
    shutil.copytree(provenance.ROOT / figures, FOLDER / figures)
    for name, values in SETTINGS.items():
        path = FOLDER / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    words = f"--no-browser --ip=127.0.0.1 --port={port} --port-retries=0 --IdentityProvider.token={token}"
    words += " --allow-root" * (os.geteuid() == 0)
    places = {f"JUPYTERLAB_{name.upper()}_DIR": str(FOLDER / name) for name in ("settings", "workspaces")}
    with (FOLDER / "lab.log").open("w") as log:
        folder = COPIES.relative_to(provenance.ROOT)
        command = ["make", "lab", f"NOTEBOOKS={folder}", f"ARGS={words}"]
        lab = subprocess.Popen(
            command, cwd=provenance.ROOT, env=os.environ | places, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token={token}", lab)
            yield lambda path: f"http://127.0.0.1:{port}/{path.replace('tree/', f'tree/{folder}/')}?token={token}"
        finally:
            os.killpg(lab.pid, signal.SIGTERM)  # JupyterLab ends its kernels
            lab.wait(60)


def wait_for(url: str, server: subprocess.Popen, seconds: int = 180) -> None:
    for _ in range(seconds):
        assert server.poll() is None, f"JupyterLab has ended: see {FOLDER}/lab.log"
        try:
            return urlopen(url).close()
        except URLError:
            time.sleep(1)
    raise AssertionError(f"JupyterLab does not answer after {seconds} s: see {FOLDER}/lab.log")


@pytest.fixture
def page(browser: Browser, address):
    """A page of its own, whose kernel ends with it."""
    with browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        context.set_default_timeout(60_000)
        page = context.new_page()
        yield page
        for session in context.request.get(address("api/sessions")).json():
            context.request.delete(address(f"api/sessions/{session['id']}"))


def choose(page: Page, *names: str) -> None:
    """Choose from the menu bar."""
    page.get_by_role("menuitem", name=names[0], exact=True).click()
    for number, name in enumerate(names[1:]):
        menu = page.locator(".lm-Menu").nth(number)
        menu.locator(".lm-Menu-item").filter(has=page.get_by_text(name, exact=True)).click()


def open_notebook(page: Page, url: str) -> Locator:
    """Open a notebook and wait for its kernel; returns the prompts of its code cells."""
    page.goto(f"{url}&reset")  # without the notebooks of the last test, whose kernel may be idle
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    expect(prompts.first).to_be_visible()
    wait_until_idle(page)
    return prompts


def run_all(page: Page, url: str) -> None:
    """Open a notebook, run it from the menu, wait for its last cell, and look for errors."""
    prompts = open_notebook(page, url)
    choose(page, "Run", "Run All Cells")
    expect(prompts.filter(has_text="[*]").first).to_be_visible()
    expect(prompts.filter(has_text="[*]")).to_have_count(0, timeout=PATIENCE * 1000)
    wait_until_idle(page)
    check_outputs(page)
    assert not [text for text in prompts.all_inner_texts() if not re.search(r"\[\d+\]", text)], "cells that did not run"


def wait_until_idle(page: Page) -> None:
    """Wait until the kernel is there and has nothing to do; the toolbar says idle before it is there."""
    expect(page.get_by_role("button", name=re.compile(r"\| Idle$"))).to_be_visible(timeout=PATIENCE * 1000)


def check_outputs(page: Page) -> None:
    """No cell shows a traceback, no widget fails to appear, and every picture is found."""
    errors = page.locator(ERRORS).filter(has_text=re.compile(r"Traceback \(most recent|^\s*\w*Error\b"))
    assert not errors.all_inner_texts()
    expect(page.get_by_text(re.compile("Error displaying widget|Failed to load model|Loading widget"))).to_have_count(0)
    pictures = page.locator(".jp-Notebook img")
    assert not pictures.evaluate_all("all => all.filter(one => !one.naturalWidth).map(one => one.src)")


def photograph(page: Page, name: str, selector: str, height: int = 1000) -> None:
    """Take the pictures of a notebook with the first match of `selector` at the top."""
    for theme in ("Light", "Dark"):
        choose(page, "Settings", "Theme", f"JupyterLab {theme}")
        expect(page.locator(f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]')).to_be_attached()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(1000)  # until everything has its new size
            page.locator(selector).first.evaluate("found => found.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(500)
            page.screenshot(path=FOLDER / f"{name.replace('/', '-')}-{width}-{theme.lower()}.png")
        page.set_viewport_size({"width": WIDTHS[0], "height": 1000})


def run_and_photograph(page: Page, stem: str, address) -> None:
    run_all(page, address(f"lab/tree/{stem}.ipynb"))
    figures = page.locator(".jp-RenderedImage").count()
    photograph(page, stem, ".jp-RenderedImage" if figures else ".jp-OutputArea-output")


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_runs_from_the_menu(stem: str, page: Page, address):
    run_and_photograph(page, stem, address)


def wait_for_step(page: Page, above: int) -> int:
    """Wait until the training has logged a step after `above` and its curves are there; returns the last step."""
    for _ in range(PATIENCE):
        logs = list(COPIES.glob("run/artefacts/ppo/*/log.csv"))
        step = max((len(path.read_text().splitlines()) - 1 for path in logs), default=0)
        if step > above:
            expect(page.locator(".jp-CodeCell", has_text="log = pd.concat").locator("img").first).to_be_visible()
            return step
        page.wait_for_timeout(1000)
    raise AssertionError(f"no step after {above} in {PATIENCE} s")


def stop(page: Page) -> int:
    """Press ■, and wait for the line that says where the state is; returns the step after which it stopped."""
    page.get_by_role("button", name=re.compile("Interrupt the kernel")).click()
    error = page.locator(ERRORS, has_text=re.compile(r"^\s*stopped after step \d+: run it again"))
    expect(error).to_be_visible(timeout=PATIENCE * 1000)
    wait_until_idle(page)
    step, path = re.search(r"step (\d+): run it again to go on from (\S+)", error.inner_text()).groups()
    assert (provenance.ROOT / path / "weights.safetensors").is_file()
    assert len((provenance.ROOT / path).with_name("log.csv").read_text().splitlines()) == 1 + int(step)
    return int(step)


def test_a_stopped_training_keeps_its_state(page: Page, address):
    """Before the test of the whole notebook, which clears what is left here and reads the same cache."""
    notebook = json.loads((COPIES / f"{PPO}.ipynb").read_text())
    notebook["cells"].insert(3, new_code_cell("steps, warm_start = 99, False"))
    (COPIES / "stopped.ipynb").write_text(json.dumps(notebook))
    open_notebook(page, address("lab/tree/stopped.ipynb"))
    choose(page, "Run", "Run All Cells")
    began = wait_for_step(page, 0)
    stopped = stop(page)
    assert began <= stopped < 99
    photograph(page, "stopped", f'{ERRORS}:has-text("run it again")')
    page.locator(".jp-Notebook .jp-CodeCell", has_text="log = pd.concat").locator(".jp-InputArea-editor").click()
    choose(page, "Run", "Run Selected Cell")
    wait_for_step(page, stopped)
    assert stop(page) > stopped, "it goes on where it stopped"


def test_rewrites_and_stages_are_looked_through_by_keyboard(page: Page, address):
    run_and_photograph(page, PPO, address)
    for label, key, name in (("Rewrites", "ArrowDown", "rewrites"), ("After", "ArrowLeft", "stages")):
        control = page.get_by_label(label).last if label == "Rewrites" else page.get_by_role("slider").last
        control.focus()
        page.keyboard.press(key)
        photograph(page, f"{PPO}-{name}", ".widget-vbox" + ":has([role=slider])" * (name == "stages"))
    check_outputs(page)


@pytest.mark.parametrize("stem", [*LATER, *EXERCISES])
def test_a_later_notebook_runs_from_the_menu(stem: str, page: Page, address):
    run_and_photograph(page, stem, address)


def test_the_playground_is_used_by_keyboard(page: Page, address):
    run_all(page, address("lab/tree/playground.ipynb"))
    answer, said = page.locator(".playground"), page.locator(".jupyter-widgets p[role=status]")
    expect(answer).to_have_count(1)
    photograph(page, "playground", ".widget-vbox", 3000)
    page.get_by_label("Job ad").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(AD)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Rewrite", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_have_text(re.compile("^Sampled"), timeout=PATIENCE * 1000)
    expect(answer.locator(".ad")).to_contain_text("<b>We are an equal opportunity employer</b>")
    seconds = [said.inner_text()]
    page.keyboard.press("Tab")
    expect(page.get_by_label("Qualified are")).to_be_focused()
    for name, keys, shown in (("k", ["ArrowLeft"], "The 19 selected"), ("weight", ["ArrowRight"], "−0.3")):
        page.keyboard.press("Tab")
        for key in keys:
            page.keyboard.press(key)
        expect(answer).to_contain_text(shown)
        expect(said).to_have_text(re.compile("^Answered"))
        seconds.append(f"{name}: {said.inner_text()}")
        page.keyboard.press("Tab")
    page.get_by_label("Qualified are").select_option("not known")
    expect(answer).to_contain_text("quality is not measured")
    check_outputs(page)
    print("\n".join(seconds))
    photograph(page, "playground-used", ".widget-vbox", 3000)

"""How long the page takes on a study of many trials, what a tab weighs after a while, and what watchers cost a training."""

from __future__ import annotations

import queue
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from benchmarks import filled_study
from benchmarks.options import Options
from benchmarks.problems import digits_mlp
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import serving, timed_study
from steelyard.database_location import database_url_in
from storage.database import Database

NAME, GROWING = "many", "growing"
FIRST_SECONDS = 5.0
"""How long a new browser is left alone before it is asked how long the page took."""

INTERPRETED = "--no-opt --no-maglev --no-sparkplug"
"""Flags of V8 under which it keeps no machine code: what it compiles of plotly.js in an hour of looks is 3 MiB, and no leak."""

HEAP_SECONDS = 15.0
"""Between two looks at the heap: a trial more each time."""
READY = "body[data-ready]"
QUIET = ("--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
WATCHERS = 50
MEBIBYTE = 1024 * 1024


def table(options: Options) -> Table:
    """Open a study of `--trials` trials; with `--minutes`, keep a tab open on one that grows to as many, and weigh its heap."""
    trials = 500 if options.quick else options.trials
    runs = options.runs_or(5)
    with serving(digits_mlp(quick=True), 0) as service, _browsers() as (browser, interpreted), httpx.Client(timeout=60) as rest:
        client = service.client
        client.submit(filled_study.definition(NAME, trials))
        database = Database(database_url_in(str(service.folder)))
        filled_study.fill(database, NAME, trials)
        page = browser.new_page()
        views: dict[str, Callable[[], float]] = {
            "study view in a new browser": lambda: _first_opened(browser, client.page(NAME)),
            "study view": lambda: _opened(page, client.page(NAME)),
            "a page of its trials (REST)": lambda: _asked(
                rest, f"{client.base_url}/v1/studies/{NAME}/trials?view=table&page_size=25&order_by=-objective"
            ),
            "points to draw (REST)": lambda: _asked(rest, f"{client.base_url}/v1/studies/{NAME}/points?most=800"),
            "list of studies": lambda: _opened(page, client.page()),
        }
        lines = [_line(name, [view() for _ in range(runs)]) for name, view in views.items()]
        memory = service.process.memory_info().rss / MEBIBYTE
        ratios = [Ratio("service", memory, f"the API process has {memory:.0f} MiB resident")]
        if options.minutes:
            looks = _looks(options.minutes)
            client.submit(filled_study.definition(GROWING, trials + looks))
            filled_study.grow(database, GROWING, trials)
            page.close()
            page = interpreted.new_page()
            _opened(page, client.page(GROWING))
            ratios.append(_heap(page, options.minutes, lambda look: filled_study.grow(database, GROWING, 1, look + 1)))
        database.close()
    caption = f"A study of {trials:,} complete trials, Chromium without a GPU; seconds until what is in view is drawn."
    return Table("page", caption, ("view", "seconds of each run", "median"), tuple(lines), tuple(ratios))


def _line(name: str, seconds: Sequence[float]) -> tuple[str, ...]:
    return name, " ".join(f"{each:.2f}" for each in seconds), f"{statistics.median(seconds):.2f}"


def _opened(page: Any, address: str) -> float:
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(READY, timeout=120_000)
    return time.perf_counter() - began


def _first_opened(browser: Any, address: str) -> float:
    """Open a page in another browser, whose profile is empty, and return what the page itself says that it took.

    Nothing is attached to it meanwhile: under a debugger V8 looks up source positions in all of plotly.js, which takes 0.5 s.
    """
    with tempfile.TemporaryDirectory(prefix="steelyard-bench-", ignore_cleanup_errors=True) as profile:  # its helpers end later
        command = [executable(), *QUIET, "--remote-debugging-port=0", f"--user-data-dir={profile}", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(FIRST_SECONDS)
            port = (Path(profile) / "DevToolsActivePort").read_text().splitlines()[0]
            attached = browser.browser_type.connect_over_cdp(f"http://127.0.0.1:{port}")
            page = attached.contexts[0].pages[0]
            page.wait_for_selector(READY, timeout=120_000)
            took = float(page.evaluate("performance.getEntriesByName('ready')[0].startTime"))
            attached.close()
            return took / 1000
        finally:
            process.terminate()
            process.wait()


def _asked(client: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    client.get(address).raise_for_status()
    return time.perf_counter() - began


@contextmanager
def _browsers() -> Iterator[tuple[Any, Any]]:
    """Run two browsers for the length of a block: one as it is, and one that compiles nothing to machine code."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("the benchmark page needs a browser's driver: pip install -e '.[test-heavy]'") from None
    with sync_playwright() as playwright:
        start = playwright.chromium.launch
        browsers = [start(executable_path=executable(), args=[*QUIET, *more]) for more in ([], [f"--js-flags={INTERPRETED}"])]
        yield browsers[0], browsers[1]
        for each in browsers:
            each.close()


def executable() -> str:
    """Return the path of the system's Chromium. Raises SystemExit where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    return found


def _looks(minutes: float) -> int:
    """Return how often the heap is weighed: at least 12 times."""
    return max(int(60 * minutes / HEAP_SECONDS), 12)


def _heap(page: Any, minutes: float, change: Callable[[int], None]) -> Ratio:
    """Return the growth of the tab's heap after collection: the mean of the last sixth of the time by that of the first.

    All figures are drawn, and `change` adds a trial before each look: the page reads and draws everything anew.
    """
    session = page.context.new_cdp_session(page)
    for figure in page.query_selector_all("figure:visible"):
        figure.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
    looks = _looks(minutes)
    samples: list[float] = []
    for look in range(looks):
        change(look)
        page.wait_for_timeout(60_000 * minutes / looks)
        session.send("HeapProfiler.collectGarbage")
        samples.append(session.send("Runtime.getHeapUsage")["usedSize"] / MEBIBYTE)
    part = max(len(samples) // 6, 1)
    first, last = statistics.fmean(samples[:part]), statistics.fmean(samples[-part:])
    return Ratio(
        "heap",
        last / first,
        f"heap of the tab after collection: {first:.1f} MiB at first, {last:.1f} MiB after {minutes:g} minutes in which "
        f"{looks} trials were added; it shows {page.locator('.standing').inner_text().strip()}",
    )


def watchers(options: Options) -> Table:
    """Time the same study with nobody and with many streams watching, in turn."""
    runs = options.runs_or(7)
    problem = digits_mlp(quick=options.quick)
    rows: dict[str, list[float]] = {"nobody watches": [], f"{WATCHERS} streams": []}
    with serving(problem, 1) as service:
        timed_study(service, problem.definition(sampler="random", seed=1000))  # traces
        for run in range(runs):
            for count, seconds in zip((0, WATCHERS), rows.values(), strict=True):
                with _watching(service.client.base_url, count):
                    seconds.append(timed_study(service, problem.definition(sampler="random", seed=2 * run + bool(count))).seconds)
    alone, watched = (statistics.median(each) for each in rows.values())
    text = f"watched by {WATCHERS} streams a study takes {watched / alone:.3f}x its time"
    lines = tuple(_line(name, seconds) for name, seconds in rows.items())
    caption = "Digits under two hidden layers, random search, one warm worker; streams of /v1/events, in turn."
    return Table(
        "watchers", caption, ("", "seconds of each run", "median"), lines, (Ratio("watched / alone", watched / alone, text),)
    )


@contextmanager
def _watching(url: str, count: int) -> Iterator[None]:
    """Hold so many streams open for the length of a block, which begins when all of them are.

    They share a client: each of its own would read certificates, in the time that is measured.
    """
    opened: queue.Queue[socket.socket] = queue.Queue()
    with httpx.Client(base_url=url, timeout=60, trust_env=False, limits=httpx.Limits(max_connections=count + 1)) as client:
        threads = [threading.Thread(target=_stream, args=(client, opened)) for _ in range(count)]
        for thread in threads:
            thread.start()
        sockets = [opened.get(timeout=60) for _ in threads]
        try:
            yield
        finally:
            for each in sockets:
                each.shutdown(socket.SHUT_RDWR)  # its reader wakes up, and the service sees it go
            for thread in threads:
                thread.join()


def _stream(client: httpx.Client, opened: queue.Queue[socket.socket]) -> None:
    with suppress(httpx.HTTPError), client.stream("GET", "/v1/events") as response:
        opened.put(response.extensions["network_stream"].get_extra_info("socket"))
        for _ in response.iter_bytes():
            pass

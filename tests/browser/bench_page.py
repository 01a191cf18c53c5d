"""Checks the page of `sgascope bench` in a real Chromium against its JSON document.

usage: bench_page.py DOCUMENT PAGE SCREENSHOTS

Says what it checked; ends with 1 at the first thing that is wrong.
"""

import json
import os
import sys

from chromium import Chromium, Failed

ROWS = "[...document.querySelectorAll('table[data-name=%s] tbody tr')].map((r) => [...r.cells].map((c) => c.textContent.trim()))"


def check(condition, what):
    if not condition:
        raise Failed(what)


def number(text):
    return int(text.replace(",", ""))


def compare(page, document):
    sides = [(step, who, side) for step in document["steps"]
             for who, side in (("sgascope", step["sampler"]), ("SQL", step["sql"])) if side]
    rows = page.run(ROWS % "steps")
    check(len(rows) == len(sides), f"{len(rows)} rows for {len(sides)} sides")
    for (step, who, side), cells in zip(sides, rows):
        check(cells[0].startswith(f"{step['rate_hz']:g} Hz") and cells[1] == who, f"{cells} isn't of {who} at {step['rate_hz']}")
        check(("busy" in cells[0]) == step["saturated"], f"load of {cells}")
        check([number(cells[2]), number(cells[3])] == [side["taken"], side["missed"]], f"{cells} isn't {side}")
        check(abs(float(cells[4]) - side["latency_us"]["p50"] / 1000) < 0.00051, f"p50 of {cells}")
        check(abs(float(cells[8]) - side["cpu_percent"]) < 0.0051, f"CPU of {cells}")
    for (step, who, side), cells in zip(sides, page.run(ROWS % "efficiency")):
        check(number(cells[2]) == round(side["sweeps_per_cpu_second"]), f"{cells} isn't {side['sweeps_per_cpu_second']}")
        ratio = step["sweeps_per_cpu_second_vs_sql"]
        check((cells[3] == f"{ratio:.{0 if ratio >= 10 else 1 if ratio >= 1 else 2}f} ×") if who == "sgascope" and ratio else cells[3] == "", f"ratio of {cells}")
    for (_, _, side), cells in zip(sides, page.run(ROWS % "truth")):
        waits = side["seen"]["waits"]
        check(cells[5] == ("–" if waits is None else f"{waits:,}"), f"waits of {cells}")
    claims = page.run(ROWS % "claims")
    check([c[3] for c in claims] == [c["url"] for c in document["claims_not_measured"]], "the claims' sources")
    return len(sides)


def main():
    document, path, shots = sys.argv[1:]
    with open(document, encoding="utf-8") as file:
        document = json.load(file)
    os.makedirs(shots, exist_ok=True)
    chromium = Chromium()
    try:
        page = chromium.page()
        page.open("file://" + os.path.abspath(path))
        page.settle()
        compared = compare(page, document)
        check(page.run("typeof window.hacked") == "undefined", "a name ran")
        check(page.run("document.querySelectorAll('script, img, iframe, link').length") == 0, "a foreign element")
        wide = page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        check(wide <= 0, f"the page is {wide} px wider than its window")
        page.screenshot(os.path.join(shots, "bench.png"))
        page.media(True)
        page.settle()
        page.screenshot(os.path.join(shots, "bench-dark.png"))
        page.collect()
        asked = [url for url in page.requests if not url.startswith("file:")]
        check(not page.complaints and not asked, f"{page.complaints} {asked}")
        print(f"bench: {compared} sides as the document has them")
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        sys.exit(1)
    finally:
        chromium.close()


main()

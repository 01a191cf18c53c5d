"""Checks a report's page in a real Chromium against what `sgascope report` says.

usage: check.py SGASCOPE RECORDING PAGE HOSTILE_PAGE EMPTY_PAGE SCREENSHOTS

PAGE and EMPTY_PAGE are of RECORDING and of an idle one; HOSTILE_PAGE is of one whose names and
texts try to run as markup. Says what it checked; ends with 1 at the first thing that is wrong.
"""

import json
import os
import subprocess
import sys

from chromium import Chromium, Failed

# Dimensions of the page, and how `report` groups the same.
GROUPS = {
    "event": "event", "sql_id": "sql_id", "session": "session_id,session_serial_no",
    "program": "program", "module": "module", "username": "username",
}


def check(condition, what):
    if not condition:
        raise Failed(what)


def near(text, value, what):
    """A number as the page shows it, two places after the point."""
    check(abs(float(text) - value) <= 0.0051, f"{what}: the page says {text}, report {value}")


class Report:
    def __init__(self, program, recording):
        self.program, self.recording = program, recording

    def __call__(self, group, *words):
        command = [self.program, "report", self.recording, "-g", group, "-f", "json", "--top", "1000000", *words]
        run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        check(run.returncode in (0, 1), f"{command}: exit code {run.returncode}")
        return json.loads(run.stdout)


def name_of(group, row):
    values = [row[column] for column in group.split(",")]
    return ",".join("(none)" if value is None else str(value) for value in values)


READ_TABLE = """(() => {
  const table = document.querySelector('table[data-name="%s"]');
  const more = table.parentElement.querySelector('.more button');
  if (more && more.textContent.includes('more')) more.click();
  return [...table.tBodies[0].rows].map((row) => ({
    kind: row.className, name: row.querySelector('.value')?.textContent ?? '',
    share: row.cells[0].textContent.trim(), seconds: row.cells[1]?.textContent, aas: row.cells[2]?.textContent,
  }));
})()"""


def compare(page, report, words, only=GROUPS):
    """All rows of the page against report's, and that all rows together are all there is."""
    compared = 0
    for dimension in only:
        group = GROUPS[dimension]
        truth = report(group, *words)
        by_name = {name_of(group, row): row for row in truth["rows"]}
        rows = page.run(READ_TABLE % dimension)
        total = 0.0
        for row in rows:
            if row["kind"] == "none":
                continue
            total += float(row["seconds"])
            if row["kind"] == "others":
                continue
            check(row["name"] in by_name, f"{dimension} {row['name']!r} isn't in report {words}")
            expected = by_name[row["name"]]
            near(row["seconds"], expected["total_seconds"], f"{dimension} {row['name']} {words}")
            near(row["aas"], expected["aas"], f"AAS of {dimension} {row['name']} {words}")
            compared += 1
        check(abs(total - truth["meta"]["total_seconds"]) <= 0.01 * max(1, len(rows)),
              f"{dimension} {words}: rows sum to {total}, all is {truth['meta']['total_seconds']}")
        kept = [row for row in rows if row["kind"] not in ("others", "none")]
        if len(kept) < len(by_name):
            check(rows[-1]["kind"] == "others", f"{dimension}: {len(kept)} of {len(by_name)} rows, and no others")
    near(page.run("document.getElementById('aas').textContent"), truth["meta"]["aas"] or 0, f"AAS {words}")
    return compared


def plot(page):
    return page.run("(() => { document.getElementById('chart').scrollIntoView({block: 'center'});"
                    " const b = document.querySelector('.plot').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()")


def window(page):
    return page.run("(() => { const d = document.getElementById('range').dataset; return [d.from, d.to]; })()")


def words_of(page):
    begin, end = window(page)
    return ["--from", begin, "--to", end]


def quiet(page, where):
    page.collect()
    check(not page.complaints, f"{where}: {page.complaints}")
    asked = [url for url in page.requests if not url.startswith("file:")]
    check(not asked, f"{where}: the page asked for {asked}")


def whole(chromium, report, url, shots):
    page = chromium.page()
    page.open(url)
    page.settle()
    quiet(page, "load")
    compared = compare(page, report, [])
    page.open(url)
    page.settle()
    shares = page.run("[...document.querySelectorAll('table[data-name=event] tbody td.share span')].map((e) => parseFloat(e.textContent))")
    page.run(READ_TABLE % "event")
    shares = page.run("[...document.querySelectorAll('table[data-name=event] tbody td.share span')].map((e) => parseFloat(e.textContent))")
    check(abs(sum(shares) - 100) < 0.1 * len(shares), f"shares of events sum to {sum(shares)}")
    page.screenshot(os.path.join(shots, "light.png"))
    page.close()
    print(f"whole window: {compared} rows as report has them")


def narrowed(chromium, report, url, shots):
    page = chromium.page()
    page.open(url)
    page.settle()
    left, top, width, height = plot(page)
    page.drag(left + width * 0.3, top + height / 2, left + width * 0.6, top + height / 2)
    check("from=" in page.run("location.hash"), "the range isn't in the address")
    words = words_of(page)
    rows = compare(page, report, words)
    page.mouse("mouseMoved", left + width * 0.45, top + height / 2)
    page.settle()
    check(page.run("!document.querySelector('.tip').hidden"), "no tooltip")
    page.screenshot(os.path.join(shots, "brushed.png"), whole=False)

    # a value that is clicked narrows all tables, and the range stays
    name = page.run("document.querySelector('table[data-name=event] tbody tr:nth-child(2) .value').textContent")
    page.click_on("table[data-name=event] tbody tr:nth-child(2) .pick")
    rows += compare(page, report, words + [f"event={name}"])
    user = page.run("document.querySelector('table[data-name=username] tbody tr:nth-child(1) .value').textContent")
    page.click_on("table[data-name=username] tbody tr:nth-child(1) .pick")
    rows += compare(page, report, words + [f"event={name}", f"username={user}"])
    page.screenshot(os.path.join(shots, "filtered.png"))
    quiet(page, "brushed and filtered")

    # the address holds it all: a reload shows the same
    address, before = page.run("location.href"), page.run("document.getElementById('range').textContent")
    page.open("about:blank")
    page.open(address)
    page.settle()
    check(page.run("document.getElementById('range').textContent") == before, "the address doesn't hold range and filters")
    check(page.run("document.querySelectorAll('.chip').length") == 2, "the address doesn't hold the filters")
    page.click_on(".chip")
    page.click_on(".chip")
    check(page.run("document.querySelectorAll('.chip').length") == 0, "filters don't go away")

    # double click: everything again
    left, top, width, height = plot(page)
    page.click(left + width / 2, top + height / 2, times=2)
    check(page.run("document.getElementById('reset') === null"), "a double click doesn't reset")
    check(page.run("location.hash") == "", "the address still has a range")
    rows += compare(page, report, [], ["event"])
    quiet(page, "reset")
    page.close()
    print(f"mouse, filters, address: {rows} rows as report has them")


def keyboard(chromium, report, url):
    page = chromium.page()
    page.open(url)
    page.settle()
    begin, end = window(page)
    page.run("document.querySelector('[data-edge=from]').focus()")
    for _ in range(3):
        page.key("ArrowRight")
    page.key("PageUp")
    check(page.run("document.activeElement.dataset.edge") == "from", "the edge lost the focus")
    page.run("document.querySelector('[data-edge=to]').focus()")
    page.key("ArrowLeft")
    page.key("PageDown")
    later, earlier = window(page)
    check(begin < later < earlier < end, f"keys moved {begin}..{end} to {later}..{earlier}")
    rows = compare(page, report, ["--from", later, "--to", earlier], ["event", "sql_id"])
    page.key("Escape")
    check(window(page) == [begin, end], "Esc doesn't reset")

    # sorting, with Enter on a heading
    first = "document.querySelector('table[data-name=event] tbody tr .value').textContent"
    names = "[...document.querySelectorAll('table[data-name=event] tbody tr:not(.others) .value')].map((e) => e.textContent)"
    page.run("document.querySelector('table[data-name=event] th[data-sort=text] button').focus()")
    page.key("Enter", text="\r")
    shown = page.run(names)
    check(len(shown) > 3 and shown == page.run(f"{names}.sort((a, b) => a.localeCompare(b))"), f"not sorted: {shown}")
    page.key("Enter", text="\r")
    check(page.run(first) == page.run(f"{names}.sort((a, b) => b.localeCompare(a))[0]"), "not sorted down")
    quiet(page, "keyboard")
    page.close()
    print(f"keyboard and sorting: {rows} rows as report has them")


def touched(chromium, report, url, shots):
    page = chromium.page(width=400, height=800, touch=True, dark=True)
    page.open(url)
    page.settle()
    left, top, width, height = plot(page)
    page.swipe(left + width * 0.4, top + height / 2, left + width * 0.8, top + height / 2)
    rows = compare(page, report, words_of(page), ["event"])
    check(page.run("document.getElementById('reset') !== null"), "a swipe doesn't narrow")
    wide = page.run("document.documentElement.scrollWidth")
    check(wide <= 400, f"the page is {wide} wide on a screen of 400")
    page.screenshot(os.path.join(shots, "small.png"))
    quiet(page, "touch")
    page.close()
    print(f"touch: {rows} rows as report has them")


def other_looks(chromium, url, empty_url, shots):
    page = chromium.page(dark=True)
    page.open(url)
    page.settle()
    back = page.run("getComputedStyle(document.body).backgroundColor")
    check(sum(int(n) for n in back[4:-1].split(",")) < 150, f"dark mode is {back}")
    page.screenshot(os.path.join(shots, "dark.png"))
    page.media(False, "print")
    page.screenshot(os.path.join(shots, "print.png"))
    quiet(page, "dark and print")
    page.close()

    # the reader's own zone
    page = chromium.page(zone="Asia/Kathmandu")
    page.open(url)
    page.settle()
    utc = page.run("document.getElementById('range').textContent")
    page.click_on("#zone")
    local = page.run("document.getElementById('range').textContent")
    check("UTC+05:45" in local and local != utc, f"local time: {local}")
    page.close()

    # without script: the same picture and tables, from the page itself
    page = chromium.page(script=False)
    page.open(url)
    page.screenshot(os.path.join(shots, "noscript.png"))
    quiet(page, "without script")
    page.close()

    page = chromium.page()
    page.open(empty_url)
    page.settle()
    check("No active session" in page.run("document.body.textContent"), "an empty page doesn't say so")
    page.screenshot(os.path.join(shots, "empty.png"))
    quiet(page, "empty")
    page.close()
    print("dark, print, zone, no script, empty: drawn")


def hostile(chromium, url, shots):
    page = chromium.page()
    page.open(url)
    page.settle()
    quiet(page, "hostile")
    check(page.run("typeof window.hacked") == "undefined", "a recorded text ran")
    check(page.run("document.querySelectorAll('img, iframe, object, embed, link, a[href^=javascript]').length") == 0, "a recorded text became an element")
    check(page.run("document.querySelectorAll('script').length") == 2, "there is another script")
    text = page.run("document.body.textContent")
    check("</script><script>window.hacked=1</script>" in text, "the hostile text isn't shown as it is")
    for letter in ("\u202e", "\u0000", "\u001b", "\u2066", "\u200b"):
        check(letter not in text, f"{letter!r} is in the page")
    check("‹202E›" in text and "‹001B›" in text, "what can't be seen isn't spelt out")
    # by every filter, too
    for name in ("program", "module", "username", "sql_id"):
        page.click_on(f"table[data-name={name}] tbody tr .pick")
        check(page.run("document.querySelectorAll('.chip').length") == 1, f"no filter by {name}")
        page.key("Escape")
    check(page.run("document.querySelectorAll('.chip').length") == 0, "Esc leaves filters")
    # an address that isn't ours
    page.open("about:blank")
    page.open(url + "#from=x&to=%3Cimg%20src%3Dx%20onerror%3Dhacked%3D1%3E&event=%3Cscript%3E&constructor=__proto__")
    page.settle()
    check(page.run("typeof window.hacked") == "undefined", "the address ran")
    page.screenshot(os.path.join(shots, "hostile.png"))
    quiet(page, "hostile, narrowed")
    page.close()
    print("hostile texts: shown, harmless")


def main():
    program, recording, page, hostile_page, empty_page, shots = sys.argv[1:]
    os.makedirs(shots, exist_ok=True)
    url = "file://" + os.path.abspath(page)
    report = Report(program, recording)
    chromium = Chromium()
    try:
        whole(chromium, report, url, shots)
        narrowed(chromium, report, url, shots)
        keyboard(chromium, report, url)
        touched(chromium, report, url, shots)
        other_looks(chromium, url, "file://" + os.path.abspath(empty_page), shots)
        hostile(chromium, "file://" + os.path.abspath(hostile_page), shots)
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        sys.exit(1)
    finally:
        chromium.close()


main()

// Makes the page live: a range of the chart and values that are clicked narrow everything, from the
// sums in #data (data.rs). Texts get into the page as text only, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const steps = data.steps;
  const WHOLE = [0, steps.count];
  const MARGIN = { left: 46, right: 12, top: 12, bottom: 34 };
  const HEIGHT = 320;
  const CPU_ROOM = 3;
  // a step that lost so many of its ticks is marked
  const LOST = 0.1;

  // --- sums -------------------------------------------------------------------------------------

  function numbers(base64) {
    const bytes = atob(base64);
    let at = 0;
    return () => {
      let value = 0, factor = 1, byte;
      do {
        byte = bytes.charCodeAt(at++);
        value += (byte & 127) * factor;
        factor *= 128;
      } while (byte & 128);
      return value;
    };
  }

  function sums(next) {
    const count = next();
    const at = new Uint32Array(count), us = new Float64Array(count);
    for (let n = 0, step = 0; n < count; n++) {
      step += next();
      at[n] = step;
      us[n] = next();
    }
    return { at, us };
  }

  const series = (base64, count) => {
    const next = numbers(base64);
    return Array.from({ length: count }, () => sums(next));
  };
  const dense = (of) => {
    const all = new Float64Array(steps.count);
    of.at.forEach((step, n) => { all[step] += of.us[n]; });
    return all;
  };

  const dimensions = data.dimensions;
  for (const dimension of dimensions) {
    dimension.sums = series(dimension.sums, dimension.values.length);
    dimension.values.forEach((value, place) => { value.place = place; });
  }
  const isClasses = dimensions.length > 0 && dimensions[0].name === "wait_class";
  const classes = isClasses ? dimensions[0].values : [];
  const sources = data.sources.map((source) => dense(series(source, 1)[0]));
  const total = dense(series(data.total, 1)[0]);
  const lost = dense(series(data.lost, 1)[0]);
  const taken = dense(series(data.taken, 1)[0]);
  const blocked = dense(series(data.blocked, 1)[0]);
  const cells = readCells();
  const ends = {
    finals: { rows: data.finals, sums: series(data.finals_sums, data.finals.length) },
    chains: { rows: data.chains, sums: series(data.chains_sums, data.chains.length) },
  };

  function readCells() {
    const next = numbers(data.cells);
    const all = [];
    let places = [];
    for (let n = next(); n > 0; n--) {
      const same = next();
      places = places.slice(0, same);
      while (places.length < dimensions.length) places.push(next());
      all.push({ places, sums: sums(next) });
    }
    return all;
  }

  const within = (of, from, to) => {
    let us = 0, first = -1, last = -1;
    for (let n = 0; n < of.at.length; n++) {
      if (of.at[n] < from) continue;
      if (of.at[n] >= to) break;
      us += of.us[n];
      if (first < 0) first = of.at[n];
      last = of.at[n];
    }
    return { us, first, last };
  };
  const sumOf = (values, from, to) => {
    let sum = 0;
    for (let step = from; step < to; step++) sum += values[step];
    return sum;
  };
  // as reports do: of several instances the one that was watched longest
  const watchedUs = (from, to) => Math.max(0, ...sources.map((source) => sumOf(source, from, to)));

  // --- state ------------------------------------------------------------------------------------

  const state = { from: 0, to: steps.count, filters: new Map(), zone: "UTC" };
  const isWhole = () => state.from === 0 && state.to === steps.count;
  // with a filter ranges are of whole slots
  const grain = () => (state.filters.size > 0 ? data.slot : 1);

  function setRange(from, to) {
    const by = grain();
    const clamp = (step) => Math.min(steps.count, Math.max(0, step));
    from = clamp(Math.floor(from / by) * by);
    to = clamp(Math.ceil(to / by) * by);
    if (to <= from) to = clamp(from + by);
    if (to <= from) from = clamp(to - by);
    state.from = from;
    state.to = to;
  }

  function toggle(dimension, place) {
    if (state.filters.get(dimension) === place) state.filters.delete(dimension);
    else if (place < dimensions[dimension].told) state.filters.set(dimension, place);
    setRange(state.from, state.to);
    update();
  }

  // --- what is shown ----------------------------------------------------------------------------

  // For each dimension the time of each kept value, and of all others after them.
  function compute() {
    const { from, to, filters } = state;
    const all = dimensions.map((dimension) => ({
      us: new Float64Array(dimension.values.length + 1),
      first: new Int32Array(dimension.values.length + 1).fill(-1),
      last: new Int32Array(dimension.values.length + 1).fill(-1),
      split: dimension.values.map(() => new Map()),
    }));
    const slot = data.slot;
    const slotFrom = Math.floor(from / slot), slotTo = Math.ceil(to / slot);
    const stack = classes.map(() => new Float64Array(steps.count));
    const above = new Float64Array(steps.count);
    let sum = 0;
    for (const cell of cells) {
      let wanted = true;
      for (const [dimension, place] of filters) wanted &&= cell.places[dimension] === place;
      if (!wanted) continue;
      const part = within(cell.sums, slotFrom, slotTo);
      const cls = isClasses ? cell.places[0] : -1;
      cell.places.forEach((place, dimension) => {
        const of = all[dimension];
        if (part.us > 0 && place < of.split.length) {
          of.split[place].set(cls, (of.split[place].get(cls) ?? 0) + part.us);
        }
        if (filters.size === 0 || part.us === 0) return;
        of.us[place] += part.us;
        const first = part.first * slot, last = Math.min(steps.count, (part.last + 1) * slot) - 1;
        if (of.first[place] < 0 || first < of.first[place]) of.first[place] = first;
        if (last > of.last[place]) of.last[place] = last;
      });
      if (filters.size > 0) {
        sum += part.us;
        for (let n = 0; n < cell.sums.at.length; n++) {
          const begin = cell.sums.at[n] * slot, end = Math.min(steps.count, begin + slot);
          const watched = sumOf(watchedSteps, begin, end);
          for (let step = begin; step < end; step++) {
            // time of a slot is spread over its steps as they were watched
            const us = cell.sums.us[n] * (watched > 0 ? watchedSteps[step] / watched : 1 / (end - begin));
            above[step] += us;
            if (cls >= 0 && cls < stack.length) stack[cls][step] += us;
          }
        }
      }
    }
    if (filters.size === 0) {
      sum = sumOf(total, from, to);
      above.set(total);
      classes.forEach((value, place) => stack[place].set(dense(dimensions[0].sums[place])));
      dimensions.forEach((dimension, d) => {
        const of = all[d];
        let kept = 0;
        dimension.sums.forEach((each, place) => {
          const part = within(each, from, to);
          of.us[place] = part.us;
          of.first[place] = part.first;
          of.last[place] = part.last;
          kept += part.us;
        });
        of.us[dimension.values.length] = sum - kept;
      });
    }
    return { all, sum, stack, above, watched: watchedUs(from, to) };
  }

  // --- times and numbers ------------------------------------------------------------------------

  const begin = (step) => steps.start_us + step * steps.width_us;
  const clip = (us) => Math.min(Math.max(us, data.from ?? us), data.to ?? us);
  const beginShown = (step) => (step === 0 ? clip(begin(0)) : begin(step));
  const endShown = (step) => (step === steps.count ? clip(begin(step)) : begin(step));
  const two = (number) => String(number).padStart(2, "0");
  const millis = steps.width_us < 1e6;

  function parts(us) {
    const date = new Date(us / 1e3);
    return state.zone === "UTC"
      ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
      : [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  }
  const dayText = (us) => { const p = parts(us); return `${p[0]}-${two(p[1])}-${two(p[2])}`; };
  function clockText(us, fraction) {
    const p = parts(us);
    const part = fraction ? "." + String(Math.floor(us / 1e3) % 1000).padStart(3, "0") : "";
    return `${two(p[3])}:${two(p[4])}:${two(p[5])}${part}`;
  }
  const timeText = (us, fraction) => `${dayText(us)} ${clockText(us, fraction)}`;
  const oneDay = () => data.from != null && data.to != null && dayText(data.from) === dayText(data.to);
  // in tables the day is left out where it is always the same
  const seenText = (us) => (oneDay() ? clockText(us, millis) : timeText(us));
  function zoneText(us) {
    if (state.zone === "UTC") return "UTC";
    const minutes = -new Date(us / 1e3).getTimezoneOffset();
    const size = Math.abs(minutes);
    return `UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  }
  function spanText(us) {
    const s = us / 1e6;
    const round = (value) => String(Math.round(value * 10) / 10);
    if (s < 1) return round(s * 1e3) + " ms";
    if (s < 120) return round(s) + " s";
    if (s < 7200) return round(s / 60) + " min";
    if (s < 172800) return round(s / 3600) + " h";
    return round(s / 86400) + " days";
  }
  const fixed = (value) => value.toFixed(2);
  const percent = (part, whole) => (whole > 0 ? (100 * part / whole).toFixed(1) : "0.0") + " %";

  // --- elements ---------------------------------------------------------------------------------

  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (value === false || value == null) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  }
  function draw(name, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }
  const byRank = (a, b) => classes[a].rank - classes[b].rank || a - b;
  const keyOf = (place) => classes[place]?.key ?? "none";

  function bar(share, split) {
    const svg = draw("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const parts = split && split.size > 0 ? [...split] : [[-1, 1]];
    parts.sort((a, b) => (classes[a[0]]?.rank ?? 99) - (classes[b[0]]?.rank ?? 99));
    const whole = parts.reduce((sum, part) => sum + part[1], 0);
    let x = 0;
    const names = [];
    for (const [place, us] of parts) {
      const width = share * us / whole;
      svg.append(draw("rect", { class: "k-" + keyOf(place), x: x.toFixed(2), width: width.toFixed(2), height: 10 }));
      x += width;
      if (place >= 0) names.push(`${classes[place]?.text ?? "other classes"} ${percent(us, whole)}`);
    }
    return [svg, names.join("\n")];
  }

  // --- tables -----------------------------------------------------------------------------------

  const tables = [];
  for (const element of document.querySelectorAll("table[data-dimension], table[data-ends]")) {
    const table = { element, body: element.tBodies[0], sort: "us", down: true, open: false };
    if (element.dataset.ends) table.ends = element.dataset.ends;
    else {
      table.dimension = Number(element.dataset.dimension);
      table.more = element.parentElement.querySelector(".more");
      table.detailed = element.tHead.rows[0].cells.length === 7;
    }
    for (const cell of element.tHead.rows[0].cells) {
      const key = cell.dataset.sort;
      if (!key) continue;
      const button = make("button", { type: "button", onclick: () => sortBy(table, key) });
      button.append(...cell.childNodes);
      cell.append(button);
    }
    tables.push(table);
  }

  function sortBy(table, key) {
    table.down = table.sort === key ? !table.down : key === "us" || key === "last";
    table.sort = key;
    update();
  }

  function sorted(table, rows) {
    const order = (a, b) => (table.sort === "text" ? a.text.localeCompare(b.text) : a[table.sort] - b[table.sort]);
    return rows.sort((a, b) => (table.down ? -1 : 1) * order(a, b) || b.us - a.us || a.place - b.place);
  }

  function rowsOf(table, shown) {
    const whole = isWhole();
    const found = (value, place, us, first, last) => ({
      place, us,
      text: value.text,
      about: value.about,
      // of the whole window the sample's own time is known, of a range the step
      first: whole && state.filters.size === 0 ? value.first : clip(begin(first)),
      last: whole && state.filters.size === 0 ? value.last : clip(begin(last + 1)),
    });
    if (table.ends) {
      const { rows, sums: each } = ends[table.ends];
      return rows.map((value, place) => {
        const part = within(each[place], state.from, state.to);
        return found(value, place, part.us, part.first, part.last);
      }).filter((row) => row.us > 0);
    }
    const of = shown.all[table.dimension];
    return dimensions[table.dimension].values
      .map((value, place) => found(value, place, of.us[place], of.first[place], of.last[place]))
      .filter((row) => row.us > 0);
  }

  // bars are as long as their share of the largest; others have none
  function cellsOf(us, whole, watched, largest, split) {
    const [svg, names] = largest > 0 ? bar(100 * us / largest, split) : [null, ""];
    return [
      make("td", { class: "share", title: names || null }, svg, " ", make("span", {}, percent(us, whole))),
      make("td", { class: "n" }, fixed(us / 1e6)),
      make("td", { class: "n" }, watched > 0 ? fixed(us / watched) : ""),
    ];
  }

  function fillTable(table, shown) {
    const rows = sorted(table, rowsOf(table, shown));
    const isEnds = table.ends !== undefined;
    const whole = table.ends === "finals" ? sumOf(blocked, state.from, state.to) : isEnds ? sumOf(total, state.from, state.to) : shown.sum;
    const limit = table.open || isEnds ? rows.length : data.rows;
    const largest = rows.reduce((most, row) => Math.max(most, row.us), 0);
    const list = rows.slice(0, limit).map((row) => {
      const chosen = !isEnds && state.filters.get(table.dimension) === row.place;
      const of = isEnds ? null : shown.all[table.dimension];
      const split = isEnds ? null : of.split[row.place];
      const name = make("bdi", {}, row.text);
      const value = isEnds ? name : pick(table.dimension, row.place, name);
      return make("tr", { class: chosen ? "chosen" : null, "data-place": row.place },
        ...cellsOf(row.us, whole, shown.watched, largest, split),
        make("td", { class: "value" }, value),
        table.detailed ? make("td", { class: "detail" }, detail(table, row, split)) : null,
        make("td", { class: "t" }, seenText(row.first)),
        make("td", { class: "t" }, seenText(row.last)));
    });
    if (!isEnds) {
      const dimension = dimensions[table.dimension];
      const others = shown.all[table.dimension].us[dimension.values.length];
      if (others > 0) {
        const count = `(${dimension.others} other${dimension.others === 1 ? "" : "s"})`;
        const text = state.filters.size > 0 ? "(others)" : count;
        list.push(make("tr", { class: "others" }, ...cellsOf(others, whole, shown.watched, 0, null),
          make("td", { class: "value" }, text), table.detailed ? make("td", {}) : null, make("td", {}), make("td", {})));
      }
      const hidden = rows.length - limit;
      const button = rows.length > data.rows
        ? [make("button", { type: "button", class: "plain", onclick: () => { table.open = !table.open; update(); } },
            table.open ? "Show fewer" : `Show ${hidden} more`)]
        : [];
      table.more.replaceChildren(...button);
    }
    if (list.length === 0) {
      const columns = table.element.tHead.rows[0].cells.length;
      list.push(make("tr", { class: "none" }, make("td", { colspan: columns }, "Nothing here in this time.")));
    }
    const focused = focusedPlace(table);
    table.body.replaceChildren(...list);
    if (focused !== null) table.body.querySelector(`tr[data-place="${focused}"] .pick`)?.focus();
    for (const cell of table.element.tHead.rows[0].cells) {
      const active = cell.dataset.sort === table.sort && (table.sort !== "us" || cell.cellIndex === 0);
      if (active) cell.setAttribute("aria-sort", table.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  function focusedPlace(table) {
    const row = document.activeElement?.closest?.("tr[data-place]");
    return row && table.body.contains(row) ? row.dataset.place : null;
  }

  function pick(dimension, place, ...children) {
    const can = place < dimensions[dimension].told;
    const chosen = state.filters.get(dimension) === place;
    return make("button", {
      type: "button", class: "pick", disabled: !can, "aria-pressed": String(chosen),
      title: can ? (chosen ? "Show all again" : "Show only this") : "Too much to filter by this one here; narrow the window, or use sgascope report",
      onclick: () => toggle(dimension, place),
    }, ...children);
  }

  function detail(table, row, split) {
    const name = dimensions[table.dimension].name;
    if (name === "event") {
      const most = [...split].sort((a, b) => b[1] - a[1])[0];
      return most ? classes[most[0]]?.text ?? "" : "";
    }
    if (!row.about) return "";
    if (name !== "sql_id") return make("bdi", {}, row.about);
    const words = row.about.split(/\s+/).filter((word) => word !== "").join(" ");
    const short = [...words].length > 200 ? [...words].slice(0, 200).join("") + "…" : words;
    return make("details", { class: "sql" }, make("summary", {}, make("code", {}, short)), make("pre", {}, row.about));
  }

  // --- chart ------------------------------------------------------------------------------------

  const chart = document.getElementById("chart");
  const tip = make("div", { class: "tip", hidden: true });
  let geometry = null;

  function niceTop(highest) {
    const power = 10 ** Math.floor(Math.log10(Math.max(highest, 0.01) / 5));
    const by = [1, 2, 5, 10].map((n) => n * power).find((n) => n * 5 >= highest) ?? 10 * power;
    return [Math.ceil(Math.max(highest, 0.01) / by) * by, by];
  }

  const watchedSteps = new Float64Array(steps.count);
  for (let step = 0; step < steps.count; step++) watchedSteps[step] = watchedUs(step, step + 1);
  const aasOf = (us, step) => (watchedSteps[step] > 0 ? us / watchedSteps[step] : 0);

  // The first step with a label, and the steps from label to label: at round times, not more than `most`.
  function labelled(most) {
    const seconds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
    const least = steps.width_us * steps.count / most;
    const by = seconds.map((s) => s * 1e6).find((us) => us >= least && us % steps.width_us === 0);
    if (by === undefined) return [0, Math.max(1, Math.ceil(steps.count / most))];
    return [(Math.ceil(steps.start_us / by) * by - steps.start_us) / steps.width_us, by / steps.width_us];
  }

  function area(below, above, x, y) {
    let path = "";
    const r = (value) => Math.round(value * 10) / 10;
    for (let step = 0; step < above.length;) {
      if (above[step] <= below[step]) { step++; continue; }
      const from = step;
      path += `M${r(x(from))} ${r(y(below[from]))}`;
      for (; step < above.length && above[step] > below[step]; step++) path += `V${r(y(above[step]))}H${r(x(step + 1))}`;
      for (let at = step - 1; at >= from; at--) path += `V${r(y(below[at]))}H${r(x(at))}`;
      path += "Z";
    }
    return path;
  }

  function drawChart(shown) {
    const width = Math.max(280, chart.clientWidth);
    const right = width - MARGIN.right, bottom = HEIGHT - MARGIN.bottom;
    const totals = Array.from(shown.above, aasOf);
    const highest = Math.max(0, ...totals);
    const cpus = data.cpus != null && data.cpus <= Math.max(highest, 1) * CPU_ROOM ? data.cpus : null;
    const [top, by] = niceTop(Math.max(highest, cpus ?? 0));
    const x = (step) => MARGIN.left + (right - MARGIN.left) * step / steps.count;
    const y = (sessions) => MARGIN.top + (bottom - MARGIN.top) * (1 - sessions / top);
    const svg = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": "Average active sessions over time, stacked by wait class; two edges choose a range" });
    const decimals = by < 0.1 ? 2 : by < 1 ? 1 : 0;
    for (let n = 0; n <= Math.round(top / by); n++) {
      svg.append(draw("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(n * by), y2: y(n * by) }),
        draw("text", { class: "axis", x: MARGIN.left - 6, y: y(n * by) + 4, "text-anchor": "end" }, (n * by).toFixed(decimals)));
    }
    for (let step = 0; step < steps.count; step++) {
      if (watchedSteps[step] > 0) continue;
      let end = step;
      while (end < steps.count && !(watchedSteps[end] > 0)) end++;
      svg.append(draw("rect", { class: "unwatched", fill: "url(#fill-unwatched)", x: x(step), y: MARGIN.top, width: x(end) - x(step), height: bottom - MARGIN.top }));
      step = end;
    }
    let below = new Array(steps.count).fill(0);
    for (const place of classes.map((_, at) => at).sort(byRank)) {
      const above = below.map((value, step) => value + aasOf(shown.stack[place][step], step));
      svg.append(draw("path", { d: area(below, above, x, y), fill: `url(#fill-${keyOf(place)})` }));
      below = above;
    }
    if (classes.length === 0) svg.append(draw("path", { d: area(below, totals, x, y), fill: "url(#fill-none)" }));
    for (let step = 0; step < steps.count; step++) {
      if (lost[step] > LOST * (lost[step] + taken[step])) {
        svg.append(draw("rect", { class: "lost", x: x(step), y: bottom + 1, width: Math.max(1, x(step + 1) - x(step)), height: 3 }));
      }
    }
    const span = steps.width_us * steps.count;
    const label = (us) => (span >= 2 * 864e8 ? `${dayText(us).slice(5)} ${clockText(us).slice(0, 5)}` : span >= 6e8 ? clockText(us).slice(0, 5) : clockText(us, span < 1e7));
    const [first, every] = labelled(Math.max(2, Math.floor(width / 130)));
    for (let step = first; step <= steps.count && x(step) < width - 30; step += every) {
      svg.append(draw("line", { class: "tick", x1: x(step), x2: x(step), y1: bottom, y2: bottom + 5 }),
        draw("text", { class: "axis", x: x(step), y: HEIGHT - 12, "text-anchor": "middle" }, label(begin(step))));
    }
    svg.append(draw("line", { class: "base", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }));
    const cursor = draw("line", { class: "at", y1: MARGIN.top, y2: bottom, x1: 0, x2: 0, visibility: "hidden" });
    svg.append(cursor,
      draw("rect", { class: "shade", x: x(0), y: MARGIN.top, width: x(state.from) - x(0), height: bottom - MARGIN.top }),
      draw("rect", { class: "shade", x: x(state.to), y: MARGIN.top, width: x(steps.count) - x(state.to), height: bottom - MARGIN.top }));
    if (cpus !== null) {
      svg.append(draw("line", { class: "cpus", x1: MARGIN.left, x2: right, y1: y(cpus), y2: y(cpus) }),
        draw("text", { class: "cpus", x: right - 4, y: y(cpus) - 5, "text-anchor": "end" }, `${cpus} CPU${cpus === 1 ? "" : "s"}`));
    }
    for (const edge of ["from", "to"]) svg.append(handle(edge, x, bottom));
    const focused = document.activeElement?.dataset?.edge;
    chart.querySelector(".plot")?.replaceWith(svg);
    if (focused) svg.querySelector(`[data-edge="${focused}"]`)?.focus();
    geometry = { svg, x, right, bottom, cursor, shown };
  }

  function handle(edge, x, bottom) {
    const at = x(state[edge]);
    const us = edge === "from" ? beginShown(state.from) : endShown(state.to);
    return draw("g", {
      class: "handle", role: "slider", tabindex: 0, "data-edge": edge, "aria-orientation": "horizontal",
      "aria-label": edge === "from" ? "Begin of the range" : "End of the range",
      "aria-valuemin": 0, "aria-valuemax": steps.count, "aria-valuenow": state[edge], "aria-valuetext": timeText(us, millis),
      onkeydown: (event) => moveEdge(event, edge),
    },
    draw("line", { x1: at, x2: at, y1: MARGIN.top, y2: bottom }),
    draw("rect", { x: at - 4, y: (MARGIN.top + bottom) / 2 - 16, width: 8, height: 32, rx: 3 }),
    draw("rect", { x: at - 12, y: MARGIN.top, width: 24, height: bottom - MARGIN.top, "fill-opacity": 0, class: "grip" }));
  }

  function moveEdge(event, edge) {
    const by = grain();
    const far = Math.max(by, Math.round(steps.count / 10));
    const move = { ArrowLeft: -by, ArrowDown: -by, ArrowRight: by, ArrowUp: by, PageDown: -far, PageUp: far }[event.key];
    let to = state[edge];
    if (move !== undefined) to += move;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = steps.count;
    else return;
    event.preventDefault();
    if (edge === "from") setRange(Math.min(to, state.to - by), state.to);
    else setRange(state.from, Math.max(to, state.from + by));
    update();
  }

  const stepAt = (event) => {
    const box = geometry.svg.getBoundingClientRect();
    const scale = box.width / geometry.svg.viewBox.baseVal.width;
    const inside = ((event.clientX - box.left) / scale - MARGIN.left) / (geometry.right - MARGIN.left);
    return Math.min(steps.count, Math.max(0, inside * steps.count));
  };

  let drag = null;
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    const edge = event.target.closest?.(".handle")?.dataset.edge;
    drag = { at: stepAt(event), x: event.clientX, edge, moved: false };
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (!drag) { if (event.pointerType !== "touch") showTip(event); return; }
    if (!drag.moved && Math.abs(event.clientX - drag.x) < 4) return;
    drag.moved = true;
    tip.hidden = true;
    const at = stepAt(event);
    if (drag.edge === "from") setRange(Math.min(Math.round(at), state.to - 1), state.to);
    else if (drag.edge === "to") setRange(state.from, Math.max(Math.round(at), state.from + 1));
    else setRange(Math.floor(Math.min(at, drag.at)), Math.ceil(Math.max(at, drag.at)));
    soon();
  });
  const release = (event) => {
    if (drag && !drag.moved && event.type === "pointerup") showTip(event);
    drag = null;
  };
  chart.addEventListener("pointerup", release);
  chart.addEventListener("pointercancel", release);
  chart.addEventListener("pointerleave", () => { tip.hidden = true; geometry.cursor.setAttribute("visibility", "hidden"); });
  chart.addEventListener("dblclick", () => { setRange(...WHOLE); update(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (isWhole()) state.filters.clear();
    setRange(...WHOLE);
    update();
  });

  function showTip(event) {
    const step = Math.min(steps.count - 1, Math.floor(stepAt(event)));
    const { shown, x } = geometry;
    const rows = classes.map((_, at) => at).sort(byRank).reverse()
      .map((place) => [place, aasOf(shown.stack[place][step], step)]).filter((row) => row[1] > 0);
    const head = `${timeText(beginShown(step), millis)} ${zoneText(begin(step))}, ${spanText(steps.width_us)}`;
    const lines = rows.map(([place, value]) => make("tr", {},
      make("td", {}, draw("svg", { class: "swatch", viewBox: "0 0 14 14" }, draw("rect", { width: 14, height: 14, fill: `url(#fill-${keyOf(place)})` }))),
      make("td", {}, classes[place].text), make("td", {}, fixed(value))));
    const sum = watchedSteps[step] > 0 ? `AAS ${fixed(aasOf(shown.above[step], step))}` : "nobody looked";
    const gone = lost[step] > 0 ? make("div", {}, `${lost[step]} of ${lost[step] + taken[step]} ticks lost`) : null;
    tip.replaceChildren(...[make("b", {}, head), make("div", {}, sum), make("table", {}, make("tbody", {}, ...lines)), gone].filter((e) => e));
    tip.hidden = false;
    const middle = (x(step) + x(step + 1)) / 2;
    geometry.cursor.setAttribute("x1", middle);
    geometry.cursor.setAttribute("x2", middle);
    geometry.cursor.setAttribute("visibility", "visible");
    const box = chart.getBoundingClientRect();
    const left = event.clientX - box.left;
    tip.style.left = left + tip.offsetWidth + 24 < box.width ? left + 16 + "px" : Math.max(0, left - tip.offsetWidth - 16) + "px";
  }

  // --- the line above the chart, filters, legend --------------------------------------------------

  const range = document.getElementById("range");
  const filters = document.getElementById("filters");
  const legend = document.getElementById("legend");

  function showRange(shown) {
    const from = beginShown(state.from), to = endShown(state.to);
    const reset = isWhole() ? null : make("button", { type: "button", class: "plain", id: "reset", onclick: () => { setRange(...WHOLE); update(); } }, "Whole window");
    const zone = make("button", {
      type: "button", class: "plain", id: "zone", title: "Show times in the other zone",
      onclick: () => { state.zone = state.zone === "UTC" ? "local" : "UTC"; update(); },
    }, state.zone === "UTC" ? "Local time" : "UTC");
    range.replaceChildren(...[
      make("span", {}, `${isWhole() ? "Whole window" : "Range"}: ${timeText(from, millis)} to ${dayText(from) === dayText(to) ? clockText(to, millis) : timeText(to, millis)} ${zoneText(from)}`),
      make("span", {}, "AAS ", make("b", { id: "aas" }, shown.watched > 0 ? fixed(shown.sum / shown.watched) : "unknown")),
      make("span", { id: "seconds" }, `${fixed(shown.sum / 1e6)} s active`),
      make("span", {}, `${spanText(shown.watched)} watched`),
      reset, zone].filter((e) => e));
    range.dataset.from = new Date(begin(state.from) / 1e3).toISOString();
    range.dataset.to = new Date(begin(state.to) / 1e3).toISOString();
    filters.replaceChildren(...[...state.filters].map(([dimension, place]) => make("button", {
      type: "button", class: "chip", title: "Remove this filter", onclick: () => toggle(dimension, place),
    }, `${dimensions[dimension].name} = `, make("bdi", {}, dimensions[dimension].values[place].text), " ✕")));
  }

  function makeLegendLive() {
    for (const item of legend.children) {
      const place = Number(item.dataset.place);
      const button = pick(0, place);
      button.append(...item.querySelectorAll("span"));
      item.append(button);
    }
  }

  function showLegend() {
    for (const item of legend.children) {
      const chosen = state.filters.get(0) === Number(item.dataset.place);
      item.classList.toggle("chosen", chosen);
      item.querySelector("button").setAttribute("aria-pressed", String(chosen));
    }
  }

  function showTimes() {
    for (const time of document.querySelectorAll("time[data-us]")) {
      if (time.closest("tbody")) continue;
      time.textContent = timeText(Number(time.dataset.us));
    }
    for (const zone of document.querySelectorAll(".zone")) zone.textContent = zoneText(data.from ?? 0);
  }

  // --- the address ------------------------------------------------------------------------------

  const iso = (us) => new Date(us / 1e3).toISOString();

  function writeAddress() {
    const words = new URLSearchParams();
    if (!isWhole()) {
      words.set("from", iso(begin(state.from)));
      words.set("to", iso(begin(state.to)));
    }
    for (const [dimension, place] of state.filters) words.set(dimensions[dimension].name, dimensions[dimension].values[place].text);
    const hash = words.toString() === "" ? "" : "#" + words;
    if (hash === location.hash) return;
    try {
      history.replaceState(null, "", hash === "" ? location.pathname + location.search : hash);
    } catch {
      // a page that may not change its address works all the same
    }
  }

  function readAddress() {
    const words = new URLSearchParams(location.hash.slice(1));
    state.filters.clear();
    dimensions.forEach((dimension, at) => {
      const wanted = words.get(dimension.name);
      if (wanted === null) return;
      const value = dimension.values.find((each) => each.text === wanted);
      if (value && value.place < dimension.told) state.filters.set(at, value.place);
    });
    const stepOf = (text) => (Date.parse(text) * 1e3 - steps.start_us) / steps.width_us;
    const from = stepOf(words.get("from")), to = stepOf(words.get("to"));
    if (Number.isFinite(from) && Number.isFinite(to) && to > from && from < steps.count && to > 0) {
      setRange(Math.round(from), Math.round(to));
    } else setRange(...WHOLE);
  }

  // --- all together -----------------------------------------------------------------------------

  function update() {
    const shown = compute();
    showRange(shown);
    drawChart(shown);
    showLegend();
    for (const table of tables) fillTable(table, shown);
    showTimes();
    writeAddress();
  }
  let asked = false;
  function soon() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; update(); });
  }

  document.documentElement.classList.add("live");
  chart.append(tip);
  makeLegendLive();
  readAddress();
  update();
  addEventListener("hashchange", () => { readAddress(); update(); });
  addEventListener("resize", soon);
})();

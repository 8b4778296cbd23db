/* The plots of a report. Reads what scene.py wrote (#plots-about, #plots-data) and draws it with
   uPlot: one time axis, one cursor and one zoom for all of them. Texts of the run only ever become
   text nodes. Without plots on the page nothing here runs. */
(() => {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const about = JSON.parse($("plots-about").textContent);
  if (!about.points || !$("tools")) return;

  // --- the points -----------------------------------------------------------------------------

  const packed = Uint8Array.from(atob($("plots-data").textContent.trim()), (c) => c.charCodeAt(0));
  let place = 0;
  const take = (Kind, n) => {
    const part = new Kind(packed.buffer, place, n);
    place += n * Kind.BYTES_PER_ELEMENT;
    return part;
  };
  const times = Array.from(take(Float64Array, about.points));
  const edges = take(Float64Array, about.buckets + 1);
  for (const layer of about.layers)
    layer.lines = layer.labels.map(() => take(Float32Array, about.points));
  const bleeds = { mean: [], peak: [] };
  for (const kind of ["mean", "peak"])
    for (let k = 0; k < about.bleeding; k++) bleeds[kind].push(take(Uint8Array, about.buckets));
  const UNKNOWN = 255, STEPS = 250;
  const end = edges[edges.length - 1];
  // what happened before the first tick or after the last one is seen too
  const known = about.events.flatMap((e) => [e.at, e.until]).concat(about.steps.map((s) => s.at));
  const from = Math.min(times[0], ...known), to = Math.max(end, ...known);
  const pad = (to - from) * 0.004 || 0.5;
  const whole = { min: from - pad, max: to + pad };

  // --- how things look ------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const isDark = () => dark.matches && !printing;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const LINES = {
    light: ["#0072b2", "#d55e00", "#009e73", "#a24d86", "#8a6d00", "#3a9bd9", "#5b6875", "#b3261e"],
    dark: ["#6cb8f0", "#ff9a4d", "#3ecf9f", "#e3a1cc", "#f0d264", "#a8d8ff", "#98a5b1", "#ff8a80"],
  };
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 3], [1, 4], [12, 5], [4, 2]];
  // viridis, without the end that its background swallows
  const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const mix = (stops, share) => {
    const at = Math.min(Math.max(share, 0), 0.9999) * (stops.length - 1), k = Math.floor(at);
    const rgb = stops[k].map((one, i) => Math.round(one + (at - k) * (stops[k + 1][i] - one)));
    return `rgb(${rgb.join(",")})`;
  };
  const cellColour = (k, n) => {
    const share = n > 1 ? k / (n - 1) : 0;
    return mix(RAMP, isDark() ? 0.25 + 0.75 * share : 0.82 * share);
  };
  const lineColour = (k) => LINES[isDark() ? "dark" : "light"][k % 8];
  const HEAT = {
    light: [[214, 230, 244], [107, 174, 214], [33, 113, 181], [8, 48, 107]],
    dark: [[38, 66, 98], [43, 112, 160], [86, 160, 205], [158, 212, 240]],
  };
  const heat = (share) => mix(HEAT[isDark() ? "dark" : "light"], share);

  // --- numbers and times as people read them --------------------------------------------------

  const UNITS = { 1: [100, "%"], degC: [1, "°C"] };
  const DIGITS = { V: 4, mV: 2, "%": 3, "°C": 2, A: 3 };
  const written = (value, unit) =>
    value === null || value === undefined ? "not known" : `${value.toFixed(DIGITS[unit] ?? 3)} ${unit}`;
  const GAP = "\u2003";
  const two = (n) => String(n).padStart(2, "0");
  const clock = (s, fine) => {
    const sign = s < 0 ? "-" : "", whole = Math.abs(s), d = Math.floor(whole / 86400);
    const h = Math.floor((whole % 86400) / 3600), m = Math.floor((whole % 3600) / 60), rest = whole % 60;
    const seconds = fine ? rest.toFixed(fine).padStart(3 + fine, "0") : two(Math.floor(rest));
    return `${sign}${d ? d + " d " : ""}${two(h)}:${two(m)}:${seconds}`;
  };
  const INCRS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120,
    300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
  const tickText = (s, incr) => {  // with its unit, so that nobody takes minutes for hours
    const t = Math.round(s * 1000) / 1000, d = Math.floor(t / 86400), h = (t - d * 86400) / 3600;
    const day = d > 0 ? `${d}d` : d < 0 ? "-" : "";
    if (incr >= 3600) return d ? (h ? `${day} ${h}h` : day) : `${h}h`;
    if (incr >= 60) return Math.abs(t) < 7200 ? `${t / 60} min` : clock(t).slice(0, -3) + " h";
    return Math.abs(t) < 120 ? `${t} s` : clock(t, incr < 0.01 ? 3 : incr < 1 ? 2 : 0);
  };

  // --- the plots ------------------------------------------------------------------------------

  const charts = [];
  let zooming = false;
  const zoom = (min, max) => {
    const least = Math.max(0.01, (whole.max - whole.min) * 1e-7);
    if (max - min < least) { const mid = (min + max) / 2; min = mid - least / 2; max = mid + least / 2; }
    min = Math.max(min, whole.min); max = Math.min(max, whole.max);
    if (!(max > min)) return;
    zooming = true;
    for (const chart of charts) chart.setScale("x", { min, max });
    zooming = false;
  };
  const reset = () => zoom(whole.min, whole.max);
  const scaleOf = (chart) => [chart.scales.x.min, chart.scales.x.max];

  const marks = (chart) => {  // steps and events, behind the lines of every plot
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = devicePixelRatio;
    const line = (at, colour, dash) => {
      const x = Math.round(chart.valToPos(at, "x", true)) + 0.5;
      ctx.strokeStyle = colour;
      ctx.setLineDash(dash);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    };
    for (const step of about.steps) line(step.at, css("--faint"), [4, 4]);
    ctx.globalAlpha = 0.7;
    for (const event of about.events)
      if (event.family !== "safe") line(event.at, css(`--f-${event.family}`), []);
    ctx.restore();
  };

  const axis = (extra) => ({
    stroke: () => css("--faint"), grid: { stroke: () => css("--line"), width: 1 },
    ticks: { stroke: () => css("--line"), width: 1, size: 5 }, font: "12px system-ui, sans-serif", ...extra,
  });
  const xAxis = () => axis({
    incrs: INCRS, space: 74, size: 32,
    values: (_, splits, __, ___, incr) => splits.map((s) => tickText(s, incr)),
  });

  const build = (key, figure, { unit, series, lines, yRange, down, yAxis, height, draw, tell }) => {
    const box = figure.querySelector(".canvas"), now = figure.querySelector(".now");
    const size = () => ({ width: Math.max(280, box.clientWidth), height: height() });
    const chart = new uPlot({
      ...size(),
      padding: [8, 30, 0, 0],
      legend: { show: false },
      cursor: {
        y: false, sync: { key: "run" }, drag: { x: true, y: false, setScale: true },
        focus: { prox: lines.length > 4 ? 1e6 : -1 }, points: { show: lines.length <= 8, size: 6 },
        bind: { dblclick: () => () => { reset(); } },
      },
      focus: { alpha: 1 },
      scales: { x: { time: false, range: (_, min, max) => [min ?? whole.min, max ?? whole.max] },
                y: { range: yRange, dir: down ? -1 : 1 } },
      axes: [xAxis(), axis({ size: 62, ...yAxis })],
      series: [{}, ...series],
      hooks: {
        drawAxes: [marks],
        draw: draw ? [draw] : [],
        setScale: [(u, name) => {
          if (name === "x" && !zooming) zoom(u.scales.x.min, u.scales.x.max);
        }],
        setCursor: [(u) => {
          const { left: x, top: y } = u.cursor;
          if (x < 0) { now.textContent = ""; if (hovered === u) tip.hidden = true; return; }
          const at = u.posToVal(x, "x"), told = tell(u, at, y);
          now.textContent = told.short;
          if (hovered === u) showTip(u, x, y, told.long);
        }],
      },
    }, [times, ...lines], box);
    chart.resize = () => chart.setSize(size());
    chart.unit = unit;
    charts.push(chart);
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    const title = figure.querySelector("h3"), words = figure.querySelector(".alternative");
    title.id = `title-${key}`; words.id = `words-${key}`;
    box.setAttribute("aria-labelledby", title.id);
    box.setAttribute("aria-describedby", words.id);
    box.addEventListener("keydown", (event) => keyed(chart, event));
    chart.over.addEventListener("mouseenter", () => { hovered = chart; });
    chart.over.addEventListener("mouseleave", () => { hovered = null; tip.hidden = true; });
    chart.over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;  // a plain wheel scrolls the page
      event.preventDefault();
      near(chart, chart.posToVal(event.offsetX, "x"), event.deltaY < 0 ? 0.7 : 1 / 0.7);
    }, { passive: false });
    return chart;
  };

  const scaleFine = (u) => (u.scales.x.max - u.scales.x.min < 30 ? 2 : 0);
  const near = (chart, at, factor) => {
    const [min, max] = scaleOf(chart);
    zoom(at - (at - min) * factor, at + (max - at) * factor);
  };
  const keyed = (chart, event) => {
    const [min, max] = scaleOf(chart), span = max - min;
    const width = chart.over.clientWidth, x = chart.cursor.left;
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (turn && event.shiftKey) {
      const by = Math.max(whole.min - min, Math.min(whole.max - max, turn * span * 0.2));
      zoom(min + by, max + by);
    } else if (turn) {
      hovered = chart;
      const to = Math.min(width - 1, Math.max(0, (x < 0 ? width / 2 : x) + turn * Math.max(2, width / 100)));
      chart.setCursor({ left: to, top: chart.over.clientHeight / 2 }, true, true);
    } else if (event.key === "+" || event.key === "=") near(chart, x < 0 ? (min + max) / 2 : chart.posToVal(x, "x"), 0.6);
    else if (event.key === "-") near(chart, x < 0 ? (min + max) / 2 : chart.posToVal(x, "x"), 1 / 0.6);
    else if (event.key === "0" || event.key === "Home") reset();
    else if (event.key === "Escape") { hovered = null; tip.hidden = true; chart.setCursor({ left: -10, top: -10 }); }
    else return;
    event.preventDefault();
  };

  // --- the tip beside the cursor --------------------------------------------------------------

  const tip = $("tip");
  let hovered = null;
  const showTip = (u, x, y, text) => {
    const box = u.over.getBoundingClientRect();
    tip.textContent = text;
    tip.hidden = false;
    const right = box.left + x + 16 + tip.offsetWidth < innerWidth;
    tip.style.left = `${Math.max(4, right ? box.left + x + 16 : box.left + x - 16 - tip.offsetWidth)}px`;
    tip.style.top = `${Math.max(4, Math.min(box.top + y + 14, innerHeight - tip.offsetHeight - 4))}px`;
  };
  const bucketAt = (at) => {
    let low = 0, high = about.buckets - 1;
    while (low < high) { const mid = (low + high + 1) >> 1; if (edges[mid] <= at) low = mid; else high = mid - 1; }
    return at < edges[0] || at > end ? -1 : low;
  };

  // --- each kind of plot ----------------------------------------------------------------------

  const gaps = (line, factor) => Array.from(line, (v) => (Number.isFinite(v) ? v * factor : null));
  const button = (text, pressed, parent) => {
    const one = document.createElement("button");
    one.type = "button";
    one.append(text);
    one.setAttribute("aria-pressed", pressed);
    parent.append(one);
    return one;
  };
  const swatch = (colour, dash) => {
    const one = document.createElement("span");
    one.className = "swatch";
    one.style.color = colour;
    if (dash.length) one.style.borderTopStyle = dash[0] > 3 ? "dashed" : "dotted";
    return one;
  };

  function linePlot(plot, figure) {
    const layers = about.layers.filter((one) => one.plot === plot.key);
    let [factor, unit] = UNITS[plot.unit] ?? [1, plot.unit];
    const most = Math.max(...layers.flatMap((l) => l.lines.map((line) =>
      line.reduce((a, v) => (Number.isFinite(v) ? Math.max(a, Math.abs(v)) : a), 0))));
    if (unit === "V" && most < 1) [factor, unit] = [1000, "mV"];
    const cells = layers.some((one) => one.cells);
    const all = [];
    layers.forEach((layer, n) => layer.lines.forEach((line, k) => {
      const index = all.length;
      all.push({
        layer, k, label: layer.labels[k], name: layer.cells ? `${layer.labels[k]}, ${layer.name}` : layer.labels[k],
        data: gaps(line, factor), dash: layer.cells ? [] : DASHES[index % 8],
        colour: layer.cells ? () => cellColour(k, layer.lines.length) : () => lineColour(index),
        shown: !layer.cells || n === 0,
      });
    }));
    const series = all.map((one) => ({
      label: one.name, show: one.shown, stroke: one.colour, dash: one.dash, width: one.layer.cells ? 1.2 : one === all[0] ? 2.2 : 1.3,
      points: { show: about.points < 400 && !one.layer.cells, size: 4 }, spanGaps: false,
    }));
    const tell = (u, at, y) => {
      const index = u.cursor.idx ?? 0, read = clock(times[index], scaleFine(u));  // of the nearest point
      const there = all.filter((one, n) => u.series[n + 1].show && one.data[index] != null);
      if (!there.length) return { short: `${read}   nothing known`, long: `${read}\nnothing known` };
      if (!cells) {
        const long = there.map((one) => `${one.name}: ${written(one.data[index], unit)}`);
        return { short: [read, ...long].join(GAP), long: [read, ...long].join("\n") };
      }
      const sorted = [...there].sort((a, b) => a.data[index] - b.data[index]);
      const low = sorted[0], high = sorted[sorted.length - 1], value = u.posToVal(y, "y");
      const close = sorted.reduce((a, b) =>
        Math.abs(b.data[index] - value) < Math.abs(a.data[index] - value) ? b : a);
      const told = (what, one) => `${what} ${one.label}: ${written(one.data[index], unit)}`;
      const ends = [told("highest", high), told("lowest", low)];
      return { short: [read, ...ends].join(GAP), long: [read, told("nearest", close), ...ends].join("\n") };
    };
    const chart = build(plot.key, figure, {
      unit, series, lines: all.map((one) => one.data), tell,
      height: () => (cells ? 320 : 210),
      yRange: (u, min, max) => {
        if (min === null || max === null) return [0, 1];
        const room = (max - min) * 0.06 || Math.abs(max) * 0.01 || 1;
        return [plot.key === "gap" || plot.key === "spread" ? Math.min(0, min) : min - room, max + room];
      },
      yAxis: {
        label: unit, labelSize: 20, labelFont: "12px system-ui, sans-serif",
        values: (_, splits, __, ___, incr) =>
          splits.map((v) => v.toFixed(Math.min(7, Math.max(0, -Math.floor(Math.log10(incr) + 1e-9))))),
      },
    });
    legend(figure.querySelector(".legend"), chart, layers, all, cells);
    return chart;
  }

  function legend(box, chart, layers, all, cells) {
    const paint = () => {
      box.replaceChildren();
      if (cells && layers.length > 1) {
        const group = document.createElement("span");
        group.className = "layers";
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", "which voltages");
        box.append(group);
        for (const layer of layers) {
          const on = all.some((one, n) => one.layer === layer && chart.series[n + 1].show);
          button(layer.name, on, group).addEventListener("click", () => {
            const old = all.map((one, n) => chart.series[n + 1].show && one.k);
            const cellsOn = new Set(old.filter((k) => k !== false));
            chart.batch(() => all.forEach((one, n) =>
              chart.setSeries(n + 1, { show: one.layer === layer && (cellsOn.has(one.k) || !cellsOn.size) })));
            paint();
          });
        }
      }
      const shown = cells ? all.filter((one) => one.layer === layers[0]) : all;
      for (const one of shown) {
        const same = all.map((_, n) => n).filter((n) => (cells ? all[n].k === one.k : all[n] === one));
        const on = same.some((n) => chart.series[n + 1].show);
        const label = cells ? String(one.k + 1) : one.name;
        const key = button(swatch(one.colour(), one.dash), on, box);
        key.append(label);
        if (cells) { key.className = "cell"; key.setAttribute("aria-label", one.label); }
        key.addEventListener("click", () => {
          const layer = all.find((other, n) => chart.series[n + 1].show)?.layer ?? layers[0];
          for (const n of same)
            if (!cells || all[n].layer === layer) chart.setSeries(n + 1, { show: !chart.series[n + 1].show });
          paint();
        });
      }
    };
    chart.relabel = paint;
    paint();
  }

  const empty = () => times.map(() => null);

  function bleedMap(plot, figure) {
    const cells = about.bleeding, row = () => (cells > 20 ? 11 : 16);
    const ramp = document.createElement("span"), canvas = document.createElement("canvas");
    const box = figure.querySelector(".legend");
    const draw = (u) => {
      const { ctx, bbox } = u, height = bbox.height / cells, step = Math.max(1, Math.round(devicePixelRatio));
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      for (let x = 0; x < bbox.width; x += step) {
        const a = u.posToVal(x / devicePixelRatio, "x");
        const b = u.posToVal((x + step) / devicePixelRatio, "x");
        if (b < edges[0] || a > end) continue;
        const first = bucketAt(Math.max(a, edges[0])), last = bucketAt(Math.min(b, end));
        for (let k = 0; k < cells; k++) {
          let duty = -1;  // of the buckets under a pixel the largest: no bleed is too short to see
          for (let n = first; n <= last; n++) {
            const code = bleeds.mean[k][n];
            if (code !== UNKNOWN && code > duty) duty = code;
          }
          if (duty === 0) continue;
          ctx.fillStyle = duty < 0 ? css("--line") : heat(duty / STEPS);
          ctx.fillRect(bbox.left + x, bbox.top + k * height + 0.5, step, Math.max(1, height - 1));
        }
      }
      ctx.restore();
    };
    const tell = (u, at, y) => {
      const n = bucketAt(at), k = Math.min(cells - 1, Math.max(0, Math.floor((y / u.over.clientHeight) * cells)));
      if (n < 0) return { short: "", long: "no tick" };
      const share = (code) => (code === UNKNOWN ? "not known" : `${((100 * code) / STEPS).toFixed(1)} %`);
      const on = bleeds.mean.filter((one) => one[n] > 0 && one[n] !== UNKNOWN).length;
      const peak = about.every > 1 ? `, peak ${share(bleeds.peak[k][n])}` : "";
      return {
        short: [clock(at, scaleFine(u)), `${on} of ${cells} cells bled`].join(GAP),
        long: `${clock(at, scaleFine(u))}\ncell ${k + 1}: duty ${share(bleeds.mean[k][n])}${peak}\n${on} of ${cells} cells bled`,
      };
    };
    const every = cells > 20 ? 2 : 1;
    const chart = build(plot.key, figure, {
      unit: "%", series: [{ show: true, paths: () => null, points: { show: false } }], lines: [empty()], tell, draw,
      height: () => cells * row() + 46,
      yRange: () => [0, cells], down: true,
      yAxis: {
        splits: () => Array.from({ length: cells }, (_, k) => k + 0.5),
        values: () => Array.from({ length: cells }, (_, k) => (k % every === 0 ? String(k + 1) : "")),
        grid: { show: false }, label: "cell", labelSize: 20, labelFont: "12px system-ui, sans-serif",
      },
    });
    chart.relabel = () => {
      ramp.className = "ramp";
      canvas.width = 160; canvas.height = 1;
      const ctx = canvas.getContext("2d");
      for (let x = 0; x < 160; x++) { ctx.fillStyle = heat(x / 159); ctx.fillRect(x, 0, 1, 1); }
      canvas.setAttribute("aria-hidden", "true");
      ramp.replaceChildren("duty above 0 %", canvas, "100 %; empty is off, grey not known");
      box.replaceChildren(ramp);
    };
    chart.relabel();
    return chart;
  }

  function eventStrip(figure) {
    const families = Object.keys(about.families).filter((f) => about.events.some((e) => e.family === f));
    const rows = ["steps", ...families], leaves = about.steps.filter((s) => s.label);
    const draw = (u) => {
      const { ctx, bbox } = u, height = bbox.height / rows.length, ratio = devicePixelRatio;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      ctx.textBaseline = "middle";
      ctx.textAlign = "left";
      leaves.forEach((step, n) => {
        const a = u.valToPos(step.at, "x", true), b = u.valToPos(step.until ?? to, "x", true);
        ctx.globalAlpha = n % 2 ? 0.1 : 0.2;
        ctx.fillStyle = css("--ink");
        ctx.fillRect(a, bbox.top + 1, Math.max(1, b - a), height - 2);
        ctx.globalAlpha = 1;
        const left = Math.max(a, bbox.left);
        if (ctx.measureText(step.label).width + 8 * ratio < Math.min(b, bbox.left + bbox.width) - left)
          ctx.fillText(step.label, left + 4 * ratio, bbox.top + height / 2);
      });
      for (const event of about.events) {
        const top = bbox.top + (families.indexOf(event.family) + 1) * height;
        const a = u.valToPos(event.at, "x", true), b = u.valToPos(event.until, "x", true);
        ctx.fillStyle = css(`--f-${event.family}`);
        ctx.fillRect(a - 2 * ratio, top + 3 * ratio, Math.max(4 * ratio, b - a), height - 6 * ratio);
      }
      ctx.restore();
    };
    const tell = (u, at) => {
      const [min, max] = scaleOf(u), reach = ((max - min) / u.over.clientWidth) * 6;
      const on = leaves.filter((s) => s.at <= at && at <= (s.until ?? to)).map((s) => s.label);
      const hit = about.events.filter((e) => e.at - reach <= at && at <= e.until + reach);
      const told = hit.slice(0, 8).map((e) => `${clock(e.at, scaleFine(u))}  ${e.text}`);
      if (hit.length > 8) told.push(`and ${hit.length - 8} more`);
      const step = on.length ? `step ${on.join(", ")}` : "no step";
      const read = clock(at, scaleFine(u));
      return { short: [read, step].join(GAP), long: [read, step, ...told].join("\n") };
    };
    return build("events", figure, {
      unit: "", series: [{ paths: () => null, points: { show: false } }], lines: [empty()], tell, draw,
      height: () => rows.length * 20 + 42,
      yRange: () => [0, rows.length], down: true,
      yAxis: {
        splits: () => rows.map((_, k) => k + 0.5), grid: { show: false }, label: " ", labelSize: 20,
        values: () => rows.map((one) => (one === "steps" ? "steps" : SHORT[one])),
      },
    });
  }
  const SHORT = { board: "board", deviation: "deviat.", injected: "injected", link: "link", bench: "bench", stop: "stop", safe: "safe" };

  // --- all of it ------------------------------------------------------------------------------

  const plots = Object.fromEntries(about.plots.map((plot) => [plot.key, plot]));
  for (const figure of document.querySelectorAll("figure.plot")) {
    const key = figure.dataset.key;
    if (key === "events") eventStrip(figure);
    else if (key === "bleeds") bleedMap(plots[key], figure);
    else linePlot(plots[key], figure);
  }
  reset();

  const tools = $("tools"), select = $("step");
  tools.hidden = false;
  about.steps.forEach((step, n) => select.append(new Option(`${step.label} at ${clock(step.at)}`, n)));
  select.addEventListener("change", () => {
    const step = about.steps[select.value];
    if (!step) return reset();
    const until = step.until ?? to, room = Math.max((until - step.at) * 0.03, 5);
    zoom(step.at - room, until + room);
  });
  $("whole").addEventListener("click", () => { select.value = ""; reset(); });
  const middle = () => { const [min, max] = scaleOf(charts[0]); return (min + max) / 2; };
  $("in").addEventListener("click", () => near(charts[0], middle(), 0.5));
  $("out").addEventListener("click", () => near(charts[0], middle(), 2));
  for (const time of document.querySelectorAll("button.time"))
    time.addEventListener("click", () => {
      const at = Number(time.dataset.at), span = Math.min(whole.max - whole.min, Math.max(60, (whole.max - whole.min) / 50));
      zoom(at - span / 2, at + span / 2);
      $("plots").scrollIntoView({ behavior: "smooth" });
    });

  const repaint = () => { for (const chart of charts) { chart.relabel?.(); chart.redraw(); } };
  const resize = () => { for (const chart of charts) chart.resize(); };
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; resize(); } });
  dark.addEventListener("change", repaint);
  addEventListener("beforeprint", () => { printing = true; resize(); repaint(); });
  addEventListener("afterprint", () => { printing = false; resize(); repaint(); });
})();

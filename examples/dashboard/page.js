// Reads /metrics, and shows what it has seen, at most the last minute and a half.

import { Chart, element } from "/chart.js";

const PERIOD = 500; // milliseconds between two reads
const SPANS = [10, 20, 30, 60, 90]; // seconds that the axis may show
const PREFIX = "tower_reauth_";

const whole = value => Math.round(value).toLocaleString("en");
const rate = value => value >= 10 || Number.isInteger(value) ? whole(value) : value.toFixed(1);
const time = value => value >= 1 ? `${value.toFixed(1)} s` : `${Math.round(value * 1000)} ms`;

/** Per second between two reads. */
const perSecond = (name, label, value) => (now, before) =>
  (now.sum(name, label, value) - before.sum(name, label, value)) / (now.at - before.at);

const PANELS = [
  {
    title: "Calls per second", about: "by how they ended", kind: "areas", format: rate,
    series: [
      ["passed", "blue", perSecond("requests_total", "outcome", "passed")],
      ["healed by a replay", "green", perSecond("requests_total", "outcome", "healed")],
      ["rejected", "red", perSecond("requests_total", "outcome", "rejected")],
      ["not sent", "violet", perSecond("requests_total", "outcome", "unsent")],
      ["failed", "grey", perSecond("requests_total", "outcome", "failed")],
    ],
  },
  {
    title: "Rejections per second", about: "a late one, of an outdated token, costs no renewal", kind: "columns", format: rate,
    series: [
      ["current token", "red", perSecond("rejections_total", "token", "current")],
      ["outdated token", "amber", perSecond("rejections_total", "token", "outdated")],
    ],
  },
  {
    title: "Renewals per second", about: "one for everybody who waits", kind: "columns", format: rate,
    series: [
      ["renewed", "green", perSecond("renewals_total", "outcome", "renewed")],
      ["failed", "red", perSecond("renewals_total", "outcome", "failed")],
      ["refused", "violet", perSecond("renewals_total", "outcome", "refused")],
    ],
  },
  {
    title: "Duration of a renewal", about: "over the last ten seconds", kind: "lines", format: time,
    series: [
      ["half are faster", "blue", (now, _, past) => quantile(now, past, 0.5)],
      ["nineteen of twenty are faster", "amber", (now, _, past) => quantile(now, past, 0.95)],
    ],
  },
  {
    title: "Waiters", about: "callers that wait for a renewal at this moment", kind: "areas", format: rate,
    series: [["waiting", "violet", now => now.sum("waiters")]],
  },
];

const SUMS = [
  ["calls", read => read.sum("requests_total")],
  ["healed", read => read.sum("requests_total", "outcome", "healed")],
  ["rejected", read => read.sum("requests_total", "outcome", "rejected")],
  ["renewals", read => read.sum("renewals_total")],
  ["damped", read => read.sum("damped_total")],
];

/** One read of /metrics. */
class Read {
  constructor(text) {
    this.at = performance.now() / 1000;
    this.series = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)]
      .filter(([, name]) => name.startsWith(PREFIX))
      .map(([, name, labels = "", value]) => ({
        name: name.slice(PREFIX.length),
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value])),
        value: Number(value),
      }));
  }

  /** Of all series with this name, and this label if there is one. */
  sum(name, label, value) {
    return this.series
      .filter(one => one.name === name && (label === undefined || one.labels[label] === value))
      .reduce((sum, one) => sum + one.value, 0);
  }
}

/** Estimated from the buckets, as Prometheus does it; null where nothing ended. */
function quantile(now, past, part) {
  const name = "renewal_duration_seconds_bucket";
  const bounds = [...new Set(now.series.filter(one => one.name === name).map(one => one.labels.le))];
  const buckets = bounds.map(le => [Number(le.replace("+Inf", "Infinity")), now.sum(name, "le", le) - past.sum(name, "le", le)]);
  buckets.sort(([one], [other]) => one - other);
  const wanted = (buckets.at(-1)?.[1] ?? 0) * part;
  if (wanted === 0) return null;
  let [low, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= wanted) return bound === Infinity ? low : low + (bound - low) * (wanted - below) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}

const [status, pause, back, when] = ["status", "pause", "back", "when"].map(id => document.getElementById(id));
let reads = [];
let points = []; // { at, values: one list per panel }
let paused = false;
let pointed = null; // seconds ago, while the pointer is on a chart
let missed = 0;

const charts = PANELS.map(panel => {
  const chart = new Chart({
    ...panel, series: panel.series.map(([name, colour]) => ({ name, colour })),
    onPoint: ago => { pointed = ago; show(); },
  });
  const values = panel.series.map(() => element("data", {}, "–"));
  const legend = panel.series.map(([name, colour], index) =>
    element("li", {}, swatch(colour), `${name} `, values[index]));
  const title = element("h2", {}, panel.title);
  document.getElementById("panels").append(
    element("section", { class: "panel" }, title, element("p", {}, panel.about), element("ul", { class: "legend" }, ...legend), chart.svg));
  return { chart, values };
});
const sums = SUMS.map(([name]) => {
  const value = element("dd", {}, "–");
  document.getElementById("sums").append(element("div", {}, element("dt", {}, name), value));
  return value;
});

function swatch(colour) {
  return element("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, element("rect", { class: `area ${colour}`, width: 10, height: 10, rx: 2 }));
}

async function step() {
  try {
    const response = await fetch("/metrics", { signal: AbortSignal.timeout(2000) });
    if (!response.ok) throw new Error(response.statusText);
    take(new Read(await response.text()));
    missed = 0;
    say(paused ? "pause" : "live", paused ? "Paused; the storm goes on" : "Live");
  } catch {
    // A single failure may be a hiccup.
    if (++missed === 3) {
      pause.disabled = true;
      return say("end", reads.length ? "The storm is over; these were its last moments" : "Nothing answers");
    }
  }
  setTimeout(step, PERIOD);
}

function take(now) {
  const before = reads.at(-1);
  reads.push(now);
  reads = reads.filter(read => now.at - read.at <= 10);
  if (before) points.push({ at: now.at, values: PANELS.map(panel => panel.series.map(([, , value]) => value(now, before, reads[0]))) });
  if (paused) return;
  points = points.filter(point => now.at - point.at <= SPANS.at(-1));
  SUMS.forEach(([, value], index) => { sums[index].textContent = whole(value(now)); });
  show();
}

/** Draws up to the last point; numbers are those under the cursor. */
function show() {
  const shown = paused ? points.filter(point => point.at <= paused) : points;
  const last = shown.at(-1);
  if (!last) return;
  const seen = last.at - shown[0].at;
  const span = SPANS.find(span => span >= seen) ?? SPANS.at(-1);
  back.min = -span;
  const chosen = pointed ?? (Number(back.value) < 0 ? -Number(back.value) : null);
  const wanted = last.at - (chosen ?? 0);
  const at = shown.reduce((best, point) => Math.abs(point.at - wanted) < Math.abs(best.at - wanted) ? point : best);
  const ago = last.at - at.at;
  when.textContent = chosen === null ? "now" : `−${ago.toFixed(1)} s`;
  charts.forEach(({ chart, values }, panel) => {
    chart.show(shown.map(point => ({ ago: last.at - point.at, values: point.values[panel] })), span, chosen === null ? null : ago);
    values.forEach((value, index) => {
      const number = at.values[panel][index];
      value.textContent = number === null ? "–" : PANELS[panel].format(number);
    });
  });
}

function say(state, text) {
  if (status.textContent === text) return;
  status.dataset.state = state;
  status.textContent = text;
}

back.min = -SPANS[0];
back.max = 0;
back.value = 0;
back.addEventListener("input", show);
pause.addEventListener("click", () => {
  paused = paused ? false : points.at(-1)?.at ?? false;
  pause.setAttribute("aria-pressed", String(Boolean(paused)));
  pause.textContent = paused ? "Go on" : "Pause";
  say(paused ? "pause" : "live", paused ? "Paused; the storm goes on" : "Live");
  show();
});
step();

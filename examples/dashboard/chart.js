// One chart: series over the time window, stacked areas, stacked columns or lines, with a cursor. Knows nothing of metrics.

const SVG = "http://www.w3.org/2000/svg";
const LABEL = 56; // pixels from one label of the time axis to the next
const MARGIN = { top: 10, right: 10, bottom: 20, left: 54 };

export function element(name, attributes = {}, ...children) {
  const isSvg = ["svg", "path", "line", "text", "rect", "g"].includes(name);
  const made = isSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Chart {
  /** `kind`: "areas", "columns" or "lines". `series`: `{ name, colour }`, lowest first. `onPoint` hears of the pointer. */
  constructor({ title, kind, series, format, onPoint }) {
    Object.assign(this, { kind, series, format });
    this.svg = element("svg", { class: "chart", role: "img", "aria-label": `${title}, over time` });
    this.svg.addEventListener("pointermove", event => onPoint(this.#secondsAt(event)));
    this.svg.addEventListener("pointerleave", () => onPoint(null));
    new ResizeObserver(() => this.#draw()).observe(this.svg);
  }

  /** `points`: `{ ago, values }`, oldest first, a value per series or null. `span`: the axis's seconds. `cursor`: seconds ago, or null. */
  show(points, span, cursor) {
    Object.assign(this, { points, span, cursor });
    this.#draw();
  }

  #draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!this.points || width === 0) return;
    this.right = width - MARGIN.right;
    this.bottom = height - MARGIN.bottom;
    const stacked = this.kind !== "lines";
    const layers = stacked ? stack(this.points) : this.points.map(point => point.values);
    this.top = ceiling(Math.max(0, ...layers.flat().filter(value => value !== null)));

    const shapes = this.series.map((one, index) => {
      const shape = stacked ? this.kind === "areas" ? this.#area(layers, index) : this.#columns(layers, index) : this.#line(layers, index);
      return element("path", { d: shape, class: `${stacked ? "area" : "curve"} ${one.colour}` });
    });
    const cursor = this.cursor === null ? [] : [this.#upright(this.#x(this.cursor))];
    this.svg.replaceChildren(...this.#grid(), ...shapes.reverse(), ...cursor);
  }

  #grid() {
    const marks = [0, this.top / 2, this.top].flatMap(value => {
      const y = this.#y(value);
      return [
        element("line", { class: "grid", x1: MARGIN.left, x2: this.right, y1: y, y2: y }),
        element("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, this.format(value)),
      ];
    });
    const fitting = Math.floor((this.right - MARGIN.left) / LABEL);
    const step = [1, 2, 5, 10, 15, 30].find(step => this.span / step <= fitting) ?? 60;
    for (let ago = 0; ago <= this.span; ago += step) {
      const anchor = ago === 0 ? "end" : "middle";
      const label = ago === 0 ? "now" : `−${ago} s`;
      marks.push(element("text", { x: this.#x(ago), y: this.bottom + 15, "text-anchor": anchor }, label));
    }
    return marks;
  }

  #area(layers, index) {
    if (layers.length === 0) return "";
    const edge = layer => this.points.map((point, at) => [this.#x(point.ago), this.#y(layer < 0 ? 0 : layers[at][layer])]);
    return `M${[...edge(index), ...edge(index - 1).reverse()].map(pair).join("L")}Z`;
  }

  #columns(layers, index) {
    const slot = (this.right - MARGIN.left) / this.span / 2;
    const width = Math.max(1.5, slot - 0.5);
    return layers.map((layer, at) => {
      const low = index === 0 ? 0 : layer[index - 1];
      if (layer[index] === low) return "";
      const x = this.#x(this.points[at].ago) - width;
      return `M${pair([x, this.#y(low)])}V${round(this.#y(layer[index]))}h${round(width)}V${round(this.#y(low))}Z`;
    }).join("");
  }

  #line(layers, index) {
    let pen = "M";
    return layers.map((layer, at) => {
      if (layer[index] === null) { pen = "M"; return ""; }
      const drawn = pen + pair([this.#x(this.points[at].ago), this.#y(layer[index])]);
      pen = "L";
      return drawn;
    }).join("");
  }

  #upright(x) {
    return element("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: this.bottom });
  }

  #x(ago) { return this.right - (ago / this.span) * (this.right - MARGIN.left); }
  #y(value) { return this.bottom - (value / this.top) * (this.bottom - MARGIN.top); }

  #secondsAt(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const part = (this.right - x) / (this.right - MARGIN.left);
    return part < 0 || part > 1 ? null : part * this.span;
  }
}

function stack(points) {
  return points.map(({ values }) => {
    let sum = 0;
    return values.map(value => (sum += value ?? 0));
  });
}

/** The next number that reads well, and whose half does. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(step => step * power).find(step => step >= value);
}

const round = number => number.toFixed(1);
const pair = ([x, y]) => `${round(x)},${round(y)}`;

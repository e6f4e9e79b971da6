// Calls the API through this server, and tells the story that it sends. No token ever comes here.

const byId = id => document.getElementById(id);
const [count, unit, healed, actions, said, live, timeline, alone, ended] =
  ["count", "unit", "healed", "actions", "said", "live", "timeline", "alone", "ended"].map(byId);

/** An element with children; text is text, whatever is in it. */
const make = (name, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
};

// ---- Calls

/** Asks to log in again, once, however many calls find out at a time. */
const askToLogIn = () => {
  if (ended.open) return;
  story.close();
  state("off", "ended");
  for (const deed of cards.values()) end(deed, { part: "ends", text: "a new login is needed" });
  ended.showModal();
};

const call = async (method, body) => {
  const headers = { accept: "application/json", ...(body && { "content-type": "application/json" }) };
  const response = await fetch(actions.dataset.path, { method, headers, body, cache: "no-store" });
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401 && answer.error === "login_required") askToLogIn();
  return { response, answer };
};

const look = async () => {
  const { response, answer } = await call("GET");
  if (Number.isInteger(answer.orders)) {
    count.textContent = answer.orders.toLocaleString("en");
  } else if (response.ok) {
    [count.textContent, unit.textContent] = [response.status, `answers ${actions.dataset.path}`];
  }
  return response;
};

const deeds = {
  async order() {
    const { response } = await call("POST", JSON.stringify({ item: "pears", amount: 2 }));
    if (!response.ok) return response;
    const after = await look();
    return after.ok ? "Two pears are ordered." : after;
  },
  look,
  async ten() {
    const responses = await Promise.all(Array.from({ length: 10 }, look));
    return responses.find(response => !response.ok) ?? "Ten calls, ten answers.";
  },
};

const act = async button => {
  button.setAttribute("aria-busy", "true");
  said.textContent = "";
  try {
    const result = await deeds[button.dataset.do]();
    if (typeof result === "string") said.textContent = result;
    else if (!result.ok && !ended.open) said.textContent = `That did not work (${result.status}). Try again in a moment.`;
  } catch {
    said.textContent = "This server can't be reached. Try again in a moment.";
  } finally {
    button.removeAttribute("aria-busy");
  }
};

actions.addEventListener("click", event => {
  const button = event.target.closest("button[data-do]");
  if (button && !button.hasAttribute("aria-busy")) act(button);
});
// Only the link leads on.
ended.addEventListener("cancel", event => event.preventDefault());

// ---- The story

const time = new Intl.DateTimeFormat("en", {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1, hourCycle: "h23",
});
const SHOWN = 200;
/** What has begun and not ended, by its number. */
const cards = new Map();
/** What has ended and is shown, by its element. */
const rows = new WeakMap();
let device;
let last = 0;

const card = line => {
  const other = line.device !== device;
  const title = make("header", {},
    make("h3", { textContent: line.text }),
    make("span", { className: "device", textContent: other ? `Device ${line.device}` : "Here" }),
    make("time", { dateTime: new Date(line.at).toISOString(), textContent: time.format(line.at) }));
  const steps = make("ol");
  const item = make("li", { className: other ? "deed card other" : "deed card" }, title, steps);
  timeline.prepend(item);
  if (timeline.children.length > SHOWN) timeline.lastChild.remove();
  if (other) alone.hidden = true;
  return { item, title, steps, other, began: line.at, healed: false };
};

const end = (deed, line) => {
  const failed = line.part === "fails";
  // Only what has a status has taken time.
  const [status] = line.text.match(/^\d+/) ?? [];
  const outcome = make("span", { className: failed ? "end failed" : "end", textContent: line.text });
  deed.title.lastChild.before(outcome);
  if (deed.healed && line.part === "succeeds") {
    deed.title.lastChild.before(make("span", { className: "healed", textContent: "healed" }));
    if (healed && !deed.other) healed.textContent = Number(healed.textContent) + 1;
  }
  const took = Math.max(0, line.at - deed.began);
  const row = { item: deed.item, outcome, status, times: 1, fastest: took, slowest: took };
  // What it says but for its times.
  row.says = JSON.stringify([...deed.item.querySelectorAll("h3, .device, .end, .healed, li")].map(part => part.textContent));
  rows.set(deed.item, row);
  fold(row);
};

/** Takes equal neighbours in, so that what differs stands out. */
const fold = row => {
  const { item, outcome, status } = row;
  for (const side of [item.previousElementSibling, item.nextElementSibling]) {
    const other = rows.get(side);
    if (other?.says !== row.says) continue;
    row.times += other.times;
    row.fastest = Math.min(row.fastest, other.fastest);
    row.slowest = Math.max(row.slowest, other.slowest);
    // The newer one is above, and its time stays.
    if (side === item.previousElementSibling) item.querySelector("time").replaceWith(side.querySelector("time"));
    side.remove();
  }
  if (status) outcome.textContent = `${status} in ${[...new Set([row.fastest, row.slowest])].join("–")} ms`;
  if (row.times === 1) return;
  item.querySelector(".times")?.remove();
  item.querySelector("h3").after(make("span", { className: "times", textContent: `${row.times} times` }));
};

const tell = line => {
  // What was told before a connection broke is told again.
  if (line.id <= last) return;
  last = line.id;
  if (line.part === "begins") return cards.set(line.deed, card(line));
  const deed = cards.get(line.deed);
  if (!deed) return;
  if (["succeeds", "fails", "ends"].includes(line.part)) {
    cards.delete(line.deed);
    return end(deed, line);
  }
  deed.healed ||= line.part === "replayed";
  deed.steps.append(make("li", { textContent: line.text }));
};

const state = (name, text) => { [live.dataset.state, live.textContent] = [name, text]; };

const story = new EventSource("/events");
story.addEventListener("device", event => { device = Number(event.data); });
story.addEventListener("line", event => tell(JSON.parse(event.data)));
story.addEventListener("ended", askToLogIn);
story.addEventListener("open", () => state("on", "live"));
story.addEventListener("error", () => {
  const refused = story.readyState === EventSource.CLOSED;
  state("off", refused ? "not connected" : "connecting");
  // A call will tell why.
  if (refused) look().catch(() => {});
});

look().catch(() => {});

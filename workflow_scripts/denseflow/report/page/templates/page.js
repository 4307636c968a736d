"use strict";
// The page's own script: colours, charts, tables. What is shown is put in as text, never as HTML.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Colours.

const scheme = document.getElementById("scheme");
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function setScheme(name) {
  if (name === "auto") delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = name;
  scheme.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[name];
  scheme.dataset.now = name;
}

function colour(name) {
  const probe = make("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Charts: drawn when they come near the screen, and anew when the colours change.

const specs = read("charts");
const views = new Map();

function chartConfig() {
  const [ink, soft, line, strong, bar, before] = ["ink", "soft", "line", "strong-line", "bar", "bar-before"].map(colour);
  const font = getComputedStyle(document.body).fontFamily;
  const text = { labelColor: soft, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelFont: font, titleFont: font };
  return {
    background: null, font, view: { stroke: null },
    axis: { ...text, gridColor: line, domainColor: strong, tickColor: strong, labelLimit: 150 },
    legend: { ...text, labelColor: ink }, text: { color: ink, font, fontSize: 12 },
    line: { color: colour("c1") }, point: { color: colour("c1"), filled: true },
    range: { category: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => colour(`c${n}`)) },
    style: {
      "bar-before": { color: before }, "bar-other": { color: bar }, number: { color: ink, fontSize: 12, font },
      interval: { color: ink, strokeWidth: 1.5 },
    },
  };
}

async function draw(place, spec) {
  views.get(place)?.finalize();
  const { view } = await vegaEmbed(place, { ...spec, config: chartConfig() }, { actions: false, renderer: "svg", mode: "vega-lite", tooltip: { theme: "custom" } });
  views.set(place, view);
  return view;
}

const redraws = new Map();
const nearScreen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    nearScreen.unobserve(entry.target);
    redraws.get(entry.target)();
  }
}, { rootMargin: "800px" });

function drawWhenNear(place, redraw) {
  redraws.set(place, redraw);
  nearScreen.observe(place);
}

function coloursChanged() {
  for (const [place, redraw] of redraws) if (views.has(place)) redraw();
}

for (const place of document.querySelectorAll("[data-chart]")) drawWhenNear(place, () => draw(place, specs[place.dataset.chart]));
setScheme("auto");
systemDark.addEventListener("change", coloursChanged);
scheme.addEventListener("click", () => {
  setScheme({ auto: "light", light: "dark", dark: "auto" }[scheme.dataset.now]);
  coloursChanged();
});
addEventListener("beforeprint", () => { for (const redraw of redraws.values()) redraw(); });

// Tables: sorted by their headings, filtered by a box above.

function key(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.textContent.trim();
  const number = value === "" || value === "–" ? NaN : Number(value);
  return cell.classList.contains("number") ? number : value;
}

function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b, undefined, { numeric: true });
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a - b;
}

function sortTable(table, heading) {
  const column = heading.cellIndex;
  const number = heading.classList.contains("number");
  const now = heading.getAttribute("aria-sort");
  const down = now ? now === "ascending" : number;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, column), row]);
  rows.sort(([a], [b]) => (Number.isNaN(a) || Number.isNaN(b) || !down ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    if (heading.classList.contains("unsorted")) continue;
    const button = make("button", { type: "button" }, ...heading.childNodes);
    button.addEventListener("click", () => sortTable(table, heading));
    heading.append(button);
  }
}

for (const box of document.querySelectorAll(".tablebox[data-filter]")) {
  const rows = [...box.querySelector("tbody").rows];
  const input = make("input", { type: "search", placeholder: `Filter ${box.dataset.filter}`, autocomplete: "off" });
  input.setAttribute("aria-label", `Filter ${box.dataset.filter}`);
  const count = make("span", { className: "small" });
  count.setAttribute("aria-live", "polite");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
  box.prepend(make("div", { className: "tablebar" }, input, count));
}

// The section that is read is marked in the navigation.

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const sections = [...document.querySelectorAll("main > section[id]")];

function markSection() {
  const at = sections.findLast((section) => section.getBoundingClientRect().top < innerHeight / 3);
  for (const [id, link] of links) link.classList.toggle("here", id === at?.id);
}
addEventListener("scroll", markSection, { passive: true });
markSection();

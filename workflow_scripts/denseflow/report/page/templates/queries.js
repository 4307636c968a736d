// Query by query: the list, the picture of differences, and what is behind a query.

const data = read("queries-data");
const changesSpec = read("changes-chart");
const AT_ONCE = 25;
const field = (name) => document.getElementById(`q-${name}`);
const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(4);
let shown = AT_ONCE;

function options(select, names, chosen) {
  select.replaceChildren(...names.map(([value, text]) => make("option", { value, textContent: text, selected: value === chosen })));
}

const place = () => data.places[field("place").value];
const values = (system) => place().values[field("measure").value][system];

function fillSystems() {
  const names = place().systems;
  const from = names.includes(data.before) ? data.before : names[0];
  options(field("measure"), Object.keys(place().values).map((name) => [name, name]), field("measure").value);
  options(field("from"), names.map((name) => [name, name]), from);
  options(field("to"), names.map((name) => [name, name]), names.includes(data.after) ? data.after : names.find((name) => name !== from) ?? from);
}

function rows() {
  const before = values(field("from").value), after = values(field("to").value);
  return place().queries.map(([id, text], at) => ({ at, id, text, before: before[at], after: after[at], difference: after[at] - before[at] }));
}

const ORDERS = {
  gained: (a, b) => b.difference - a.difference,
  lost: (a, b) => a.difference - b.difference,
  changed: (a, b) => Math.abs(b.difference) - Math.abs(a.difference),
  from: (a, b) => a.before - b.before,
  to: (a, b) => a.after - b.after,
  text: (a, b) => a.text.localeCompare(b.text),
};

function changed() {
  const all = rows();
  const wins = all.filter((row) => row.difference > 1e-9).length, losses = all.filter((row) => row.difference < -1e-9).length;
  const of = place(), less = of.queries.length < of.total ? ` (of ${of.total}, those that changed most)` : "";
  field("said").textContent = `${field("measure").value}, ${field("from").value} → ${field("to").value}: ` +
    `${wins} queries gained, ${losses} lost, ${all.length - wins - losses} stayed as they were${less}.`;
  list();
  if (views.has(field("chart"))) drawChanges();
}

function chosenRows() {
  const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows().filter((row) => words.every((word) => `${row.id} ${row.text}`.toLowerCase().includes(word)));
  return found.sort(ORDERS[field("order").value]);
}

function list() {
  const found = chosenRows();
  field("count").textContent = `${found.length} of ${place().queries.length} queries`;
  field("list").replaceChildren(...found.slice(0, shown).map(listItem));
  field("more").hidden = found.length <= shown;
}

function listItem(row) {
  const tone = row.difference > 1e-9 ? "good" : row.difference < -1e-9 ? "bad" : "";
  const button = make("button", { type: "button", ariaExpanded: "false" },
    make("span", { className: `delta ${tone}`, textContent: signed(row.difference) }),
    make("span", { textContent: row.text || row.id }),
    make("span", { className: "pair", textContent: `${row.before.toFixed(4)} → ${row.after.toFixed(4)}` }));
  const item = make("li", {}, button);
  item.dataset.query = row.id;
  button.addEventListener("click", () => {
    const open = button.ariaExpanded === "true";
    button.ariaExpanded = String(!open);
    if (open) item.lastChild.remove();
    else item.append(detail(row));
  });
  return item;
}

const passageText = (number) => { const [id, title, text] = data.passages[number]; return { id, title: title || text.slice(0, 90) || id, text }; };

function passageItem(number, rank, level, moves, tag) {
  const { id, title, text } = passageText(number);
  const summary = make("summary", {}, title);
  if (tag) summary.append(" ", make("span", { className: "tag relevant", textContent: tag }));
  if (moves) summary.append(" ", make("span", { className: "moves", textContent: moves }));
  const body = make("details", {}, summary, make("p", {}, text || "No text.", " ", make("code", { textContent: id })));
  return make("li", { className: level > 0 ? "hit" : "" }, make("span", { className: "rank", textContent: rank }), body);
}

function ranking(detail, system, other) {
  const places = new Map((detail.rankings[other] ?? []).map(([number], at) => [number, at]));
  const items = (detail.rankings[system] ?? []).map(([number, level], at) => {
    const there = places.get(number);
    const moves = system === other ? "" : there === undefined ? "only here" : there === at ? "" : there > at ? `↑${there - at}` : `↓${at - there}`;
    return passageItem(number, at + 1, level, moves, level > 1 ? `relevant, level ${level}` : level > 0 ? "relevant" : "");
  });
  return items.length ? make("ol", { className: "passages" }, ...items) : make("p", { className: "small", textContent: "It found nothing." });
}

function detail(row) {
  const of = place(), found = of.details[row.at], from = field("from").value, to = field("to").value;
  const head = make("p", { className: "full" }, row.text || row.id);
  const scores = of.systems.map((name) => `${name} ${values(name)[row.at].toFixed(4)}`).join(" · ");
  const twin = of.near_twins.includes(row.at) ? " · has a near-twin in training" : "";
  const box = make("div", { className: "detail" }, head, make("p", { className: "small", textContent: `${row.id} · ${field("measure").value}: ${scores}${twin}` }));
  if (!found) {
    box.append(make("p", { className: "small", textContent: "Its rankings are in the run files only: so that the page stays small, it holds those of the queries that changed most." }));
    return box;
  }
  const systems = Object.keys(found.rankings);
  const rankOf = (ranks, system) => ranks[systems.indexOf(system)] || "none";
  const relevant = found.relevant.map(([number, level, ranks]) => passageItem(number, "✓", level, `rank ${rankOf(ranks, from)} → ${rankOf(ranks, to)}`, level > 1 ? `level ${level}` : ""));
  const many = found.judged > relevant.length ? `, ${relevant.length} of ${found.judged}` : "";
  box.append(make("h4", { textContent: `Relevant passages${many}` }), make("ol", { className: "passages" }, ...relevant));
  const side = (system, other) => make("div", {}, make("h4", { textContent: `First ten of ${system}` }), ranking(found, system, other));
  box.append(make("div", { className: "sides" }, side(from, to), ...(from === to ? [] : [side(to, from)])));
  return box;
}

function openQuery(id) {
  field("search").value = "";
  const found = chosenRows().findIndex((row) => row.id === id);
  if (found >= shown) shown = found + 1;
  list();
  const item = [...field("list").children].find((one) => one.dataset.query === id);
  const button = item.querySelector("button");
  button.click();
  button.focus({ preventScroll: true });
  item.scrollIntoView({ block: "start" });
}

function sortedChanges() {
  return rows().sort(ORDERS.gained).map((row, at) => ({
    from: at, to: at + 1, id: row.id, query: row.text || row.id, difference: row.difference, sign: row.difference < 0 ? "lost" : "gained",
  }));
}

function drawChanges() {
  const spec = structuredClone(changesSpec), found = sortedChanges();
  spec.data = { values: found };
  spec.encoding.color.scale.range = [colour("good"), colour("bad")];
  spec.encoding.x.scale = { domain: [0, found.length], nice: false };
  return draw(field("chart"), spec);
}

function changeChosen(event) {
  const view = views.get(field("chart")), found = sortedChanges();
  if (!view) return;
  const left = event.clientX - field("chart").querySelector("svg").getBoundingClientRect().left - view.origin()[0];
  const at = Math.floor(view.scale("x").invert(left));
  openQuery(found[Math.min(found.length - 1, Math.max(0, at))].id);
}

options(field("place"), data.places.map((of, at) => [String(at), `${of.dataset} ${of.split}`]), "0");
if (data.places.length) {
  fillSystems();
  field("place").addEventListener("change", fillSystems);
  for (const name of ["place", "measure", "from", "to"]) field(name).addEventListener("change", () => { shown = AT_ONCE; changed(); });
  for (const name of ["search", "order"]) field(name).addEventListener("input", () => { shown = AT_ONCE; list(); });
  field("chart").addEventListener("click", changeChosen);
  field("more").addEventListener("click", () => { shown += AT_ONCE; list(); });
  changed();
  drawWhenNear(field("chart"), drawChanges);
}

// The links between the steps, drawn over the boxes' places, and what a chosen step hangs together with.

const steps = read("graph-data");
const graph = document.getElementById("graph");
const boxes = [...graph.querySelectorAll(".step")].reduce((all, box) => all.set(Number(box.dataset.step), box), new Map());
const lines = steps.links.map(([from, to]) => {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  graph.querySelector("svg").append(path);
  return { from, to, path };
});

function place_lines() {
  const frame = graph.getBoundingClientRect();
  for (const { from, to, path } of lines) {
    const a = boxes.get(from).getBoundingClientRect(), b = boxes.get(to).getBoundingClientRect();
    const x1 = a.left + a.width / 2 - frame.left, y1 = a.bottom - frame.top, x2 = b.left + b.width / 2 - frame.left, y2 = b.top - frame.top;
    const bend = Math.min(60, Math.max(14, (y2 - y1) / 2));
    path.setAttribute("d", `M${x1},${y1}C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`);
  }
}

function related(number, forwards) {
  const found = new Set([number]);
  const waiting = [number];
  while (waiting.length) {
    const at = waiting.pop();
    for (const { from, to } of lines) {
      const [here, there] = forwards ? [from, to] : [to, from];
      if (here === at && !found.has(there)) { found.add(there); waiting.push(there); }
    }
  }
  return found;
}

function choose(number) {
  const above = number === null ? new Set() : related(number, false), below = number === null ? new Set() : related(number, true);
  const lit = (from, to) => (above.has(from) && above.has(to)) || (below.has(from) && below.has(to));
  graph.classList.toggle("chosen", number !== null);
  for (const [other, box] of boxes) {
    box.classList.toggle("lit", above.has(other) || below.has(other));
    box.ariaPressed = String(other === number);
  }
  for (const { from, to, path } of lines) path.classList.toggle("lit", lit(from, to));
  document.getElementById("graph-said").textContent = number === null ? "" : steps.steps[number];
}

for (const [number, box] of boxes) box.addEventListener("click", () => choose(box.ariaPressed === "true" ? null : number));
new ResizeObserver(place_lines).observe(graph);

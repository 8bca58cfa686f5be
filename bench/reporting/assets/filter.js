// Methods can be filtered by what their cards say: rows of tables and parts of figures alike.
const FACETS = { family: ["Family", "All families"], licence: ["Licence", "All licences"], device: ["Device", "All devices"] };

const filter = (section, state, { methods, devices }) => {
  const all = Object.entries(methods);
  const bar = section.querySelector(".filter");
  const names = Object.keys(FACETS).filter((name) => {
    const values = [...new Set(all.flatMap(([, card]) => card[name]))].sort();
    state.declare(name, "", (value) => value === "" || values.includes(value));
    if (values.length < 2) return false; // there is nothing to choose
    const [title, everything] = FACETS[name];
    const select = make("select", { "aria-label": title }, ...[["", everything], ...values.map((value) => [value, devices[value] ?? value])].map(option));
    select.addEventListener("change", () => state.set({ [name]: select.value }));
    state.follow([name], () => { select.value = state.get(name); });
    bar.append(make("label", {}, title, select));
    return true;
  });
  if (!names.length) return;
  const shown = make("output");
  const reset = make("button", { type: "button" }, "Show all");
  reset.addEventListener("click", () => state.reset(names));
  bar.append(shown, reset);
  bar.hidden = false;

  state.follow(names, () => {
    const passes = ([, card]) => names.every((name) => state.get(name) === "" || card[name].includes(state.get(name)));
    const kept = new Set(all.filter(passes).map(([method]) => method));
    const device = state.get("device");
    for (const part of section.querySelectorAll("[data-method], [data-device]")) {
      const isElsewhere = device !== "" && (part.dataset.device ?? device) !== device;
      const isOut = part.dataset.method in methods && !kept.has(part.dataset.method);
      part.classList.toggle("out", isOut || isElsewhere);
    }
    for (const svg of section.querySelectorAll("svg[data-pitch]")) closeRows(svg);
    for (const line of section.querySelectorAll("svg [data-role=front]")) drawFront(line);
    shown.value = `${kept.size} of ${all.length} methods`;
    reset.disabled = names.every((name) => state.get(name) === "");
  });
};

// Move the rows that are left up to the axis, and cut off the room below them.
const closeRows = (svg) => {
  const pitch = Number(svg.dataset.pitch);
  const parts = [...svg.querySelectorAll("[data-row]")];
  const rows = new Map();
  for (const part of parts) rows.set(Number(part.dataset.row), !part.classList.contains("out"));
  const order = [...rows.keys()].sort((a, b) => a - b).filter((row) => rows.get(row));
  for (const part of parts) {
    const gone = Number(part.dataset.row) - order.indexOf(Number(part.dataset.row));
    part.setAttribute("transform", `translate(0 ${-pitch * gone})`);
  }
  svg.dataset.height ??= svg.viewBox.baseVal.height;
  const height = Number(svg.dataset.height) - pitch * (rows.size - order.length);
  svg.viewBox.baseVal.height = height;
  svg.setAttribute("height", `${height}pt`);
};

// The Pareto front of the points that are left: none of it is beaten in both quality and time.
const drawFront = (line) => {
  const points = [...line.ownerSVGElement.querySelectorAll("[data-role=point]:not(.out) use")]
    .map((mark) => ({ mark, x: Number(mark.getAttribute("x")), y: Number(mark.getAttribute("y")) }))
    .sort((a, b) => a.x - b.x || a.y - b.y);
  const front = points.filter(({ y }, index) => points.slice(0, index).every((faster) => faster.y > y));
  for (const point of points) point.mark.style.fill = front.includes(point) ? point.mark.style.stroke : "var(--page)";
  const [first, ...rest] = front;
  line.querySelector("path").setAttribute("d", first ? `M${first.x} ${first.y}${rest.map(({ x, y }) => `H${x}V${y}`).join("")}` : "");
};

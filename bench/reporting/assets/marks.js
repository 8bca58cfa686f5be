// A method under the mouse or the focus stands out in every figure and row; a click keeps it so.
const marks = (section) => {
  const parts = new Map();
  for (const part of section.querySelectorAll("[data-method]")) {
    const { method } = part.dataset;
    parts.set(method, [...(parts.get(method) ?? []), part]);
  }
  const kept = new Set();
  let lit = [];
  let passing = null;
  const show = () => {
    for (const part of lit) part.classList.remove("lit");
    lit = [...new Set([...kept, passing])].flatMap((method) => parts.get(method) ?? []);
    for (const part of lit) part.classList.add("lit");
    section.classList.toggle("marking", lit.length > 0);
  };
  const pass = (method) => {
    if (method === passing) return;
    passing = method;
    show();
  };
  const toggle = (method) => {
    if (!kept.delete(method)) kept.add(method);
    for (const button of section.querySelectorAll("button.name")) button.setAttribute("aria-pressed", kept.has(button.closest("[data-method]").dataset.method));
    show();
  };
  const methodAt = (event) => event.target.closest("[data-method]")?.dataset.method ?? null;

  for (const line of section.querySelectorAll("[data-role=line] path[clip-path]")) line.before(wide(line));
  for (const title of section.querySelectorAll(".results tbody th .title")) {
    const button = make("button", { type: "button", class: "name", "aria-pressed": "false" }, ...title.childNodes);
    button.addEventListener("click", () => toggle(methodAt({ target: button })));
    title.replaceWith(button);
  }
  section.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") pass(methodAt(event)); });
  section.addEventListener("pointerleave", () => pass(null));
  section.addEventListener("focusin", (event) => pass(event.target.matches("button.name") ? methodAt(event) : null));
  section.addEventListener("focusout", () => pass(null));
  section.addEventListener("click", (event) => { if (event.target.closest("svg [data-method]")) toggle(methodAt(event)); });
  section.addEventListener("keydown", (event) => { if (event.key === "Escape") [...kept].forEach(toggle); });
};

// A line that is not seen, wide enough to be met by a mouse.
const wide = (line) => {
  const copy = line.cloneNode();
  copy.setAttribute("class", "reach");
  copy.setAttribute("style", "fill: none; stroke: transparent; stroke-width: 9; pointer-events: stroke");
  return copy;
};

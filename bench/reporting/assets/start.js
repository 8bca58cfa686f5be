const parsed = (id) => JSON.parse(document.getElementById(id).textContent);

for (const table of document.querySelectorAll("table.sortable")) sortable(table);
const sections = [...document.querySelectorAll("section.run")];
const states = sections.map((section, index) => {
  const state = new State(section, sections.length > 1 ? String(index + 1) : "");
  const about = parsed(`${section.id}-about`);
  levels(section, state, about.levels);
  references(section);
  filter(section, state, about);
  marks(section);
  const root = section.querySelector("[data-viewer]");
  if (root) new Viewer(root, parsed(root.dataset.viewer), state);
  return state;
});
followAddress(states);

const parsed = (id) => JSON.parse(document.getElementById(id).textContent);

for (const table of document.querySelectorAll("table.sortable")) sortable(table);
const sections = [...document.querySelectorAll("section.run")];
const states = sections.map((section, index) => {
  const state = new State(sections.length > 1 ? String(index + 1) : "");
  const about = parsed(`${section.id}-about`);
  levels(section, state, about.levels);
  references(section);
  filter(section, state, about);
  marks(section);
  state.viewer = section.querySelector("[data-viewer]");
  if (state.viewer) new Viewer(state.viewer, parsed(state.viewer.dataset.viewer), state);
  return state;
});
followAddress(states);

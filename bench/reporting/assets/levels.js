// One level of noise is shown at a time, the same all over a run's section.
const levels = (section, state, labels) => {
  const names = labels.map((label) => label.replace(/^σ/, ""));
  state.declare("sigma", names[Math.floor(names.length / 2)], (name) => names.includes(name));
  const buttons = [...section.querySelectorAll("[data-show-level]")];
  for (const group of section.querySelectorAll(".levels")) group.hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const top = button.getBoundingClientRect().top;
      state.set({ sigma: names[button.dataset.showLevel] });
      window.scrollBy(0, button.getBoundingClientRect().top - top);
      say(`Showing ${button.textContent}`);
    });
  }
  state.follow(["sigma"], () => {
    state.level = names.indexOf(state.get("sigma"));
    for (const part of section.querySelectorAll("[data-level]")) part.hidden = Number(part.dataset.level) !== state.level;
    for (const button of buttons) button.setAttribute("aria-pressed", Number(button.dataset.showLevel) === state.level);
  });
};

// Another method can be the one with which all are compared.
const references = (section) => {
  for (const select of section.querySelectorAll("[data-choose-reference]")) {
    select.closest("label").hidden = false;
    select.addEventListener("change", () => {
      for (const forest of section.querySelectorAll("[data-reference]")) forest.hidden = forest.dataset.reference !== select.value;
    });
  }
};

// What is chosen in a run's section, by name and as text. The address holds what differs from the
// page's own choice, so that a link leads to the same state.
class State {
  constructor(section, run) {
    this.section = section;
    this.run = run; // the section's number if the page has several, or ""
    this.known = new Map();
    this.values = {};
    this.listeners = [];
  }

  // A name is known once a module has declared it; whatever else an address holds is ignored.
  declare(name, fallback, isAllowed) {
    this.known.set(name, { fallback, isAllowed });
    this.values[name] = fallback;
  }

  get(name) { return this.values[name]; }

  set(changes) {
    const news = Object.entries(changes).filter(([name, value]) =>
      this.known.get(name)?.isAllowed(value) && this.values[name] !== value);
    if (!news.length) return;
    Object.assign(this.values, Object.fromEntries(news));
    for (const [names, listener] of this.listeners) {
      if (news.some(([name]) => names.includes(name))) listener();
    }
    // Browsers refuse an address that changes too often, as it does under a drag.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => history.replaceState(null, "", this.address), 150);
  }

  reset(names = [...this.known.keys()]) {
    this.set(Object.fromEntries(names.map((name) => [name, this.known.get(name)?.fallback])));
  }

  // Call a function now, and whenever one of the names changes.
  follow(names, listener) {
    this.listeners.push([names, listener]);
    listener();
  }

  get address() {
    const parts = Object.entries(this.values).filter(([name, value]) => value !== this.known.get(name).fallback);
    if (parts.length && this.run) parts.unshift(["run", this.run]);
    return `#${parts.map((pair) => pair.map(encodeURIComponent).join("=")).join("&")}`;
  }
}

// The names and values of an address; empty for one that only leads to a place on the page.
const fromAddress = () => Object.fromEntries(location.hash.slice(1).split("&").flatMap((part) => {
  try {
    const [name, value] = part.split("=").map(decodeURIComponent);
    return value === undefined ? [] : [[name, value]];
  } catch {
    return []; // no address of ours
  }
}));

const PICTURED = ["frame", "a", "b", "view", "zoom"]; // a link to one of these leads to the pictures

// Show the state that the address holds, at the load of the page and when a reader changes it.
const followAddress = (states) => {
  const apply = () => {
    const { run = "", ...values } = fromAddress();
    const state = states.find((one) => one.run === run);
    if (!state || !Object.keys(values).some((name) => state.known.has(name))) return;
    state.reset();
    state.set(values);
    if (PICTURED.some((name) => name in values && state.known.has(name))) state.section.querySelector(".of-viewer").scrollIntoView();
  };
  window.addEventListener("hashchange", apply);
  apply();
};

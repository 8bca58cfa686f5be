"use strict";

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const option = ([value, text]) => make("option", { value }, text);

// Tell those who do not see the page what happened.
const say = (text) => { document.getElementById("status").textContent = text; };

const within = (value, low, high) => Math.min(high, Math.max(low, value));

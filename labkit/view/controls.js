// Elements of the page: all text enters as text, never as markup.

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function picker(name, words) {
  return make("select", { class: `lab-${name}`, "aria-label": words });
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(({ key, label }) => make("option", { value: key }, label)));
  select.value = chosen;
  if (select.selectedIndex < 0 && options.length) select.selectedIndex = 0;
}

function slider(name, words, low, high, step, value) {
  const range = { class: `lab-${name}`, type: "range", "aria-label": words, min: low, max: high, step, value };
  const element = make("input", range);
  element.value = value;
  return element;
}

function decibels(value) {
  return value === null ? "lossless" : `${written(value, 2)} dB`;
}

function heat() {
  const bar = make("span", { class: "lab-heat" });
  bar.style.background = heatGradient();
  return bar;
}

function listed(name, words, entries) {
  const buttons = entries.map(([label, act]) => {
    const button = make("button", {}, label);
    button.addEventListener("click", act);
    return button;
  });
  return make("div", { class: `lab-worst ${name}` }, words, ...buttons);
}

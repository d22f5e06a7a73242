// Elements and lists. Data reaches the page as text nodes and attributes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);
export const h = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** Set a text, touching the page only when it differs. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** A number: `raw` stays readable to machines in the element's value, `text` is for people. */
export function show(node, raw, text) {
  mark(node, "value", raw);
  mark(node, "title", null);
  node.classList.remove("none");
  say(node, text);
}

/** A number that does not exist, and why. */
export function lack(node, why) {
  mark(node, "value", null);
  mark(node, "title", why);
  node.classList.add("none");
  if (node.firstElementChild?.textContent === why) return;
  node.replaceChildren("–", h("span", { class: "heard" }, why));
}

let lists = new WeakMap();

/** Forget every list made so far: the next `list` makes its parts anew (the language changed). */
export function forgetLists() {
  lists = new WeakMap();
}

/**
 * Make the children of `parent` stand for `items`, in their order; an item keeps its element, so
 * focus, hovering and screen readers are not disturbed. `make(item)` gives {node, update(item)}:
 * what may change from one time to the next has to come with the item.
 */
export function list(parent, items, keyOf, make) {
  const known = lists.get(parent) ?? new Map();
  if (!lists.has(parent)) parent.replaceChildren();
  const next = new Map();
  items.forEach((item, place) => {
    const key = keyOf(item);
    const part = known.get(key) ?? make(item);
    part.update(item, place);
    if (parent.children[place] !== part.node) {
      parent.insertBefore(part.node, parent.children[place] ?? null);
    }
    next.set(key, part);
  });
  while (parent.children.length > next.size) parent.lastElementChild.remove();
  lists.set(parent, next);
}

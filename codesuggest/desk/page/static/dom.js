// Elements without HTML strings: a string becomes a text node, so whatever a note holds stays text.

/** Make an element. `attributes`: `class`, `on` (event -> handler), `data` (name -> value), any other attribute; null and false leave it out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Text that only a screen reader says. */
export const hidden = (text) => h("span", { class: "visually-hidden" }, text);

/** A key as it is printed on the keyboard. */
export const key = (name) => h("kbd", { "aria-hidden": "true" }, name);

/** A key as `aria-keyshortcuts` spells it. */
const keyName = (keys) => (/^[A-Z]$/.test(keys) ? `Shift+${keys}` : keys.length === 1 ? keys.toUpperCase() : keys.replace("↑", "ArrowUp").replace("↓", "ArrowDown").replace("Esc", "Escape"));

/** A button with its words and its key. */
export function button(label, { keys = "", on, className = "button", title = null, disabled = false, pressed = null, name = null } = {}) {
  const shortcut = keys && { "aria-keyshortcuts": keyName(keys) };
  return h(
    "button",
    { type: "button", class: className, title, disabled, "aria-pressed": pressed, "aria-label": name, ...shortcut, on: { click: on } },
    label,
    keys && key(keys),
  );
}

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** Say something to a screen reader without moving the focus. While a dialog is open, only what stands in it is heard. */
export function say(text, { urgent = false } = {}) {
  const region = document.querySelector(`dialog[open] > .${urgent ? "say-now" : "say"}`) ?? byId(urgent ? "say-now" : "say");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

/** A message that leaves by itself, or stays until it is closed when it tells of an error. */
export function toast(text, { error = false, action = null } = {}) {
  const close = () => item.remove();
  const item = h(
    "div",
    { class: error ? "toast toast-error" : "toast" },
    h("p", {}, text),
    action && button(action.label, { keys: action.keys ?? "", className: "button small", on: () => { close(); action.run(); } }),
    button("Close", { className: "button small quiet", on: close, name: "Close this message" }),
  );
  const list = byId("toasts");
  while (list.children.length > 2) list.firstElementChild.remove();
  list.append(item);
  (document.querySelector("dialog[open]") ?? document.body).append(list);
  say(text, { urgent: error });
  if (!error) setTimeout(close, 8000);
}

/** Open a modal dialog; resolves with what `close(value)` was given, or null when it was cancelled. The focus goes back by itself. */
export function openDialog({ title, body, actions = () => [], className = "", focus = null }) {
  return new Promise((resolve) => {
    const back = document.activeElement;
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    let result = null;
    const close = (value = null) => { result = value; dialog.close(); };
    const dialog = h("dialog", { class: `dialog ${className}`, "aria-labelledby": id });
    dialog.append(
      h("header", { class: "dialog-head" }, h("h2", { id }, title),
        button("Close", { className: "button quiet", keys: "Esc", on: () => close() })),
      h("div", { class: "dialog-body" }, body(close)),
    );
    dialog.append(h("div", { class: "say visually-hidden", role: "status" }), h("div", { class: "say-now visually-hidden", role: "alert" }));
    const buttons = actions(close);
    if (buttons.length) dialog.append(h("footer", { class: "dialog-foot" }, buttons));
    dialog.addEventListener("close", () => {
      document.body.append(byId("toasts"));
      dialog.remove();
      if (back && back.isConnected) back.focus({ preventScroll: true });
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    const first = focus && dialog.querySelector(focus);
    if (first) first.focus();
  });
}

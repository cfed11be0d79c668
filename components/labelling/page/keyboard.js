// Which key does what; classes have their own (keys.js).

import { classOf } from "./classes.js";
import * as group from "./group.js";

/** acts: what a key does, by key; `choose` is given the class of a key. */
export function listen(acts, choose) {
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input")) return;
    const act = actOf(event, acts, choose);
    if (act) event.preventDefault();
    act?.();
  });
}

function actOf(event, acts, choose) {
  if (event.ctrlKey) return event.key === "z" ? acts.Backspace : null;
  if (event.repeat && !event.key.startsWith("Arrow")) return () => {}; // a key that is held down answers once
  if (document.body.dataset.view === "group" && group.key(event)) return () => {};
  if (event.target.matches("button, a") && ["Enter", " "].includes(event.key)) return null; // presses the button
  if (acts[event.key]) return acts[event.key];
  const name = event.key.length === 1 ? classOf(event.key) : undefined;
  return name === undefined ? null : () => choose(name);
}

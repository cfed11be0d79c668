// The list of classes: a key for each of the first, search for the rest, and new names where the source has none.

import { ask } from "./api.js";
import { fixedKeys, KEYS, MovingKeys } from "./keys.js";

const SHOWN = 120; // classes in the list at once
const $ = (id) => document.getElementById(id);
const inOrder = new Intl.Collator(undefined, { numeric: true });

let classes = [];
let mayAdd = false;
let remembered = "";
let moving = null;
let keys = new Map(); // by class
let place = 0; // of the class that Enter takes, among those found
let choose = () => {};

export function setUp(onChoice) {
  choose = onChoice;
  $("search").addEventListener("input", () => {
    place = 0;
    draw();
  });
  $("search").addEventListener("keydown", searchKey);
  $("classes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) taken(button);
  });
}

/** dataset: under whose name this browser remembers keys. */
export function setClasses(names, open, dataset = remembered) {
  remembered = dataset;
  if (names.length === classes.length && names.every((name) => classes.includes(name)) && open === mayAdd) return;
  classes = [...names].sort(inOrder.compare);
  mayAdd = open;
  moving = classes.length > KEYS.length ? new MovingKeys(classes, `gleaner-used-${dataset}`) : null;
  const before = open ? JSON.parse(localStorage.getItem(`gleaner-keys-${dataset}`) ?? "{}") : {};
  keys = moving?.keys ?? fixedKeys(classes, before);
  if (open && !moving) localStorage.setItem(`gleaner-keys-${dataset}`, JSON.stringify(Object.fromEntries(keys)));
  const longest = Math.max(0, ...classes.map((name) => name.length));
  $("classes").style.setProperty("--class", `${Math.max(60, Math.min(160, 24 + 9 * longest))}px`);
  draw();
}

/** The class of a key; none where the key stands for nothing. */
export function classOf(key) {
  return classes.find((name) => keys.get(name) === key.toLowerCase());
}

/** Note that a class was answered, and show so. */
export function used(name) {
  moving?.use(name);
  if (moving) {
    keys = moving.keys;
    draw();
  }
  for (const button of $("classes").children) {
    button.classList.toggle("chosen", button.dataset.class === name);
    if (button.dataset.class === name) setTimeout(() => button.classList.remove("chosen"), 250);
  }
}

export function mark(name) {
  for (const button of $("classes").children) button.classList.toggle("said", name !== undefined && button.dataset.class === name);
}

export function search() {
  $("search").focus();
  $("search").select();
}

function found() {
  const wanted = plain($("search").value.trim());
  if (!wanted) {
    const rank = (name) => (keys.has(name) ? KEYS.indexOf(keys.get(name)) : KEYS.length);
    return moving ? [...classes].sort((a, b) => rank(a) - rank(b)) : classes;
  }
  const time = (name) => moving?.used[name] ?? 0;
  const score = (name) => (plain(name).startsWith(wanted) ? 0 : plain(name).split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(wanted)) ? 1 : 2);
  return classes
    .filter((name) => plain(name).includes(wanted))
    .sort((a, b) => (plain(b) === wanted) - (plain(a) === wanted) || score(a) - score(b) || time(b) - time(a));
}

function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function draw() {
  const wanted = $("search").value.trim();
  const names = found();
  const shown = names.slice(0, SHOWN).map((name) => button(name, keys.get(name)));
  if (mayAdd && wanted && !classes.some((name) => name.toLowerCase() === wanted.toLowerCase())) {
    const add = button(`Add “${wanted}”`, "+");
    delete add.dataset.class;
    add.dataset.add = wanted;
    shown.push(add);
  }
  if (wanted) {
    place = Math.min(place, Math.max(shown.length - 1, 0));
    shown[place]?.classList.add("first");
    shown[place]?.scrollIntoView({ block: "nearest" });
  }
  $("classes").replaceChildren(...shown);
  const hidden = names.length - SHOWN;
  $("more").textContent = !names.length && !shown.length
    ? mayAdd ? "No class yet: type the name of one." : "No class has that name."
    : !classes.length ? "" : hidden > 0 ? `and ${hidden.toLocaleString()} more: find them with /` : "";
  document.body.classList.toggle("few", classes.length <= 10 && !mayAdd);
}

function button(name, key) {
  const made = document.createElement("button");
  made.dataset.class = name;
  const cap = document.createElement("kbd");
  cap.textContent = key ?? "";
  const text = document.createElement("span");
  text.textContent = name;
  made.append(cap, text);
  made.title = name;
  return made;
}

function searchKey(event) {
  if (event.isComposing) return;
  const buttons = [...$("classes").children];
  if (event.key === "Enter" && $("search").value.trim() && buttons[place]) {
    event.preventDefault();
    taken(buttons[place]);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    place = Math.max(0, Math.min(buttons.length - 1, place + (event.key === "ArrowDown" ? 1 : -1)));
    draw();
  } else if (event.key === "Escape") {
    event.preventDefault();
    done();
  } else {
    return;
  }
  event.stopPropagation();
}

async function taken(chosen) {
  const name = chosen.dataset.add ? await added(chosen.dataset.add) : chosen.dataset.class;
  if (name === undefined) return;
  done();
  choose(name);
}

function done() {
  const had = $("search").value;
  $("search").value = "";
  $("search").blur();
  if (had) draw();
}

/** The name of a new class, once the server has it; nothing where the person thought better of it. */
async function added(name, sure = false) {
  try {
    const told = await ask("classes", { name, sure });
    setClasses(told.classes, true);
    return told.name;
  } catch (error) {
    const dialog = $("sure");
    dialog.querySelector("h2").textContent = `Add “${name}”?`;
    dialog.querySelector("p").textContent = error.message;
    dialog.querySelector("[value=yes]").hidden = sure || error.status !== 409 || /already/.test(error.message);
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
    return dialog.returnValue === "yes" ? added(name, true) : undefined;
  }
}

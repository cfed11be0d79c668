// The last answers, at the foot; each can be looked at again.

import { imageUrl } from "./api.js";

const REMEMBERED = 24;
const row = document.getElementById("recent");
let recent = []; // {id, kind, label}, the newest first
const labels = new Map(); // classes that were answered here, by image: newer than what came with an image
let reopen = () => {};

export function setUp(answers, onReopen) {
  recent = answers;
  reopen = onReopen;
  labels.clear();
  for (const each of answers) labels.set(each.id, each.label);
  draw();
}

export function add(images, kind, label) {
  forget(images);
  for (const id of images) labels.set(id, label);
  recent = [...images.map((id) => ({ id, kind, label })).reverse(), ...recent].slice(0, REMEMBERED);
  draw();
}

export function forget(images) {
  const ids = new Set(images);
  for (const id of ids) labels.delete(id);
  recent = recent.filter((each) => !ids.has(each.id));
  draw();
}

export const labelOf = (id) => labels.get(id);

function draw() {
  const old = new Map([...row.children].map((button) => [button.dataset.id, button]));
  row.replaceChildren(...recent.map((each) => {
    const made = old.get(each.id) ?? button(each.id);
    made.lastChild.textContent = each.kind === "class" ? each.label : each.kind;
    return made;
  }));
  row.scrollLeft = 0;
}

function button(id) {
  const made = document.createElement("button");
  made.dataset.id = id;
  const picture = document.createElement("img");
  picture.alt = "";
  picture.addEventListener("load", () => picture.classList.toggle("tiny", picture.naturalWidth < 100));
  picture.src = imageUrl(id, "thumb");
  made.append(picture, document.createElement("span"));
  made.title = "Look at this answer again";
  made.addEventListener("click", () => reopen(id));
  return made;
}

// A group of like images, of which those that are out of place are taken out before one key labels the rest.

import { imageUrl } from "./api.js";

const $ = (id) => document.getElementById(id);
let images = [];
let out = new Set(); // ids that were taken out
let last = 0; // tile that was clicked last, for a row of them
let enlarge = () => {};
let changed = () => {};

export function setUp(onEnlarge, onChange) {
  enlarge = onEnlarge;
  changed = onChange;
  $("grid").addEventListener("click", (event) => {
    const tile = event.target.closest("button");
    if (!tile) return;
    const place = [...$("grid").children].indexOf(tile);
    if (event.shiftKey) toggle(...[last, place].sort((a, b) => a - b), !out.has(images[last].id));
    else toggle(place, place);
    last = place;
  });
  $("grid").addEventListener("contextmenu", (event) => {
    const tile = event.target.closest("button");
    if (!tile) return;
    event.preventDefault();
    enlarge(tile.dataset.id);
  });
}

/** How many tiles fill the stage without scrolling; a phone scrolls a little. */
export function room() {
  const stage = $("stage").getBoundingClientRect();
  const style = getComputedStyle(document.documentElement);
  const side = parseFloat(style.getPropertyValue("--tile")) + parseFloat(style.getPropertyValue("--gap"));
  const gap = parseFloat(style.getPropertyValue("--gap"));
  const columns = Math.max(3, Math.floor((stage.width - 32 + gap) / side));
  const tall = (stage.width - 32 + gap) / columns; // tiles grow until they fill a row
  const rows = Math.max(4, Math.floor((stage.height - 90 + gap) / tall));
  return Math.max(12, Math.min(60, columns * rows));
}

export function show(group) {
  images = group.images;
  out = new Set();
  last = 0;
  $("group-name").textContent = `${images.length} images alike`;
  $("group-note").textContent = `${group.left.toLocaleString()} of this group's ${group.size.toLocaleString()} have no label yet. Take out those that do not belong, then press the key of the class.`;
  $("grid").replaceChildren(...images.map(tile));
  $("stage").scrollTop = 0;
  return Promise.all([...$("grid").querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
}

export const chosen = () => images.filter((image) => !out.has(image.id)).map((image) => image.id);
export const takenOut = () => images.filter((image) => out.has(image.id)).map((image) => image.id);

/** Whether the key was one of the grid's. */
export function key(event) {
  const tiles = [...$("grid").children];
  if (event.key === "*") {
    out = new Set(images.filter((image) => !out.has(image.id)).map((image) => image.id));
    draw();
    return true;
  }
  const at = tiles.indexOf(document.activeElement);
  if (event.key === " " && at >= 0) {
    toggle(at, at);
    return true;
  }
  if (event.key === "Enter" && at >= 0) {
    enlarge(images[at].id);
    return true;
  }
  const columns = getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (step === undefined) return false;
  const to = at < 0 ? 0 : Math.max(0, Math.min(tiles.length - 1, at + step));
  tiles.forEach((each, place) => (each.tabIndex = place === to ? 0 : -1));
  tiles[to]?.focus();
  last = to;
  return true;
}

function tile(image, place) {
  const made = document.createElement("button");
  made.dataset.id = image.id;
  made.setAttribute("aria-pressed", "true");
  made.setAttribute("aria-label", `Image ${place + 1} of the group`);
  made.tabIndex = place ? -1 : 0;
  const picture = document.createElement("img");
  picture.src = imageUrl(image.id, "thumb");
  picture.alt = "";
  picture.draggable = false;
  if (Math.max(image.width, image.height) < 100) picture.className = "tiny";
  made.append(picture);
  return made;
}

function toggle(from, to, isOut = !out.has(images[from].id)) {
  for (const image of images.slice(from, to + 1)) isOut ? out.add(image.id) : out.delete(image.id);
  draw();
}

function draw() {
  for (const each of $("grid").children) each.setAttribute("aria-pressed", String(!out.has(each.dataset.id)));
  const kept = images.length - out.size;
  $("group-name").textContent = out.size ? `${kept} of ${images.length} images` : `${images.length} images alike`;
  changed(kept, out.size);
}

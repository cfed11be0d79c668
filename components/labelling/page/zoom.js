// Look closely at one image: wheel, pinch and keys zoom, dragging moves.

import { imageUrl } from "./api.js";

const dialog = document.getElementById("zoom");
const image = document.getElementById("zoomed");
const fingers = new Map();
let scale = 1;
let x = 0;
let y = 0;
let apart = 0;
let moved = false;

export const isOpen = () => dialog.open;
export const close = () => dialog.close();

export function open(id) {
  image.removeAttribute("src");
  image.src = imageUrl(id, "full");
  place(1, 0, 0);
  dialog.showModal();
}

function place(newScale, newX, newY) {
  scale = Math.min(40, Math.max(1, newScale));
  x = scale === 1 ? 0 : newX;
  y = scale === 1 ? 0 : newY;
  image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
}

/** Zoom so that the point under (atX, atY), from the middle of the screen, stays where it is. */
function zoomBy(factor, atX = 0, atY = 0) {
  const real = Math.min(40, Math.max(1, scale * factor)) / scale;
  place(scale * real, atX - (atX - x) * real, atY - (atY - y) * real);
}

function fromMiddle(event) {
  return [event.clientX - window.innerWidth / 2, event.clientY - window.innerHeight / 2];
}

image.addEventListener("load", () => {
  image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) < 100);
});
dialog.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY / 300), ...fromMiddle(event));
}, { passive: false });
dialog.addEventListener("pointerdown", (event) => {
  if (event.target.id === "unzoom") return;
  dialog.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  apart = 0;
  moved = fingers.size > 1;
});
dialog.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (Math.abs(event.clientX - before[0]) + Math.abs(event.clientY - before[1]) > 2) moved = true;
  if (fingers.size === 1) {
    place(scale, x + event.clientX - before[0], y + event.clientY - before[1]);
    return;
  }
  const [[ax, ay], [bx, by]] = fingers.values();
  const now = Math.hypot(ax - bx, ay - by);
  if (apart) zoomBy(now / apart, ...fromMiddle({ clientX: (ax + bx) / 2, clientY: (ay + by) / 2 }));
  apart = now;
});
for (const end of ["pointerup", "pointercancel"]) {
  dialog.addEventListener(end, (event) => {
    if (fingers.delete(event.pointerId) && !moved && end === "pointerup") dialog.close();
    apart = 0;
  });
}
document.getElementById("unzoom").addEventListener("click", () => dialog.close());
dialog.addEventListener("keydown", (event) => {
  const step = 80;
  const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (moves[event.key]) place(scale, x + moves[event.key][0], y + moves[event.key][1]);
  else if (event.key === "+" || event.key === "=") zoomBy(1.4);
  else if (event.key === "-") zoomBy(1 / 1.4);
  else if (event.key === "0") place(1, 0, 0);
  else if (event.key === "Enter" || event.key === " ") dialog.close();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// What the person is told: a line above the image, and words for a screen reader.

const box = document.getElementById("notice");
const [text, button] = box.children;

/** For those who listen. */
export function say(words) {
  document.getElementById("live").textContent = words;
}

/** A line that stays; with a button where there is something to do about it. */
export function notice(words, offer = "", act = null) {
  box.className = "";
  box.hidden = false;
  text.textContent = words;
  button.hidden = !offer;
  button.textContent = offer;
  button.onclick = act;
}

export function complain(words) {
  notice(words);
  box.classList.add("bad");
}

export function waiting(why) {
  complain(`Not kept yet: ${why}. Trying again …`);
}

/** Take the line away, once what it says is over. */
export function quiet() {
  box.hidden = true;
}

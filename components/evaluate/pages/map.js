"use strict";
(function () {
  const map = document.currentScript.closest(".map");
  const about = JSON.parse(map.querySelector("script[type='application/json']").textContent);
  const svg = map.querySelector("svg");
  const tip = map.querySelector(".tip");
  const here = map.querySelector(".here");
  const circles = Array.from(svg.querySelectorAll("circle[data-k]"));
  const points = circles.map((circle) => [circle.cx.baseVal.value, circle.cy.baseVal.value]);
  const shown = 130; // pixels of the picture, as report.css has it
  const picture = tip.querySelector("i");
  const atlas = map.querySelector("img").src;
  picture.style.backgroundImage = `url(${atlas})`;
  picture.style.backgroundSize = `${about.columns * shown}px ${about.rows * shown}px`;
  picture.style.imageRendering = about.tiny ? "pixelated" : "auto";

  function nearest(x, y, within) {
    let best = -1;
    let least = within * within;
    points.forEach(([across, down], number) => {
      const distance = (across - x) ** 2 + (down - y) ** 2;
      if (distance < least) [best, least] = [number, distance];
    });
    return best;
  }

  function told(number) {
    const [label, said, sure, picked] = about.points[number];
    const lines = [];
    if (label >= 0) lines.push(about.names[label]);
    if (said >= 0) lines.push(`${said === label ? "said so too" : `taken for ${about.names[said]}`} (${sure} %)`);
    if (label < 0) lines.push("no label bought");
    if (picked) lines.push("labelled for training");
    return lines.join(" · ");
  }

  function show(event) {
    const box = svg.getBoundingClientRect();
    const scale = 1000 / box.width;
    const number = nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, 26 * scale);
    if (number < 0) return hide();
    const place = circles[number].dataset.k;
    picture.style.backgroundPosition =
      `${-shown * (place % about.columns)}px ${-shown * Math.floor(place / about.columns)}px`;
    tip.querySelector("span").textContent = told(number);
    tip.hidden = false;
    here.setAttribute("cx", points[number][0]);
    here.setAttribute("cy", points[number][1]);
    here.style.display = "";
    const x = points[number][0] / scale;
    const y = points[number][1] / scale;
    const left = x + 16 + tip.offsetWidth > box.width ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(y - tip.offsetHeight / 2, box.height - tip.offsetHeight))}px`;
  }

  function hide() {
    tip.hidden = true;
    here.style.display = "none";
  }

  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
})();

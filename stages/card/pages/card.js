"use strict";
// One sound at a time. Everything is inside the page, which makes no request.
const player = new Audio();
let playing = null; // the button whose sound is in the player

function show(button, isPlaying) {
  button.setAttribute("aria-pressed", String(isPlaying));
  button.firstElementChild.textContent = isPlaying ? "❚❚" : "▶";
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.play");
  if (!button) return;
  if (playing === button && !player.paused) return player.pause();
  if (playing !== button) {
    if (playing) show(playing, false);
    playing = button;
    player.src = "data:audio/ogg;base64," + button.dataset.sound;
  }
  start();
});
// A sound that is stopped before it has begun is not a fault
function start() { player.play().catch((error) => { if (error.name !== "AbortError") throw error; }); }
player.addEventListener("play", () => show(playing, true));
for (const name of ["pause", "ended"]) player.addEventListener(name, () => show(playing, false));

// Up and down go to the next player. Escape stops.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") player.pause();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...document.querySelectorAll("button.play")];
  const place = buttons.indexOf(document.activeElement);
  if (!step || place < 0 || !buttons[place + step]) return;
  event.preventDefault();
  buttons[place + step].focus();
});

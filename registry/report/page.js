"use strict";
// Play, compare, sort and filter. Everything is inside the page, which makes no request.
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const player = find("#player audio");
let playing = null; // the button whose sound is in the player

function show(button, isPlaying) {
  button.setAttribute("aria-pressed", String(isPlaying));
  button.firstElementChild.textContent = isPlaying ? "❚❚" : "▶";
}

function play(button) {
  if (playing === button) {
    if (player.paused) start();
    else player.pause();
    return;
  }
  if (playing) show(playing, false);
  playing = button;
  find("#player").hidden = false;
  find("#playing").textContent = button.getAttribute("aria-label").replace(/^Play /, "");
  player.src = "data:audio/ogg;base64," + button.dataset.sound;
  start();
}

// A sound that is stopped before it has begun is not a fault
function start() { player.play().catch((error) => { if (error.name !== "AbortError") throw error; }); }

player.addEventListener("play", () => {
  for (const other of all("audio")) if (other !== player) other.pause();
  if (playing) show(playing, true);
});
for (const other of all(".resynthesis audio"))
  other.addEventListener("play", () => all("audio").forEach((one) => one !== other && one.pause()));
for (const name of ["pause", "ended"]) player.addEventListener(name, () => playing && show(playing, false));

// Up and down go to the same button of the next utterance, so that two versions are heard in turn. Escape stops.
function moveFocus(event, button) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const kind = button.classList.contains("play") ? ".play" : ".look";
  const buttons = all("#prompts " + kind).filter((one) => one.offsetParent !== null);
  const next = buttons[buttons.indexOf(button) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

find("#prompts").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("play")) play(button);
  else if (button?.classList.contains("look")) look(button);
});
find("#prompts").addEventListener("keydown", (event) => {
  const button = event.target.closest("button");
  if (button) moveFocus(event, button);
});
document.addEventListener("keydown", (event) => event.key === "Escape" && player.pause());

// The spectrogram of one utterance, computed on demand with the scale of the pictures above.
const RATE = 16000, N_FFT = 512, HOP = 160, N_ROWS = 128, FLOOR_DB = -95, TOP_DB = -25;
const SHADES = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]]; // magma

async function look(button) {
  const utterance = button.closest(".utterance");
  const drawn = utterance.querySelector("canvas");
  button.setAttribute("aria-expanded", String(!drawn));
  if (drawn) return drawn.remove();
  const bytes = Uint8Array.from(atob(utterance.querySelector(".play").dataset.sound), (char) => char.charCodeAt(0));
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.buffer);
  if (utterance.querySelector("canvas") || button.getAttribute("aria-expanded") === "false") return;
  utterance.append(draw(sound.getChannelData(0), button.getAttribute("aria-label")));
}

function draw(waveform, label) {
  const nColumns = Math.max(1, Math.floor((waveform.length - N_FFT) / HOP) + 1);
  const canvas = document.createElement("canvas");
  canvas.width = nColumns;
  canvas.height = N_ROWS;
  canvas.style.width = `${waveform.length / RATE * 7}rem`; // 7rem per second, so that two utterances can be compared
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${label}, ${(waveform.length / RATE).toFixed(1)} s across, 0 to 8 kHz upward`);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(nColumns, N_ROWS);
  for (let column = 0; column < nColumns; column++) {
    const power = powerSpectrum(waveform.subarray(column * HOP, column * HOP + N_FFT));
    for (let row = 0; row < N_ROWS; row++) {
      const level = 10 * Math.log10(Math.max(1e-12, (power[2 * row] + power[2 * row + 1]) / 2));
      picture.data.set([...shade((level - FLOOR_DB) / (TOP_DB - FLOOR_DB)), 255], 4 * ((N_ROWS - 1 - row) * nColumns + column));
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}

function shade(share) {
  const place = Math.min(1, Math.max(0, share)) * (SHADES.length - 1);
  const low = Math.min(SHADES.length - 2, Math.floor(place));
  return SHADES[low].map((value, part) => Math.round(value + (SHADES[low + 1][part] - value) * (place - low)));
}

const WINDOW = Float64Array.from({ length: N_FFT }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / (N_FFT - 1)));
const WINDOW_SUM = WINDOW.reduce((sum, value) => sum + value, 0);

// Return the (N_FFT / 2 + 1,) power of a frame, where a full-scale constant is 1, by an in-place radix-2 Fourier transform.
function powerSpectrum(frame) {
  const real = new Float64Array(N_FFT), imaginary = new Float64Array(N_FFT);
  for (let n = 0, reversed = 0; n < N_FFT; n++) {
    real[reversed] = ((frame[n] ?? 0) * WINDOW[n]) / WINDOW_SUM;
    let bit = N_FFT >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed |= bit;
  }
  for (let size = 2; size <= N_FFT; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const cosine = Math.cos((2 * Math.PI * k) / size), sine = -Math.sin((2 * Math.PI * k) / size);
      for (let even = k; even < N_FFT; even += size) {
        const odd = even + size / 2;
        const a = real[odd] * cosine - imaginary[odd] * sine, b = real[odd] * sine + imaginary[odd] * cosine;
        real[odd] = real[even] - a;
        imaginary[odd] = imaginary[even] - b;
        real[even] += a;
        imaginary[even] += b;
      }
    }
  }
  return real.slice(0, N_FFT / 2 + 1).map((value, n) => value * value + imaginary[n] * imaginary[n]);
}

const rows = all("#prompts tbody tr");
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

function sortAndFilter() {
  const key = find("#sort").value;
  const value = (row) => (["category", "prompt"].includes(key) ? row.dataset[key] : Number(row.dataset[key]));
  const before = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.dataset.order - b.dataset.order);
  find("#prompts tbody").append(...[...rows].sort(before));
  const failure = find("#failure").value, category = find("#category").value, text = find("#text").value.toLowerCase();
  for (const row of rows) {
    const failures = row.dataset.failures.split(" ").filter(Boolean);
    row.hidden = !(
      (!failure || (failure === "*" ? failures.length : failures.includes(failure))) &&
      (!category || row.dataset.category === category) &&
      texts.get(row).includes(text)
    );
  }
  find("#count").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown`;
}

find("#tools").hidden = false;
find("#tools").addEventListener("input", sortAndFilter);
find("#tools").addEventListener("submit", (event) => event.preventDefault());
// A link to a prompt shows it even if it is filtered out.
addEventListener("hashchange", () => {
  const row = document.getElementById(location.hash.slice(1));
  if (row?.hidden) {
    find("#tools").reset();
    sortAndFilter();
    row.scrollIntoView();
  }
});
addEventListener("beforeprint", () => all("details").forEach((one) => (one.open = true)));
sortAndFilter();

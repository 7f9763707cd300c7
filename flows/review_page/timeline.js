// The sound of one clip: waveform and spectrogram, the words below it, and playing any part of it.
const PIXELS_PER_SECOND = 120, WAVE_HEIGHT = 52, LANE_HEIGHT = 31, WINDOW = 512, HIGHEST_HERTZ = 8000, RANGE_DB = 65;

function samplesOf(buffer) { // a WAV file of 16 bits and one channel, as the server writes it
  const view = new DataView(buffer);
  const pcm = new Int16Array(buffer.slice(44));
  return { rate: view.getUint32(24, true), samples: Float32Array.from(pcm, (value) => value / 32768) };
}

// In place, for a power of two. Its size is small, so the plain form is fast enough.
function fft(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [real[i], real[j]] = [real[j], real[i]]; [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]]; }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const step = -2 * Math.PI / size, half = size >> 1;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos(step * k), sine = Math.sin(step * k);
      for (let i = k; i < n; i += size) {
        const j = i + half, a = real[j] * cosine - imaginary[j] * sine, b = real[j] * sine + imaginary[j] * cosine;
        real[j] = real[i] - a; imaginary[j] = imaginary[i] - b;
        real[i] += a; imaginary[i] += b;
      }
    }
  }
}

function colourTable() { // 256 colours from --low over --mid to --high, so that it fits both schemes
  const style = getComputedStyle(document.documentElement);
  const [low, mid, high] = ["--low", "--mid", "--high"].map((name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16)));
  return Array.from({ length: 256 }, (_, index) => {
    const [from, to, share] = index < 128 ? [low, mid, index / 128] : [mid, high, (index - 128) / 127];
    return from.map((value, channel) => Math.round(value + share * (to[channel] - value)));
  });
}

function spectrumColumns(samples, rate, nColumns) { // power in dB, one Float32Array of WINDOW / 2 bins per column
  const hann = Float32Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / WINDOW));
  const real = new Float32Array(WINDOW), imaginary = new Float32Array(WINDOW);
  return Array.from({ length: nColumns }, (_, column) => {
    const first = Math.round((column + 0.5) / nColumns * samples.length) - WINDOW / 2;
    for (let i = 0; i < WINDOW; i++) { real[i] = (samples[first + i] || 0) * hann[i]; imaginary[i] = 0; }
    fft(real, imaginary);
    return Float32Array.from({ length: WINDOW / 2 }, (_, bin) => 10 * Math.log10(real[bin] ** 2 + imaginary[bin] ** 2 + 1e-9));
  });
}

class Timeline {
  constructor(found) {
    Object.assign(this, found); // timeline, strip, canvas, marks, playhead, cursorLine, cursorTime, words
    this.sound = null; this.details = null; this.cursor = null; this.chosen = -1; this.context = null; this.source = null;
    this.onPlaying = () => {};
    this.canvas.addEventListener("click", (event) => {
      const time = event.offsetX / this.canvas.clientWidth * this.details.seconds;
      this.choose(-1); this.setCursor(time); this.play(time);
    });
    const redraw = () => { if (this.details) this.layOut(); };
    new ResizeObserver(redraw).observe(this.timeline);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  show(details, buffer) {
    this.stop();
    this.details = details;
    this.sound = samplesOf(buffer);
    this.setCursor(null);
    this.chosen = -1;
    this.timeline.scrollLeft = 0;
    this.words.replaceChildren(...details.words.map(([word, start, end], index) => {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = word; button.tabIndex = -1;
      button.className = "word";
      button.classList.toggle("doubted", details.disagreements.some((one) => start < one[3] && end > one[2]));
      button.addEventListener("click", () => this.playWord(index));
      return button;
    }));
    this.marks.replaceChildren(...details.disagreements.map(() => { const mark = document.createElement("div"); mark.className = "doubt-mark"; return mark; }));
    this.width = 0;
    this.layOut();
  }

  layOut() {
    const seconds = this.details.seconds, percent = (time) => `${100 * time / seconds}%`;
    const width = Math.round(Math.max(this.timeline.clientWidth, seconds * PIXELS_PER_SECOND));
    const scheme = matchMedia("(prefers-color-scheme: dark)").matches;
    if (width === this.width && scheme === this.scheme) return;
    this.width = width; this.scheme = scheme;
    this.strip.style.width = `${width}px`;
    this.layWords(percent);
    [...this.marks.children].forEach((mark, index) => {
      const [, , start, end] = this.details.disagreements[index];
      mark.style.left = percent(start); mark.style.width = percent(end - start);
    });
    this.draw(Math.min(width, 4000));
  }

  layWords(percent) { // side by side where they fit, else in up to three lanes
    const lanes = [0], pen = this.canvas.getContext("2d");
    pen.font = getComputedStyle(this.words).font;
    [...this.words.children].forEach((button, index) => {
      const [word, start, end] = this.details.words[index], left = start / this.details.seconds * this.width;
      let lane = lanes.findIndex((right) => right <= left);
      if (lane < 0) lane = lanes.length < 3 ? lanes.push(0) - 1 : lanes.indexOf(Math.min(...lanes));
      lanes[lane] = Math.max(left + pen.measureText(word).width + 6, end / this.details.seconds * this.width);
      button.style.left = percent(start); button.style.minWidth = percent(end - start); button.style.top = `${3 + lane * LANE_HEIGHT}px`;
    });
    this.words.style.height = `${lanes.length * LANE_HEIGHT + 5}px`;
  }

  draw(width) {
    const { samples, rate } = this.sound, canvas = this.canvas, pictureHeight = canvas.clientHeight;
    canvas.width = width; canvas.height = pictureHeight;
    const context = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colours = colourTable(), columns = spectrumColumns(samples, rate, width);
    let loudest = -90;
    for (const column of columns) for (const value of column) if (value > loudest) loudest = value;
    const height = pictureHeight - WAVE_HEIGHT, image = context.createImageData(width, height);
    const melTop = Math.log1p(Math.min(HIGHEST_HERTZ, rate / 2) / 700);
    for (let y = 0; y < height; y++) {
      const hertz = 700 * Math.expm1(melTop * (height - y) / height), bin = Math.min(hertz * WINDOW / rate, WINDOW / 2 - 2), low = Math.floor(bin);
      for (let x = 0; x < width; x++) {
        const value = columns[x][low] + (bin - low) * (columns[x][low + 1] - columns[x][low]);
        const level = Math.max(0, Math.min(255, Math.round(255 * (1 + (value - loudest) / RANGE_DB)))), at = 4 * (y * width + x);
        [image.data[at], image.data[at + 1], image.data[at + 2]] = colours[level]; image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, WAVE_HEIGHT);
    context.fillStyle = style.getPropertyValue("--accent");
    const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0.05), middle = WAVE_HEIGHT / 2;
    for (let x = 0; x < width; x++) {
      let most = 0;
      const end = Math.floor((x + 1) / width * samples.length);
      for (let i = Math.floor(x / width * samples.length); i < end; i++) most = Math.max(most, Math.abs(samples[i]));
      const half = Math.max(0.5, most / peak * (middle - 4));
      context.fillRect(x, middle - half, 1, 2 * half);
    }
  }

  setCursor(time) {
    this.cursor = time;
    this.cursorLine.hidden = time === null;
    if (time === null) return;
    this.cursorLine.style.left = `${100 * time / this.details.seconds}%`;
    this.cursorLine.classList.toggle("late", time > 0.9 * this.details.seconds);
    this.cursorTime.textContent = `${time.toFixed(2)} s`;
  }

  choose(index) {
    this.chosen = index;
    [...this.words.children].forEach((button, number) => button.classList.toggle("chosen", number === index));
    this.words.children[index]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  playWord(index) {
    const words = this.details.words;
    if (!words.length) return;
    index = Math.max(0, Math.min(words.length - 1, index));
    const [, start, end] = words[index], before = index ? Math.min(words[index - 1][2], start) : start;
    this.choose(index);
    this.setCursor(index ? (before + start) / 2 : null); // a clip cannot be split before its first word
    this.play(start, Math.max(end, start + 0.08));
  }

  play(from = 0, to = this.details?.seconds) {
    this.stop();
    if (!this.sound) return;
    this.context ??= new AudioContext();
    this.context.resume();
    const { samples, rate } = this.sound;
    const buffer = this.context.createBuffer(1, Math.max(samples.length, 1), rate);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.start(0, from, to - from);
    source.onended = () => { if (this.source === source) this.stop(); };
    this.source = source;
    const began = this.context.currentTime;
    const follow = () => {
      if (this.source !== source) return;
      const time = Math.min(from + this.context.currentTime - began, to);
      this.playhead.hidden = false;
      this.playhead.style.left = `${100 * time / this.details.seconds}%`;
      [...this.words.children].forEach((button, index) => button.classList.toggle("now", this.details.words[index][1] <= time && time < this.details.words[index][2]));
      const x = time / this.details.seconds * this.width, box = this.timeline;
      if (x < box.scrollLeft || x > box.scrollLeft + box.clientWidth - 40) box.scrollLeft = x - 40;
      requestAnimationFrame(follow);
    };
    follow();
    this.onPlaying(true);
  }

  stop() {
    const source = this.source;
    this.source = null;
    source?.stop();
    this.playhead.hidden = true;
    for (const button of this.words.children) button.classList.remove("now");
    this.onPlaying(false);
  }

  get playing() { return this.source !== null; }
}

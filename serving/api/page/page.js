// The form, the stream of events, and what is shown of them. Texts are set as text and never as HTML.

const at = (id) => document.getElementById(id);
let voices = [];
let player = null;
let abort = null;

const headers = () => {
  const key = at("key")?.value.trim();
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
};

function complain(message) {
  at("error").textContent = message;
  at("error").hidden = !message;
}

function fill(select, values, { first = null, names = {} } = {}) {
  const before = select.value;
  const options = (first === null ? [] : [["", first]]).concat(values.map((value) => [value, names[value] ?? value]));
  select.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
  if (options.some(([value]) => value === before)) select.value = before;
}

async function failure(answer) {
  try {
    const { error } = await answer.json();
    return `${error.message} (${error.type})`;
  } catch {
    return `the service answered ${answer.status}`;
  }
}

async function load() {
  try {
    const answer = await fetch("v1/voices", { headers: headers() });
    if (!answer.ok) throw new Error(await failure(answer));
    voices = (await answer.json()).data;
    at("state").textContent = voices.length ? `${voices.length} served` : "no voice is served yet";
    if (!voices.length) setTimeout(load, 1000);
    fill(at("voice"), voices.map((voice) => voice.voice));
    show();
    complain("");
  } catch (error) {
    at("state").textContent = "";
    complain(error.message);
  }
}

function show() {
  const voice = voices.find((one) => one.voice === at("voice").value);
  at("speak").disabled = !voice;
  if (!voice) return;
  fill(at("preset"), voice.presets);
  fill(at("language"), voice.languages);
  fill(at("purpose"), voice.purposes, { first: "not declared" });
  fill(at("lane"), voice.lanes, { first: "automatic", names: { realtime: "real time", batch: "batch" } });
  at("release").textContent = [
    `version ${voice.version}`,
    voice.verdict_outcome ? `verdict: ${voice.verdict_outcome} (${voice.verdict_sha256.slice(0, 8)})` : "no verdict",
    voice.valid_until ? `consent until ${voice.valid_until}` : "consent without an end",
    voice.has_judged_lane ? "" : "real time was not judged",
  ].filter(Boolean).join(", ");
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) yield JSON.parse(part.slice("data: ".length));
  }
}

function samplesOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

function report(begin, done) {
  const first = player.firstAudible;
  at("first-audio").textContent = first === null ? "..." : `${Math.round(first - begin)} ms`;
  at("length").textContent = `${player.seconds.toFixed(1)} s`;
  at("gaps").textContent = player.gaps;
  if (done) at("speed").textContent = `${(player.seconds / ((performance.now() - begin) / 1000)).toFixed(1)} times`;
}

function addSentence(event) {
  const item = document.createElement("li");
  const outcome = document.createElement("span");
  outcome.className = `outcome ${event.outcome === "spoken" ? "spoken" : ""}`;
  outcome.textContent = event.outcome.replaceAll("_", " ");
  const retries = event.n_retries ? `, ${event.n_retries} retries` : "";
  item.append(outcome, ` ${retries}`);
  at("sentences").append(item);
}

function body() {
  const value = (id) => at(id).value || null;
  return {
    model: "voxfoundry", voice: value("voice"), input: at("text").value, preset: value("preset"), language: value("language"),
    purpose: value("purpose"), lane: value("lane"), seed: Number(at("seed").value), response_format: "pcm", sample_rate: RATE,
    stream_format: "sse",
  };
}

function stop() {
  abort?.abort();
  player?.stop();
  player = abort = null;
  at("stop").disabled = true;
  at("speak").disabled = false;
}

async function speak(event) {
  event.preventDefault();
  stop();
  complain("");
  at("save").hidden = true;
  at("sentences").replaceChildren();
  for (const id of ["first-audio", "length", "speed", "gaps"]) at(id).textContent = "...";
  const mine = (player = new Player());
  abort = new AbortController();
  at("speak").disabled = true;
  at("stop").disabled = false;
  const begin = performance.now();
  try {
    const request = { method: "POST", headers: headers(), body: JSON.stringify(body()), signal: abort.signal };
    const answer = await fetch("v1/audio/speech", request);
    if (!answer.ok) throw new Error(await failure(answer));
    at("result").hidden = false;
    for await (const one of events(answer.body)) {
      if (one.type === "speech.audio.delta") mine.push(samplesOf(one.audio));
      else if (one.type === "speech.sentence.done") addSentence(one);
      else if (one.type === "error") throw new Error(`${one.error.message} (${one.error.type})`);
      if (player !== mine) return;
      report(begin, one.type === "speech.audio.done");
    }
    URL.revokeObjectURL(at("save").href);
    at("save").href = URL.createObjectURL(mine.wav());
    at("save").hidden = false;
    at("result").dataset.done = mine.firstAudible === null ? "silent" : "spoken";
  } catch (error) {
    if (error.name !== "AbortError") complain(error.message);
  } finally {
    if (player === mine) at("speak").disabled = false;
  }
}

at("form").addEventListener("submit", speak);
at("stop").addEventListener("click", stop);
at("voice").addEventListener("change", show);
at("key")?.addEventListener("change", load);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
});
load();

// The list of clips, the decisions and the keys. Decisions go to the server at once. The page keeps only texts that are not saved yet.
const $ = (id) => document.getElementById(id);
const isDoubtful = (clip) => !clip.decided && (clip.doubt > 0 || clip.stranger);
const ROWS = 200, POLL_MILLISECONDS = 5000, TOAST_MILLISECONDS = 3500;
const FILTERS = [
  ["check", "To check", (clip) => !clip.decided && (!clip.kept || isDoubtful(clip))],
  ["all", "All", () => true],
  ["kept", "Kept", (clip) => clip.kept],
  ["rejected", "Rejected", (clip) => !clip.kept],
  ["decided", "Decided", (clip) => clip.decided],
];
const ORDERS = {
  worst: (a, b) => a.decided - b.decided || (b.cer ?? -1) - (a.cer ?? -1) || b.doubt - a.doubt || b.stranger - a.stranger || inTime(a, b),
  time: (a, b) => inTime(a, b),
  long: (a, b) => b.seconds - a.seconds || inTime(a, b),
};
const WHO = { text: "text by", drop: "dropped by", restore: "kept by", split: "split by", merge: "merged by" };
const DONE = { text: "Text kept.", drop: "Dropped.", restore: "Kept.", split: "Split.", merge: "Merged." };
let clips = [], notes = [], shown = [], current = null, details = null, version = "", filter = "check", nRows = ROWS, busy = false, failedPoll = false;
let wanted = 0; // counts the clips that were opened, so that a slow answer for an earlier one is dropped
const ready = new Map(); // what was fetched ahead: key to a promise of [details, sound]

const timeline = new Timeline({ timeline: $("timeline"), strip: $("strip"), canvas: $("picture"), marks: $("doubt-marks"), playhead: $("playhead"), cursorLine: $("cursor"), cursorTime: $("cursor-time"), words: $("words") });
timeline.onPlaying = (isPlaying) => { $("play").firstChild.data = isPlaying ? "■ Stop " : "▶ Play "; document.body.classList.toggle("playing", isPlaying); };

function inTime(a, b) { return a.path < b.path ? -1 : a.path > b.path ? 1 : a.start - b.start; }
const headOf = (clip) => clip.kept ? "" : clip.reason.split(":")[0];
const exists = (key) => clips.some((clip) => clip.key === key);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

class Refused extends Error { constructor(message, status) { super(message); this.status = status; } }

async function fetchJson(route, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(route, options);
  const data = await answer.json();
  if (!answer.ok) throw new Refused(data.error, answer.status);
  return data;
}

function complain(error) {
  $("error").textContent = error instanceof TypeError ? "vox review does not answer; is it still running?" : error.message;
  $("error").hidden = false;
}

let toastTimer = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("shown"), TOAST_MILLISECONDS);
}

// The list

function choose(stay) { // which clips are listed, in which order; the clip that stays is listed whatever the filter says
  const test = FILTERS.find(([name]) => name === filter)[2], reason = $("reasons").value, words = $("search").value.trim().toLowerCase();
  const fits = (clip) => test(clip) && (!reason || headOf(clip) === reason) && (!words || `${clip.text} ${clip.path}`.toLowerCase().includes(words));
  shown = clips.filter((clip) => clip.key === stay || fits(clip)).sort(ORDERS[$("order").value]);
}

function select() { // called where a person changes what is listed, not after a decision
  choose();
  nRows = ROWS;
  drawList();
  if (!shown.length) return showNothing();
  if (!shown.some((clip) => clip.key === current)) open(shown[0].key);
}

function drawChips() {
  $("chips").replaceChildren(...FILTERS.map(([name, label, test]) => {
    const button = make("button", `${label} ${clips.filter(test).length}`);
    button.type = "button";
    button.setAttribute("aria-pressed", name === filter);
    button.addEventListener("click", () => { filter = name; drawChips(); select(); });
    return button;
  }));
  const counts = new Map();
  for (const clip of clips) if (headOf(clip)) counts.set(headOf(clip), (counts.get(headOf(clip)) ?? 0) + 1);
  const chosen = $("reasons").value;
  $("reasons").replaceChildren(new Option("Any reason", ""), ...[...counts].sort((a, b) => b[1] - a[1]).map(([head, count]) => new Option(`${head} (${count})`, head)));
  $("reasons").value = counts.has(chosen) ? chosen : "";
  const nDecided = clips.filter((clip) => clip.decided).length, nPending = clips.filter((clip) => clip.pending).length;
  $("progress").textContent = `${clips.length} clips, ${clips.filter((clip) => clip.kept).length} kept, ${nDecided} decided by a person`;
  $("pending").hidden = nPending === 0;
  $("pending-count").textContent = nPending === 1 ? "1 change counts after" : `${nPending} changes count after`;
}

function make(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function rowOf(clip) {
  const button = make("button", "", !clip.kept ? "rejected" : isDoubtful(clip) ? "doubtful" : "");
  button.type = "button";
  button.dataset.key = clip.key;
  button.setAttribute("aria-current", clip.key === current);
  const mark = make("span", !clip.kept ? "✕" : isDoubtful(clip) ? "?" : "✓", "mark");
  mark.title = !clip.kept ? `rejected: ${clip.reason}` : clip.stranger ? "kept, but it sounds like another speaker" : isDoubtful(clip) ? "kept, but the sound speaks against a word" : "kept";
  const facts = make("span", "", "facts");
  if (clip.decided) facts.append(make("span", clip.pending ? "decided, not run yet · " : "decided · ", "done"));
  if (clip.stranger) facts.append(make("span", "another speaker? · ", "done"));
  facts.append(`${clip.cer === null ? "" : `CER ${clip.cer.toFixed(2)} · `}${clip.seconds.toFixed(1)} s · ${clock(clip.start)} ${clip.path}`);
  button.append(mark, make("span", clip.text || "(no text)", "said"), facts);
  button.addEventListener("click", (event) => { if (event.detail) button.blur(); open(clip.key); });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function drawList() {
  $("list").replaceChildren(...shown.slice(0, nRows).map(rowOf));
  $("more").hidden = shown.length <= nRows;
  $("more").textContent = `Show more (${shown.length - nRows})`;
}

function take(answer) { // the clips of one recording as the server has them after a decision; the list keeps its order
  version = answer.version;
  notes = answer.notes;
  const id = `${answer.recording}:`, isOld = (clip) => clip.key.startsWith(id), fresh = new Map(answer.clips.map((clip) => [clip.key, clip]));
  const place = shown.findIndex((clip) => isOld(clip) && !fresh.has(clip.key)), known = new Set(clips.map((clip) => clip.key));
  clips = [...clips.filter((clip) => !isOld(clip)), ...answer.clips];
  const added = answer.clips.filter((clip) => !known.has(clip.key));
  if (added.length) shown.splice(place < 0 ? 0 : place, 0, ...added);
  shown = shown.filter((clip) => !isOld(clip) || fresh.has(clip.key)).map((clip) => fresh.get(clip.key) ?? clip);
  for (const key of [...ready.keys()]) if (key.startsWith(id)) ready.delete(key);
  showNotes();
  drawChips();
  drawList();
  return added;
}

function showNotes() { // what the server says, and the texts whose clips are gone
  const lost = [...drafts].filter(([key]) => !exists(key)).map(([, text]) => `not saved, because its clip was cut anew: ${text}`);
  const all = [...notes, ...lost], isNew = all.length !== $("notes").lastElementChild.children.length;
  $("notes").hidden = !all.length;
  $("notes").firstElementChild.textContent = all.length === 1 ? "1 note" : `${all.length} notes`;
  if (isNew) $("notes").open = true;
  $("notes").lastElementChild.replaceChildren(...all.map((note) => make("li", note)));
}

async function load() { // everything, where something changed: another page, or a run of the pipeline
  const answer = await fetchJson(`clips?known=${encodeURIComponent(version)}`);
  if (answer.version === version) return;
  const before = clips.find((clip) => clip.key === current) ?? details, isFirst = version === "";
  version = answer.version;
  clips = answer.clips;
  notes = answer.notes;
  ready.clear();
  showNotes();
  if (isFirst && !clips.some(FILTERS[0][2])) filter = "all";
  drawChips();
  if (isFirst) return select();
  const fresh = new Map(clips.map((clip) => [clip.key, clip]));
  if (shown.length && shown.every((clip) => fresh.has(clip.key))) shown = shown.map((clip) => fresh.get(clip.key));
  else choose(current);
  drawList();
  if (fresh.has(current)) { if (JSON.stringify(fresh.get(current)) !== JSON.stringify(before)) await open(current); }
  else if (isWriting()) complain(new Error(GONE)); // what is typed next would go into another clip
  else openNear(before);
}

function openNear(clip) { // the clip of the list that is nearest to one that is gone, the first if its recording has none, or nothing
  const near = shown.filter((one) => one.path === clip?.path).sort((a, b) => Math.abs(a.start - clip.start) - Math.abs(b.start - clip.start))[0] ?? shown[0];
  if (near) open(near.key); else showNothing();
}

// One clip

function fetched(key) {
  if (!ready.has(key)) {
    const query = encodeURIComponent(key);
    const both = Promise.all([fetchJson(`clip?key=${query}`), fetch(`sound?key=${query}`).then(async (answer) => {
      if (!answer.ok) throw new Refused((await answer.json()).error, answer.status);
      return answer.arrayBuffer();
    })]);
    both.catch(() => ready.delete(key));
    ready.set(key, both);
    if (ready.size > 8) ready.delete(ready.keys().next().value);
  }
  return ready.get(key);
}

async function open(key) {
  const turn = ++wanted;
  current = key;
  showNotes();
  if ($("error").textContent === GONE) $("error").hidden = true;
  for (const button of $("list").querySelectorAll("button")) button.setAttribute("aria-current", button.dataset.key === key);
  $("list").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  timeline.stop();
  try {
    const [found, sound] = await fetched(key);
    if (turn !== wanted) return;
    details = found;
    $("clip").hidden = false;
    $("empty").hidden = true;
    showDetails();
    timeline.show(found, sound);
    $("clip").dataset.shown = key;
    const next = shown[placeOf(key) + 1];
    if (next) fetched(next.key).catch(() => {});
  } catch (error) {
    if (turn !== wanted) return;
    complain(error);
    if (error.status === 410) await load();
  }
}

function showDetails() {
  const clip = details;
  $("place").textContent = `${clip.path}, ${clock(clip.start)} to ${clock(clip.start + clip.seconds)}`;
  $("state").className = `badge${clip.pending ? " pending" : clip.kept ? "" : " rejected"}`;
  $("state").textContent = `${clip.kept ? "kept" : "rejected"}${clip.action ? `, ${WHO[clip.action]} ${clip.by}` : ""}${clip.pending ? ", from the next run" : ""}`;
  $("reason").hidden = !clip.reason;
  $("reason").textContent = clip.reason;
  $("text").value = drafts.get(clip.key) ?? clip.text;
  showSource();
  $("heard").hidden = !clip.heard;
  $("heard").textContent = `The recogniser heard: ${clip.heard}${clip.cer === null ? "" : ` (character error rate ${clip.cer.toFixed(2)})`}`;
  const remarks = [clip.repair && `The pipeline changed it: ${clip.repair}.`, clip.stranger && `It sounds like another speaker${clip.similarity === null ? "" : ` (speaker similarity ${clip.similarity.toFixed(2)})`}. If it is, drop it.`].filter(Boolean);
  $("remarks").hidden = !remarks.length;
  $("remarks").textContent = remarks.join(" ");
  $("doubts").replaceChildren(...clip.disagreements.map(doubtOf));
  $("restore").disabled = clip.verdict === "restore";
  $("drop").disabled = clip.verdict === "drop";
  const place = clips.filter((one) => one.path === clip.path).sort(inTime);
  $("merge").disabled = place.length === 0 || place[place.length - 1].key === clip.key;
  $("split").disabled = clip.seconds < 2 * Number(document.body.dataset.shortest);
}

function showNothing() {
  wanted++;
  current = details = null;
  timeline.stop();
  $("clip").hidden = true;
  $("empty").hidden = false;
  $("empty-text").textContent = clips.length === 0 ? "The voice has no clip." : filter === "check" && !$("search").value ? "Every doubtful clip is decided. The filter All shows the others." : "No clip fits the filter.";
}

const placeOf = (key) => shown.findIndex((clip) => clip.key === key);

function move(by) {
  const next = shown[placeOf(current) + by];
  if (!next) return toast(by > 0 ? "That was the last clip of this list." : "This is the first clip of this list.");
  if (placeOf(next.key) >= nRows) { nRows += ROWS; drawList(); }
  open(next.key);
}

// Decisions, one request at a time: a second key press is not a second decision

async function act(work) {
  if (busy) return;
  busy = true;
  $("error").hidden = true;
  try { await work(); }
  catch (error) {
    complain(error);
    if (error.status === 410) { // somebody else decided: show that, and keep what was typed here
      try {
        await load();
        if (exists(current)) { ready.delete(current); await open(current); }
        else if (isWriting()) complain(new Error(GONE));
      } catch (second) { complain(second); }
    }
  }
  finally { busy = false; }
}

function decide(action, more = {}) {
  if (!details) return;
  const from = details.key, next = shown[placeOf(from) + 1]?.key;
  act(async () => {
    const added = take(await fetchJson("decide", { key: from, revision: details.revision, action, ...more }));
    if (action === "text" && drafts.get(from)?.trim() === more.text) drafts.delete(from);
    if (document.activeElement === $("text")) $("text").blur();
    toast(`${DONE[action]} U takes it back.`);
    if (added.length) await open(added[0].key);
    else if (next && action !== "restore") await open(next);
    else await open(from);
  });
}

function merge() {
  if (isDirty()) complain(new Error(UNSAVED));
  else if ($("merge").disabled) toast("This is the last clip of its recording.");
  else decide("merge");
}

function split() {
  if (!details) return;
  if (isDirty()) return complain(new Error(UNSAVED));
  if (timeline.cursor === null) return complain(new Error("Where? Choose a word with ← →, or click into the picture: the clip is split at the line."));
  decide("split", { at: timeline.cursor });
}

function undo() {
  act(async () => {
    const answer = await fetchJson("undo", {});
    const added = take(answer), near = answer.clips.filter((clip) => clip.start >= answer.start - 0.01)[0] ?? added[0];
    if (near && placeOf(near.key) < 0) { shown.unshift(near); drawList(); }
    toast(`Taken back: ${answer.undone}.`);
    if (near) await open(near.key);
  });
}

const KEYS = {
  " ": () => timeline.playing ? timeline.stop() : timeline.play(),
  ArrowLeft: () => timeline.playWord(timeline.chosen < 0 ? 0 : timeline.chosen - 1),
  ArrowRight: () => timeline.playWord(timeline.chosen + 1),
  ArrowUp: () => move(-1),
  ArrowDown: () => move(1),
  Enter: edit,
  c: saveText,
  d: () => decide("drop"),
  k: () => { if (!$("restore").disabled) decide("restore"); },
  s: split,
  m: merge,
  u: undo,
  f: () => { filter = FILTERS[(FILTERS.findIndex(([name]) => name === filter) + 1) % FILTERS.length][0]; drawChips(); select(); },
  "/": () => $("search").focus(),
  "?": () => $("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.target === $("text")) {
    if (event.key === "Escape") cancel();
    else if (event.key === "Enter" && !event.isComposing) saveText();
    else return;
    return event.preventDefault();
  }
  if (event.key === "Escape" && event.target.matches("input")) return event.target.blur();
  if (event.altKey || event.target.matches("input, select, textarea") || $("keys").open) return;
  const undoes = (event.ctrlKey || event.metaKey) && event.key === "z";
  if ((event.ctrlKey || event.metaKey) && !undoes) return;
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, summary")) return; // the button that has the focus
  const action = undoes ? undo : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  action();
});

for (const [id, action] of [["play", KEYS[" "]], ["confirm", saveText], ["edit", edit], ["drop", KEYS.d], ["restore", KEYS.k], ["split", split], ["merge", KEYS.m], ["undo", undo], ["save", saveText], ["cancel", cancel], ["before", KEYS.ArrowUp], ["next", KEYS.ArrowDown], ["help", KEYS["?"]]]) {
  $(id).addEventListener("mousedown", (event) => event.preventDefault()); // the text keeps the focus, and no button gets it: Space would press it again
  $(id).addEventListener("click", action);
}
$("text").addEventListener("focus", () => { $("editing").hidden = false; $("deciding").hidden = true; timeline.stop(); });
$("text").addEventListener("input", keepDraft);
$("text").addEventListener("blur", () => { $("editing").hidden = true; $("deciding").hidden = false; });
$("search").addEventListener("input", select);
$("reasons").addEventListener("change", select);
$("order").addEventListener("change", select);
$("more").addEventListener("click", () => { nRows += ROWS; drawList(); });
$("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(`vox run ${document.body.dataset.voice}`); toast("Copied. Give it in a terminal."); }
  catch { toast("This browser does not allow copying; select the command instead."); }
});
setInterval(async () => {
  if (busy || document.hidden) return;
  try { await load(); if (failedPoll) $("error").hidden = true; failedPoll = false; }
  catch (error) { failedPoll = true; complain(error); }
}, POLL_MILLISECONDS);
load().catch(complain);

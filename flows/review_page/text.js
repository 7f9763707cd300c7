// The text of the open clip. What a person typed is kept by clip until it is saved or taken back, whatever else changes.
const GONE = "This clip was cut anew meanwhile (split, merged, or by a run), so its text cannot be saved. Yours stays here, and in the notes once you open another clip.";
const UNSAVED = "The text of this clip is not saved, and a split or a merge would take the old one. Save yours with C, or take it back with Enter and Esc.";
const drafts = new Map(); // texts that a person changed and did not save, by key

const isDirty = () => details !== null && $("text").value.trim() !== details.text;
const isWriting = () => details !== null && details.key === current && (isDirty() || document.activeElement === $("text"));

function showSource() {
  $("source").textContent = isDirty() ? "(yours, not saved yet)" : { given: "(from the transcript)", asr: "(from the speech recogniser, nobody wrote it down)", corrected: "(corrected by a person)" }[details.text_source];
}

function keepDraft() {
  if (!details) return;
  if (isDirty()) drafts.set(details.key, $("text").value); else drafts.delete(details.key);
  showSource();
}

function doubtOf([written, heard, start, end]) {
  const line = document.createElement("li"), said = document.createElement("span");
  if (written && heard) said.append("The text says ", make("b", written), ", but the sound says ", make("b", heard));
  else if (written) said.append("The text says ", make("b", written), ", which is not heard");
  else said.append("The sound says ", make("b", heard), ", which the text lacks");
  const hear = make("button", "▶ Hear it", "small");
  hear.addEventListener("click", () => timeline.play(Math.max(0, start - 0.4), Math.min(details.seconds, end + 0.4)));
  line.append(said, hear);
  const place = written ? $("text").value.toLowerCase().indexOf(written.toLowerCase()) : -1;
  if (place >= 0 && heard) {
    const use = make("button", "Use what is heard", "small");
    use.addEventListener("click", () => {
      const text = $("text").value, at = text.toLowerCase().indexOf(written.toLowerCase());
      if (at >= 0) $("text").value = text.slice(0, at) + heard + text.slice(at + written.length);
      keepDraft();
      edit();
    });
    line.append(use);
  }
  for (const button of line.querySelectorAll("button")) button.type = "button";
  return line;
}

function saveText() {
  const text = $("text").value.trim();
  if (!text) return complain(new Error("The text is empty. Write what is said, or drop the clip with D."));
  decide("text", { text });
}

function edit() { $("text").focus(); $("text").setSelectionRange($("text").value.length, $("text").value.length); }

function cancel() {
  if (details) $("text").value = details.text;
  keepDraft();
  $("text").blur();
  if (details && !exists(current)) openNear(details);
}

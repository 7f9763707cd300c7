"use strict";
// Plays int16 samples while they arrive, piece after piece without a gap, and knows when the first one sounds.

const RATE = 24000;
const LEAD_SECONDS = 0.03; // a piece is scheduled at least this far ahead, or the browser may begin it late
const AUDIBLE = 0.003; // of full scale: what is quieter is silence

class Player {
  constructor() {
    this.context = new AudioContext({ sampleRate: RATE });
    this.pieces = [];
    this.end = 0; // where the next piece is scheduled, in the context's time
    this.gaps = 0;
    this.firstAudible = null; // in the time of performance.now()
    this.sources = new Set();
  }

  push(samples) {
    this.pieces.push(samples);
    const sound = new Float32Array(samples.length);
    for (let i = 0; i < samples.length; i++) sound[i] = samples[i] / 32768;
    const buffer = this.context.createBuffer(1, sound.length, RATE);
    buffer.copyToChannel(sound, 0);
    const earliest = this.context.currentTime + LEAD_SECONDS;
    if (this.end && earliest > this.end + 0.005) this.gaps++;
    const start = Math.max(this.end, earliest);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.onended = () => this.sources.delete(source);
    this.sources.add(source);
    source.start(start);
    this.end = start + buffer.duration;
    if (this.firstAudible === null) {
      const place = sound.findIndex((value) => Math.abs(value) > AUDIBLE);
      if (place >= 0) this.firstAudible = performance.now() + 1000 * (start - this.context.currentTime + place / RATE);
    }
  }

  get seconds() {
    return this.pieces.reduce((sum, piece) => sum + piece.length, 0) / RATE;
  }

  stop() {
    for (const source of this.sources) source.stop();
    this.context.close();
  }

  wav() {
    const nBytes = 2 * this.pieces.reduce((sum, piece) => sum + piece.length, 0);
    const header = new DataView(new ArrayBuffer(44));
    const text = (place, word) => [...word].forEach((letter, i) => header.setUint8(place + i, letter.charCodeAt(0)));
    text(0, "RIFF"); header.setUint32(4, 36 + nBytes, true); text(8, "WAVEfmt ");
    header.setUint32(16, 16, true); header.setUint16(20, 1, true); header.setUint16(22, 1, true);
    header.setUint32(24, RATE, true); header.setUint32(28, 2 * RATE, true);
    header.setUint16(32, 2, true); header.setUint16(34, 16, true); text(36, "data"); header.setUint32(40, nBytes, true);
    return new Blob([header, ...this.pieces], { type: "audio/wav" });
  }
}

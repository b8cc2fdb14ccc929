// SPDX-License-Identifier: GPL-2.0
// The page of `dewarp tune`: sliders become options of `dewarp map lens`, which the program
// checks and computes. Nothing is computed here but where the guides are.
"use strict";

const $ = (id) => document.getElementById(id);
const IN_FLIGHT = 2;

let start, lens = {}, view = {}, fromFile = false, show = "dewarped";

// Names, least, most and step of a lens's numbers; what they are at first.
const models = (size) => {
  const [w, h] = size, k = (name, most) => [name, -most, most, most / 1000];
  return {
    focal: [["fx", w * 0.1, w * 3, 0.1], ["fy", w * 0.1, w * 3, 0.1]],
    center: [["cx", 0, w, 0.1], ["cy", 0, h, 0.1]],
    radial: [k("k1", 1), k("k2", 1), k("k3", 1), k("k4", 1), k("k5", 1), k("k6", 1)],
    tangential: [k("p1", 0.05), k("p2", 0.05)],
    prism: [k("s1", 0.05), k("s2", 0.05), k("s3", 0.05), k("s4", 0.05)],
    "sensor-tilt": [k("tilt x", 0.2), k("tilt y", 0.2)],
    fisheye: [k("k1", 0.5), k("k2", 0.5), k("k3", 0.5), k("k4", 0.5)],
    "double-sphere": [["xi", -1, 1, 0.001], ["alpha", 0, 1, 0.001]],
    eucm: [["alpha", 0, 1, 0.001], ["beta", 0.1, 3, 0.001]],
    omni: [["xi", 0, 3, 0.001]],
    fov: [["w", 0.01, 3, 0.001]],
  };
};
const FIRST = {
  radial: { radial: [0, 0, 0, 0, 0, 0], tangential: [0, 0] },
  fisheye: { fisheye: [0, 0, 0, 0] },
  "double-sphere": { "double-sphere": [0, 0.5] },
  eucm: { eucm: [0.5, 1] },
  omni: { omni: [1], radial: [0, 0], tangential: [0, 0] },
  fov: { fov: [0.9] },
};
const VIEW = [
  ["alpha", "Alpha", 0, 1, 0.01, 0],
  ["zoom", "Zoom", 0.2, 4, 0.01, 1],
  ["pan", "Pan °", -90, 90, 0.1, 0],
  ["tilt", "Tilt °", -90, 90, 0.1, 0],
  ["roll", "Roll °", -180, 180, 0.1, 0],
];

function options() {
  const given = {};
  if (!fromFile) for (const [name, values] of Object.entries(lens)) given[name] = values.join(",");
  for (const [name, , , , , none] of VIEW) {
    if (name === "alpha" ? $("fit").checked : view[name] != none) given[name] = String(view[name]);
  }
  if ($("projection").value !== "rectilinear") given.projection = $("projection").value;
  return given;
}

async function ask(path, request) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body: JSON.stringify(request), signal: AbortSignal.timeout(30000) });
  } catch {
    throw new Error("dewarp does not answer: it may have ended, or the network failed");
  }
  if (response.ok) return response;
  const text = await response.text();
  let error = text;
  try { error = JSON.parse(text).error; } catch { /* It is a sentence. */ }
  throw new Error(error);
}

function tell(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

// What is wrong with the options, and with the pictures.
const errors = { check: "", picture: "" };
function wrong(of, text) {
  errors[of] = text;
  tell("error", errors.check || errors.picture);
}

// A slider with its number.
function slider(parent, id, [name, least, most, step], value, changed) {
  const row = document.createElement("div");
  row.className = "slider";
  row.innerHTML = `<label></label><input type="range"><input type="number">`;
  const [label, range, number] = row.children;
  label.textContent = name;
  label.htmlFor = range.id = id;
  number.id = `${id}-number`;
  number.setAttribute("aria-label", name);
  [range.min, range.max, range.step, number.step] = [least, most, step, step];
  const set = (value) => { range.value = value; number.value = value; };
  set(value);
  // The steps of a slider; every digit of a number that is typed.
  range.oninput = () => { const text = (Math.round(range.value / step) * step).toFixed(6); number.value = Number(text); changed(number.value); };
  number.oninput = () => { range.value = number.value; changed(number.value); };
  parent.append(row);
  return set;
}

function modelOf(lens) {
  return ["fisheye", "double-sphere", "eucm", "omni", "fov", "radial"].find((name) => name in lens);
}

function drawLens() {
  $("lens").replaceChildren();
  const known = models(start.source), sets = {};
  for (const name of Object.keys(known).filter((name) => name in lens)) {
    lens[name].forEach((value, at) => {
      sets[name + at] = slider($("lens"), `${name}-${at}`, known[name][at], value, (text) => {
        lens[name][at] = text;
        if (name === "focal" && $("link").checked) {
          lens.focal[1 - at] = text;
          sets[`focal${1 - at}`](text);
        }
        fromFile = false;
        change();
      });
    });
  }
}

function drawView() {
  $("seen").replaceChildren();
  for (const [name, label, least, most, step] of VIEW) {
    slider($("seen"), name, [label, least, most, step], view[name], (text) => {
      view[name] = text;
      if (name === "alpha") $("fit").checked = true;
      change();
    });
  }
}

function resetLens() {
  lens = structuredClone(start.lens);
  fromFile = start.file;
  const has = Object.keys(lens).length > 0;
  for (const id of ["model-row", "link-row", "reset-lens"]) $(id).hidden = !has;
  $("fixed").hidden = has;
  if (has) {
    $("model").value = modelOf(lens);
    $("link").checked = lens.focal[0] === lens.focal[1];
  }
  drawLens();
}

function resetView() {
  view = Object.fromEntries(VIEW.map(([name, , , , , none]) => [name, none]));
  $("fit").checked = false;
  $("projection").value = "rectilinear";
  drawView();
}

// The command line and the warnings: one request at a time, the newest options.
let checking = false, checkAgain = false;
async function check() {
  checkAgain = true;
  if (checking) return;
  checking = true;
  while (checkAgain) {
    checkAgain = false;
    try {
      const said = await (await ask("check", { options: options() })).json();
      $("command").value = said.command;
      $("warnings").replaceChildren(...[...said.warnings, ...said.notes].map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
      $("warnings").hidden = !$("warnings").childElementCount;
      wrong("check", "");
    } catch (error) {
      $("command").value = "";
      wrong("check", error.message);
    }
  }
  checking = false;
}

// Pictures: some in flight at a time, so that all of the program's threads have work.
let wanted = 0, asked = 0, shown = 0, flying = 0, times = [];
function pictures() {
  while (flying < IN_FLIGHT && (start.live ? !document.hidden : asked < wanted)) {
    const number = ++asked, state = wanted;
    flying += 1;
    picture(state, number).finally(() => { flying -= 1; });
  }
}
async function picture(state, number) {
  if (!start.live) asked = state;
  try {
    const response = await ask("picture", { options: options(), show });
    const image = await createImageBitmap(await response.blob());
    const order = start.live ? number : state;
    if (order >= shown) {
      shown = order;
      const canvas = $("picture");
      if (canvas.width !== image.width || canvas.height !== image.height) [canvas.width, canvas.height] = [image.width, image.height];
      canvas.getContext("2d").drawImage(image, 0, 0);
      canvas.dataset.state = state;
      rate();
    }
    image.close();
    wrong("picture", "");
  } catch (error) {
    wrong("picture", error.message);
    await new Promise((done) => setTimeout(done, 500));
  }
  setTimeout(pictures, 0);
}
function rate() {
  const now = performance.now();
  times = [...times.filter((time) => now - time < 2000), now];
  if (start.live && times.length > 2) $("rate").textContent = `${((times.length - 1) * 1000 / (now - times[0])).toFixed(0)} pictures/s`;
}

function change() {
  wanted += 1;
  check();
  pictures();
}

// Guides: straight lines between handles, in parts of the picture's sides.
let guides = [];
function drawGuides() {
  const line = ([[ax, ay], [bx, by]]) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({ x1: ax, y1: ay, x2: bx, y2: by })) shape.setAttribute(name, `${value * 100}%`);
    return shape;
  };
  $("guides").replaceChildren(...guides.map(line));
  $("clear").disabled = guides.length === 0;
}
function addGuide() {
  const at = 0.5 + 0.12 * (guides.length % 7 - 3) * (guides.length ? 1 : 0);
  const guide = [[0.08, at], [0.92, at]];
  guides.push(guide);
  for (const end of guide) {
    const handle = document.createElement("button");
    handle.className = "handle";
    handle.setAttribute("aria-label", "End of a guide: drag it, or use the arrow keys");
    const place = () => {
      [handle.style.left, handle.style.top] = end.map((part) => `${part * 100}%`);
      drawGuides();
    };
    const move = (to) => {
      [end[0], end[1]] = to.map((part) => Math.min(1, Math.max(0, part)));
      place();
    };
    handle.onpointerdown = (event) => handle.setPointerCapture(event.pointerId);
    handle.onpointermove = (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = $("stage").getBoundingClientRect();
      move([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    };
    handle.onkeydown = (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      move([end[0] + step[0] / 400, end[1] + step[1] / 400]);
    };
    $("handles").append(handle);
    place();
  }
}

async function save(event) {
  event.preventDefault();
  const form = event.currentTarget;
  try {
    const request = { options: options(), what: form.dataset.save, name: form.querySelector("input").value };
    const said = await (await ask("save", request)).json();
    tell("saved", [`${said.saved} is saved.`, said.command, ...said.notes].filter(Boolean).join(" \u2014 "));
  } catch (error) {
    tell("saved", error.message);
  }
}

async function copy() {
  $("command").select();
  try { await navigator.clipboard.writeText($("command").value); } catch { document.execCommand("copy"); }
}

async function main() {
  start = await (await ask("start", {})).json();
  resetLens();
  resetView();
  $("model").onchange = () => {
    const { focal, center } = lens;
    lens = { focal, center, ...structuredClone(FIRST[$("model").value]) };
    fromFile = false;
    drawLens();
    change();
  };
  $("fit").onchange = $("projection").onchange = change;
  $("reset-lens").onclick = () => { resetLens(); change(); };
  $("reset-view").onclick = () => { resetView(); change(); };
  $("add").onclick = addGuide;
  $("clear").onclick = () => { guides = []; $("handles").replaceChildren(); drawGuides(); };
  $("copy").onclick = copy;
  for (const form of document.querySelectorAll("form")) form.onsubmit = save;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.onclick = () => {
      show = button.dataset.show;
      for (const other of document.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", other === button);
      $("key").hidden = show !== "scale";
      change();
    };
  }
  document.onvisibilitychange = pictures;
  change();
}
main().catch((error) => tell("error", error.message));

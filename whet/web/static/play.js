// The playground: asks each chosen model, and writes its answer as it comes. Models and settings stand in the address.
"use strict";

const form = document.getElementById("play"), columns = document.getElementById("columns");
const stop = document.getElementById("stop");
const conversations = new Map();
let running = null;

const token = () => JSON.parse(document.body.getAttribute("data-hx-headers:inherited"))["X-CSRF-Token"];
const post = (path, body, signal) => fetch(path, {
  method: "POST", signal, body: JSON.stringify(body),
  headers: {"content-type": "application/json", "x-csrf-token": token()},
});
const chosen = () => [...form.querySelectorAll("[name=models]:checked")].map((one) => one.value);
const copyOf = (name) => document.getElementById(name).content.firstElementChild.cloneNode(true);

function limit() {
  const full = chosen().length >= Number(form.dataset.most);
  for (const one of form.querySelectorAll("[name=models]")) one.disabled = full && !one.checked;
}

function remember() {
  const address = new URLSearchParams();
  address.set("models", chosen().join(","));
  for (const [name, usual] of [["prompt", ""], ["system", ""], ["temperature", "0.0"], ["max_tokens", "200"], ["seed", "0"], ["form", ""]]) {
    const value = form.elements[name].value;
    if (value !== usual) address.set(name, value);
  }
  history.replaceState(null, "", `/play?${address}`);
}

function columnOf(model) {
  const known = [...columns.children].find((one) => one.dataset.model === model);
  if (known) return known;
  const column = copyOf("column");
  column.dataset.model = model;
  column.querySelector("h2").textContent = model;
  columns.append(column);
  return column;
}

function body(model, prompt) {
  const turns = conversations.get(model) ?? [];
  const system = form.elements.system.value;
  const request = {
    model, stream: true, stream_options: {include_usage: true},
    messages: [...(system ? [{role: "system", content: system}] : []), ...turns, {role: "user", content: prompt}],
    temperature: Number(form.elements.temperature.value), seed: Number(form.elements.seed.value),
    max_completion_tokens: Number(form.elements.max_tokens.value),
  };
  if (form.elements.form.value.trim()) {
    const schema = JSON.parse(form.elements.form.value);
    request.response_format = {type: "json_schema", json_schema: {name: "answer", schema, strict: true}};
  }
  return request;
}

async function ask(model, prompt, signal) {
  const answer = copyOf("answer");
  columnOf(model).querySelector(".turns").append(answer);
  answer.querySelector(".asked").textContent = prompt;
  const said = answer.querySelector(".words"), facts = answer.querySelector(".about");
  const began = performance.now();
  let text = "", id = "", end = "", tokens = null;
  try {
    const reply = await post("/play/answer", body(model, prompt), signal);
    if (!reply.ok) return fail(answer, await wrongOf(reply));
    for await (const chunk of chunks(reply)) {
      if (chunk.error) return fail(answer, chunk.error.message);
      id = chunk.id ?? id;
      tokens = chunk.usage?.completion_tokens ?? tokens;
      end = chunk.choices?.[0]?.finish_reason ?? end;
      text += chunk.choices?.[0]?.delta?.content ?? "";
      said.textContent = text;
    }
    const version = reply.headers.get("x-whet-version");
    const words = {length: "cut at the limit of tokens", stop: "ended by itself"};
    facts.textContent = [version, tokens === null ? "" : `${tokens} tokens`, `${((performance.now() - began) / 1000).toFixed(1)} s`, words[end] ?? end].filter(Boolean).join(" · ");
    conversations.set(model, [...(conversations.get(model) ?? []), {role: "user", content: prompt}, {role: "assistant", content: text}]);
    offer(answer, id, text);
  } catch (error) {
    fail(answer, error.name === "AbortError" ? "Stopped." : `This did not work: ${error.message}`);
  }
}

async function wrongOf(reply) {
  const text = await reply.text();
  const page = new DOMParser().parseFromString(text, "text/html").querySelector(".message p");
  return page?.textContent ?? text;
}

async function* chunks(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    waiting += value;
    const parts = waiting.split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      const line = part.split("\n").find((one) => one.startsWith("data: "));
      if (line && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

function fail(answer, text) {
  const message = answer.querySelector(".about");
  message.classList.replace("soft", "amiss");
  message.textContent = text;
}

function offer(answer, id, text) {
  const correcting = answer.querySelector(".correcting"), kept = answer.querySelector(".kept");
  answer.querySelector(".acts").hidden = false;
  const say = async (what, words) => {
    const reply = await post("/play/feedback", {id, by: "studio", ...what});
    kept.textContent = reply.ok ? words : await wrongOf(reply);
  };
  answer.querySelector(".up").onclick = () => say({thumb: "up"}, "Kept: good.");
  answer.querySelector(".down").onclick = () => say({thumb: "down"}, "Kept: bad.");
  answer.querySelector(".correct").onclick = () => {
    correcting.hidden = false;
    correcting.querySelector("textarea").value = text;
    correcting.querySelector("textarea").focus();
  };
  correcting.onsubmit = (event) => {
    event.preventDefault();
    correcting.hidden = true;
    say({corrected: correcting.querySelector("textarea").value}, "Kept: a corrected answer, which whet retrain learns from.");
  };
}

async function askAll(event) {
  event?.preventDefault();
  if (running || !form.reportValidity()) return;
  if (!chosen().length) return say("Choose a model first.");
  remember();
  running = new AbortController();
  stop.hidden = false;
  const prompt = form.elements.prompt.value;
  await Promise.all(chosen().map((model) => ask(model, prompt, running.signal)));
  running = null;
  stop.hidden = true;
}

form.addEventListener("submit", askAll);
form.addEventListener("change", () => { limit(); remember(); });
form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) askAll(event); });
stop.addEventListener("click", () => running?.abort());
document.getElementById("anew").addEventListener("click", () => { conversations.clear(); columns.replaceChildren(); form.elements.prompt.focus(); });
limit();

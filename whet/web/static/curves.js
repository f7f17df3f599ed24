// Curves of a run: drawn from numbers of the server, and anew whenever the page says that there is another step.
"use strict";

const COLOURS = ["--tuned", "--drop", "--better", "--undecided", "--worse", "--base"];
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
const short = (value) => (value === null ? "" : String(Number(value.toPrecision(4))));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

async function draw(place) {
  const answer = await fetch(place.dataset.curves, {headers: {accept: "application/json"}});
  if (!answer.ok) return;
  const plots = await answer.json();
  if (!plots.length) return;
  place.replaceChildren(...plots.map(() => document.createElement("figure")));
  plots.forEach((plot, index) => drawOne(place.children[index], plot));
}

function drawOne(figure, plot) {
  figure.className = plot.name === "loss" ? "curve broad" : "curve";
  figure.append(Object.assign(document.createElement("figcaption"), {textContent: plot.name}));
  const axis = {stroke: colour("--soft"), grid: {stroke: colour("--line"), width: 1}, ticks: {stroke: colour("--line")}};
  const series = plot.lines.map((line, index) => ({
    label: line.label, stroke: colour(COLOURS[index % COLOURS.length]), dash: index < COLOURS.length ? [] : [6, 4], width: 2, spanGaps: true,
    points: {show: line.y.filter((value) => value !== null).length < 40},
    value: (_, value) => (value === null ? "" : value.toPrecision(4)),
  }));
  const options = {
    width: figure.clientWidth, height: plot.name === "loss" ? 280 : 180,
    scales: {x: {time: false}}, axes: [{...axis, incrs: WHOLE}, {...axis, size: 70, values: (_, all) => all.map(short)}],
    series: [{label: "step"}, ...series], cursor: {y: false},
  };
  const chart = new uPlot(options, [plot.x, ...plot.lines.map((line) => line.y)], figure);
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", plot.lines.map(said).join("; "));
  new ResizeObserver(() => chart.setSize({width: figure.clientWidth, height: options.height})).observe(figure);
}

function said(line) {
  const known = line.y.filter((value) => value !== null);
  return `${line.label}: from ${known[0].toPrecision(3)} to ${known.at(-1).toPrecision(3)}`;
}

for (const place of document.querySelectorAll("[data-curves]")) {
  let seen = null;
  const look = () => {
    const step = document.querySelector("[data-step]")?.dataset.step;
    if (step === seen) return;
    seen = step;
    draw(place);
  };
  look();
  new MutationObserver(look).observe(document.getElementById("content"), {subtree: true, childList: true, attributes: true, attributeFilter: ["data-step"]});
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(place));
}

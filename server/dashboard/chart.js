// SPDX-License-Identifier: MIT
//
// bars("Enrolments each day", [{ label: "Mon 3", value: 12 }, …], { unit: ["machine", "machines"] }): a small chart
// of what was when, and the same as a table for whoever doesn't see it. What lies under the pointer is told above.

import { fill, h, svg } from "./dom.js";
import { count, number } from "./ui.js";

const HEIGHT = 132, FLOOR = 20, CEILING = 8, GAP = 0.28;

// 1, 2 or 5 and zeros: a scale that people read.
function niceTop(value) {
	const size = 10 ** Math.floor(Math.log10(Math.max(value, 1)));

	return [1, 2, 5, 10].map((n) => n * size).find((n) => n >= value) ?? value;
}

function draw(place, points, top, tell) {
	const width = Math.max(place.clientWidth, 200), left = 8 + 7 * number(top).length;
	const step = (width - left) / points.length;
	const y = (value) => HEIGHT - FLOOR - value / top * (HEIGHT - FLOOR - CEILING);
	const every = Math.ceil(points.length * 64 / (width - left));
	const grid = [0, top / 2, top].filter(Number.isInteger);

	fill(place, svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" },
		grid.map((v) => [
			svg("line", { class: v === 0 ? "axis" : "grid", x1: left, x2: width, y1: y(v) + 0.5, y2: y(v) + 0.5 }),
			svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, number(v)),
		]),
		points.map((p, i) => {
			const x = left + i * step + step * GAP / 2, wide = Math.max(1, step * (1 - GAP));
			const tall = p.value === 0 ? 0 : Math.max(2, y(0) - y(p.value));

			return [
				svg("rect", { class: "bar", x, y: y(0) - tall, width: wide, height: tall, rx: Math.min(2, wide / 2, tall / 2) }),
				svg("rect", {
					class: "hit", x: left + i * step, y: 0, width: step, height: HEIGHT - FLOOR,
					onpointerenter: () => tell(p), onpointerleave: () => tell(null),
				}),
				i % every === 0 && svg("text", {
					x: x + wide / 2, y: HEIGHT - 4, "text-anchor": i === 0 ? "start" : "middle", ...(i === 0 ? { x } : {}),
				}, p.label),
			];
		})));
}

export function bars(title, points, { unit = ["", ""] } = {}) {
	const sum = points.reduce((all, p) => all + p.value, 0);
	const top = Math.max(2, niceTop(Math.max(...points.map((p) => p.value), 0)));
	const words = (p) => (p ? `${p.name ?? p.label}: ${count(p.value, ...unit)}` : `${count(sum, ...unit)} in all`);
	const told = h("p", { class: "chart-told" }, words(null));
	const place = h("div", { class: "chart-place" });
	const node = h("figure", { class: "chart" }, told, place,
		h("table", { class: "visually-hidden" }, h("caption", title),
			h("tbody", points.map((p) => h("tr", h("th", { scope: "row" }, p.name ?? p.label), h("td", String(p.value)))))));

	new ResizeObserver(() => draw(place, points, top, (p) => (told.textContent = words(p)))).observe(place);
	return node;
}

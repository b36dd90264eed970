// SPDX-License-Identifier: MIT
//
// How far machines are with something: in words, as a bar, and what each part of the bar stands for.
//
//   progress({
//       done: 34, of: 60, words: "run it",              "56 % of 60 machines run it"
//       parts: [{ key: "done", colour: "current", text: "done", count: 34, href: "/…" }, …],   those of none are left out
//       choose: { name: "Show machines by outcome", chosen: "", f: (key) => … },               or null
//   })
//
// A part's key in choose.only, or in all of them, is a button that shows these machines alone; with a href it is a link;
// else it only tells. Colours are the names of the style's .part-….

import { h } from "./dom.js";
import { number } from "./ui.js";

function keyOf({ key, colour, text, count, href }, choose) {
	const content = [colour && h("span", { class: `swatch part-${colour}`, "aria-hidden": "true" }), h("span", text), " ", h("strong", number(count))];

	if (choose && (!choose.only || key === "" || choose.only.includes(key)))
		return h("button", { type: "button", class: "key", "data-keep": key, "aria-pressed": String(choose.chosen === key), onclick: () => choose.f(key) }, content);
	return href ? h("a", { class: "key", "data-keep": key, href }, content) : h("span", { class: "key still" }, content);
}

function bar(parts) {
	return h("div", { class: "progress-bar", "aria-hidden": "true" }, parts.map(({ colour, count }) => {
		const node = h("span", { class: `progress-part part-${colour}` });
		node.style.flexGrow = count;
		return node;
	}));
}

export function progress({ done, of, words, parts, choose = null }) {
	const shown = parts.filter(({ count }) => count > 0);
	const share = of ? Math.floor(done * 100 / of) : 0;

	return h("div", { class: "progress" },
		h("p", { class: "progress-told" }, h("strong", `${share} %`), ` of ${number(of)} machines ${words}`),
		bar(shown),
		h("div", { class: "progress-key", role: "group", "aria-label": choose?.name ?? "Machines by outcome" },
			(choose ? [{ key: "", text: "all", count: choose.all ?? of }, ...shown] : shown).map((p) => keyOf(p, choose))));
}

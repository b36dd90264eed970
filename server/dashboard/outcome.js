// SPDX-License-Identifier: MIT
// How far a machine is with a configuration, in words and as a bar of all of them.

import { h } from "./dom.js";
import { badge, number } from "./ui.js";
import { when } from "./time.js";

export const OUTCOMES = {
	current: ["good", "has it"],
	pending: ["busy", "under way"],
	offline: ["idle", "away"],
	refused: ["bad", "refused"],
	ahead: ["warn", "has a later one"],
	none: ["idle", "has it no more"],
};

export function outcomeBadge(state) {
	return badge(...OUTCOMES[state] ?? ["idle", state]);
}

export function revisions({ should, has }) {
	if (should === has)
		return has === null ? "none" : `revision ${has}`;
	return `${has === null ? "none" : `revision ${has}`} → ${should === null ? "none" : `revision ${should}`}`;
}

// What the machine's hook or the agent said when it refused.
export function refusal({ reason, text, refused }) {
	if (!reason)
		return null;
	return h("div", { class: "refusal" }, h("p", reason, ", ", when(refused)), text && h("pre", { tabindex: "0" }, text));
}

// Parts of the whole; chosen: the outcome that is shown alone, f(outcome or "") when another is pressed.
export function progressBar(progress, chosen, f) {
	const { counts, machines } = progress;
	const shown = Object.keys(OUTCOMES).filter((o) => counts[o] > 0);
	const share = machines ? Math.floor((counts.current + counts.none) * 100 / machines) : 0;

	return h("div", { class: "progress" },
		h("p", { class: "progress-told" }, h("strong", `${share} %`), ` of ${number(machines)} machines are where they should be`),
		h("div", { class: "progress-bar", "aria-hidden": "true" }, shown.map((o) => {
			const node = h("span", { class: `progress-part part-${o}` });
			node.style.flexGrow = counts[o];
			return node;
		})),
		h("div", { class: "progress-key", role: "group", "aria-label": "Show machines by outcome" },
			[["", "all", machines], ...shown.map((o) => [o, OUTCOMES[o][1], counts[o]])].map(([o, words, n]) => h("button", {
				type: "button", class: "key", "aria-pressed": String(chosen === o), onclick: () => f(o),
			}, o && h("span", { class: `swatch part-${o}`, "aria-hidden": "true" }), h("span", words), h("strong", number(n))))));
}

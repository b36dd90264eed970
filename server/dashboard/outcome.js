// SPDX-License-Identifier: MIT
// How far a machine is with a configuration, in words and as a bar of all of them.

import { h } from "./dom.js";
import { badge } from "./ui.js";
import { progress } from "./progress.js";
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

// chosen: the outcome that is shown alone, f(outcome or "") when another is pressed.
export function progressBar({ counts, machines }, chosen, f) {
	return progress({
		done: counts.current + counts.none, of: machines, words: "are where they should be",
		parts: Object.keys(OUTCOMES).map((key) => ({ key, colour: key, text: OUTCOMES[key][1], count: counts[key] })),
		choose: { name: "Show machines by outcome", chosen, f },
	});
}

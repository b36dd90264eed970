// SPDX-License-Identifier: MIT
// A roll-out of the release that is offered: to whom, how many at once, and how many may fail.

import { get, path, post } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { card, count, header } from "./ui.js";
import { form, text } from "./form.js";
import { confirm } from "./dialog.js";
import { forWhomText } from "./configuration.js";
import { nothingOffered, offered } from "./release.js";
import { whomField, whomOf } from "./whom.js";
import { go } from "./router.js";
import { toast } from "./toast.js";

const BACK = ["/releases", "Releases"];

function whole(name, label, { min, max, value, hint }) {
	return text(name, label, { type: "number", min, max, step: "1", value, required: true, inputmode: "numeric", hint });
}

// The one that another ends.
async function standing(signal) {
	const { rollouts: [newest] } = await get("/rollouts", { limit: 1 }, { signal });

	return newest && newest.state !== "ended" ? newest : null;
}

function whomText(whom) {
	const { selector } = whom.value(), n = whom.hits();

	if (whom.isAll())
		return n === null ? "all machines" : `all ${count(n, "machine")}`;
	return selector ? `${n === null ? "the machines" : count(n, "machine")} with ${selector}` : "one machine";
}

function isSure(release, former, whom, { at_once, failures }) {
	const allowed = Number(failures);

	return confirm({
		title: `Roll out ${release.version} to ${whomText(whom)}?`, action: `Roll out ${release.version}`,
		text: [
			`Each fetches the release, checks it and restarts its agent: ${count(Number(at_once), "machine")} at a time, and no other after ${allowed === 0 ? "the first failure" : `failure ${allowed + 1}`}.`,
			former && `It ends the roll-out of ${former.version} for ${forWhomText(former.selector)}.`,
		].filter(Boolean),
	});
}

export async function page(view) {
	const { signal } = view;
	const [release, former] = await Promise.all([offered({ signal }), standing(signal)]);

	if (!release)
		return [header("Roll out", { back: BACK }), card({}, nothingOffered())];
	const whom = whomField(view, whomOf(view.query.get("selector"), view.query.get("client")));
	const atOnce = whole("at_once", "At once", { min: "1", max: "10000", value: "10", hint: "So many machines take it at a time; the next is asked when one of them has it." });
	const failures = whole("failures", "Failures allowed", { min: "0", max: "1000000", value: "0", hint: "If more fail, or are not heard of again, no other machine is asked until somebody resumes it. 0: the first failure halts it." });
	const node = form({
		fields: [h("div", { class: "field" }, h("span", { "aria-hidden": "true" }, "For"), whom.root), h("div", { class: "fields" }, atOnce, failures)],
		submit: "Roll out …",
		send: async (values) => {
			if (!await isSure(release, former, whom, values))
				return;
			const made = await post("/rollouts", { ...whom.value(), at_once: Number(values.at_once), failures: Number(values.failures) });
			toast(`Release ${made.version} is on its way to ${forWhomText(made.selector)}.`);
			await go(path`/releases/${made.id}`);
		},
	});

	view.title(`Roll out ${release.version}`);
	return [
		header(`Roll out ${release.version}`, { back: BACK, lead: "Machines that are away are asked when they come back, as long as the roll-out stands. What has the release by an earlier roll-out isn't asked again." }),
		former && h("div", { class: "notice notice-warn stack-large" }, icon("warn"), h("p", `The roll-out of ${former.version} for ${forWhomText(former.selector)} ends when this one starts.`)),
		card({ class: "narrow" }, node),
	].filter(Boolean);
}

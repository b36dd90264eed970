// SPDX-License-Identifier: MIT
//
// How the release that this server offers, roll-outs of it and machines' updates are told of.
//
//   await offered({ signal })               what is offered; null: nothing
//   digest(hex), offeredFacts(release), nothingOffered()
//   rolloutBadge(r), rolloutProgress(r, { href } or { chosen, f }), matterOf(r), matterSeen(r)
//   OUTCOMES, updateBadge(u), updateWords(u)
//   actButtons(() => r, again)              what an operator may do to it as it is then: each asks first

import { get, path, post } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { badge, button, count, empty, facts } from "./ui.js";
import { can } from "./session.js";
import { sizeText } from "./configuration.js";
import { copyButton } from "./copy.js";
import { open } from "./dialog.js";
import { form, text } from "./form.js";
import { refusal } from "./outcome.js";
import { progress } from "./progress.js";
import { when } from "./time.js";
import { toast } from "./toast.js";

// ---- what is offered

// What isn't there would be an error in the browser's console, so that is asked first.
export async function offered(options) {
	const { manifest } = await get("/status", null, options);

	return manifest && get("/release", null, options);
}

export function digest(hex) {
	return h("span", { class: "digest" }, h("code", { title: hex }, hex.slice(0, 12)), copyButton(hex, { label: "Copy digest", small: true }));
}

function program(file) {
	return h("li", h("code", file.path), " ", h("span", { class: "muted" }, sizeText(file.size)),
		!file.offered && [" ", badge("bad", "missing, or another file")]);
}

export function offeredFacts(release) {
	return facts([
		["Version", h("strong", release.version)],
		["Manifest", [`serial ${release.serial}, issued `, when(release.issued)]],
		["Digest", digest(release.digest)],
		["Programs", h("ul", { class: "programs" }, release.files.map(program))],
	]);
}

export function nothingOffered() {
	return empty("No release is offered", ["The server has no programs for machines, or no signed manifest of them. Put muster-enrol and muster-agent below ",
		h("code", "linux/ARCH/"), " in its folder ", h("code", "Clients="), " and reload it; its log tells what is wrong."]);
}

// ---- a roll-out

const STATES = { running: ["busy", "running"], halted: ["bad", "halted"], ended: ["idle", "ended"] };

export const OUTCOMES = {
	done: ["good", "done", "current"],
	"under-way": ["busy", "under way", "pending"],
	failed: ["bad", "failed or lost", "refused"],
	waiting: ["idle", "waiting", "none"],
	offline: ["idle", "away", "offline"],
};

export function rolloutBadge(r) {
	return badge(...STATES[r.state] ?? ["idle", r.state]);
}

// how: a link for each part, or which is chosen and what is done when another is.
export function rolloutProgress(r, { href = null, chosen = null, f = null }) {
	const of = Object.keys(OUTCOMES).reduce((sum, key) => sum + (r.counts[key] ?? 0), 0);

	if (of === 0)
		return h("p", { class: "muted" }, r.state === "ended" ? "It asked no machine." : "No machine that is enrolled now is to have it, or all have had it before.");
	return progress({
		done: r.counts.done, of, words: r.state === "ended" ? "that it asked have it" : "have it",
		parts: Object.entries(OUTCOMES).map(([key, [, words, colour]]) => ({ key, colour, text: words, count: r.counts[key] ?? 0, href: href?.(key) })),
		choose: f && { name: "Show machines by outcome", chosen, f },
	});
}

// The machine whose failure was one too many is named as "NAME (ID): why".
function reasonOf(r) {
	const [, name, id, why] = /^(.*?) ?\(([0-9a-f]{32})\): (.*)$/s.exec(r.reason ?? "") ?? [];

	return id ? [h("a", { href: path`/machines/${id}` }, name || id.slice(0, 12)), `: ${why}`] : r.reason ?? "no reason is given";
}

// Each has answered. Lists don't have the counts of those that wait.
function isThrough({ state, counts }) {
	return state === "running" && counts.waiting === 0 && counts.offline === 0 && counts["under-way"] === 0 && counts.done + counts.failed > 0;
}

// What matterOf() is made of, as part() takes it.
export function matterSeen(r) {
	return [r.id, r.state, r.reason, r.offered, isThrough(r)];
}

// What somebody should know of it, or null.
export function matterOf(r) {
	const notice = (kind, ...children) => h("div", { class: `notice notice-${kind}` }, icon(kind), h("div", children));

	if (r.state === "halted")
		return notice("bad", h("p", h("strong", "It is halted: "), reasonOf(r)),
			h("p", { class: "muted" }, "No other machine is asked until it is resumed. Those that failed are asked again by a new roll-out only."));
	if (r.state === "running" && !r.offered)
		return notice("warn", h("p", h("strong", "This server offers another release, or none. ")),
			h("p", { class: "muted" }, "It asks no machine before it offers this one again. A new roll-out is one of what it offers now."));
	if (isThrough(r))
		return notice("good", h("p", h("strong", "No machine is left to be asked. ")),
			h("p", { class: "muted" }, "It stands until it is ended or another one starts: machines that get its labels later are asked too."));
	if (r.state === "ended" && r.reason)
		return notice("info", h("p", h("strong", "It has ended: "), r.reason));
	return null;
}

// ---- a machine's update

const UPDATES = { ...OUTCOMES, failed: ["bad", "failed"], lost: ["bad", "lost"] };

// By code, muster-protocol(7).
const MEANINGS = {
	41: "nothing has changed on the machine",
	42: "the new agent didn't get through to the server; what was there is there again",
	43: "not all could be put back: somebody must look at the machine",
	44: "the machine's administrator doesn't have updates taken from the server",
};

export function updateBadge({ state }) {
	const [kind, words] = UPDATES[state] ?? ["idle", state];

	return badge(kind, words);
}

export function updateWords(u) {
	if (u.state === "lost")
		return refusal({ reason: "It was not heard of again", text: u.text, refused: u.answered });
	if (u.state !== "failed")
		return null;
	return refusal({ reason: MEANINGS[u.code] ? `${u.reason}: ${MEANINGS[u.code]}` : u.reason, text: u.text, refused: u.answered });
}

// ---- what is done to a roll-out

const REASON = { optional: true, maxlength: "200", hint: "It stands in the audit log, and here." };

function failuresField(r) {
	const failed = r.counts.failed;

	return text("failures", "Failures allowed", {
		type: "number", min: "0", max: "1000000", required: true, inputmode: "numeric", value: String(Math.max(r.failures, failed)),
		hint: `In all; ${count(failed, "machine has", "machines have")} failed or been lost so far. One more than this number, and it halts again.`,
	});
}

const ACTS = {
	resume: {
		button: "Resume …", from: ["halted"], kind: "primary", action: "Resume roll-out", done: "goes on",
		title: (r) => `Resume the roll-out of ${r.version}?`,
		text: (r) => `It goes on with the next machines, ${r.at_once} at a time. Those that failed are not asked again by it.`,
		fields: (r) => [failuresField(r)], values: ({ failures }) => ({ failures: Number(failures) }),
	},
	halt: {
		button: "Halt …", from: ["running"], kind: "primary", action: "Halt roll-out", done: "is halted",
		title: (r) => `Halt the roll-out of ${r.version}?`,
		text: (r) => `No other machine is asked until it is resumed. ${r.counts["under-way"] > 0 ? `${count(r.counts["under-way"], "machine")} under way will still come to an end.` : ""}`.trim(),
		fields: () => [text("reason", "Reason", REASON)], values: ({ reason }) => (reason ? { reason } : {}),
	},
	end: {
		button: "End …", from: ["running", "halted"], kind: "danger", action: "End roll-out", done: "has ended",
		title: (r) => `End the roll-out of ${r.version}?`,
		text: () => "No other machine is asked, those that come back later neither, and it can't be resumed. Machines that have the release keep it.",
		fields: () => [text("reason", "Reason", REASON)], values: ({ reason }) => (reason ? { reason } : {}),
	},
};

async function act(which, r, again) {
	const spec = ACTS[which];
	const done = await open({
		title: spec.title(r), role: "alertdialog",
		content: (close) => form({
			fields: [h("p", spec.text(r)), ...spec.fields(r)],
			submit: spec.action, kind: spec.kind === "danger" ? "danger solid" : "primary", cancel: () => close(false),
			send: async (values) => {
				await post(path`/rollouts/${r.id}/${which}`, spec.values(values));
				close(true);
			},
		}),
	});

	if (done !== true)
		return;
	toast(`The roll-out of ${r.version} ${spec.done}.`);
	again();
}

export function actButtons(now, again) {
	if (!can("operator"))
		return [];
	return Object.entries(ACTS).filter(([, spec]) => spec.from.includes(now().state)).map(([which, spec]) =>
		button(spec.button, () => act(which, now(), again), { kind: which === "resume" || spec.kind === "danger" ? spec.kind : "" }));
}

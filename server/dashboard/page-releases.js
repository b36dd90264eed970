// SPDX-License-Identifier: MIT
// What this server offers to machines, how far its roll-out is, and the roll-outs before.

import { get, path } from "./api.js";
import { h } from "./dom.js";
import { card, count, empty, header, linkButton, number } from "./ui.js";
import { can } from "./session.js";
import { forWhom } from "./configuration.js";
import { nameOf, part } from "./machine.js";
import { actButtons, matterOf, matterSeen, nothingOffered, offered, offeredFacts, rolloutBadge, rolloutProgress, updateBadge, updateWords } from "./release.js";
import { table } from "./table.js";
import { when } from "./time.js";

const SHOWN = 5; // machines that failed

const COLUMNS = [
	{ title: "Release", cell: (r) => r.version },
	{ title: "State", class: "corner", cell: rolloutBadge },
	{ title: "For", cell: (r) => forWhom(r.selector) },
	{ title: "Done", class: "num", cell: (r) => number(r.counts.done) },
	{ title: "Failed", class: "num", cell: (r) => number(r.counts.failed) },
	{ title: "Started", class: "nowrap", cell: (r) => when(r.started) },
	{ title: "By", class: "hide-medium hide-narrow", cell: (r) => h("span", { class: "actor" }, r.actor) },
];

// ---- the one that stands

async function failedOf(r, signal) {
	const some = (outcome) => get(path`/rollouts/${r.id}/machines`, { outcome, limit: SHOWN }, { signal });

	if (r.counts.failed === 0)
		return [];
	const [failed, lost] = await Promise.all(["failed", "lost"].map(some));
	return [...failed.machines, ...lost.machines].slice(0, SHOWN);
}

// null: none was ever started.
async function newest(signal) {
	const { rollouts: [first] } = await get("/rollouts", { limit: 1 }, { signal });

	if (!first || first.state === "ended")
		return first ?? null;
	const whole = await get(path`/rollouts/${first.id}`, null, { signal });
	return { ...whole, machines: await failedOf(whole, signal) };
}

function failedMachine(m) {
	return h("li", h("div", { class: "entry-head" }, h("a", { href: path`/machines/${m.id}` }, nameOf(m)), updateBadge(m)), updateWords(m));
}

function failures(r) {
	const left = r.counts.failed - r.machines.length;

	return r.machines.length > 0 && [
		h("h3", { class: "failures" }, "What failed"),
		h("ul", { class: "entries" }, r.machines.map(failedMachine)),
		left > 0 && h("div", { class: "more" }, linkButton(`All ${number(r.counts.failed)}`, path`/releases/${r.id}` + "?outcome=failed", { class: "button small" }))];
}

function standing(r) {
	return [
		h("div", { class: "rollout-head" }, h("a", { class: "rollout-name", href: path`/releases/${r.id}` }, `Release ${r.version}`), rolloutBadge(r),
			h("span", { class: "muted" }, "for "), forWhom(r.selector)),
		h("p", { class: "muted rollout-manner" }, `${number(r.at_once)} at a time, ${r.failures === 0 ? "no failure" : count(r.failures, "failure")} allowed. Started `,
			when(r.started), " by ", h("span", { class: "actor" }, r.actor), "."),
		rolloutProgress(r, { href: (outcome) => path`/releases/${r.id}` + `?outcome=${outcome}` }),
		failures(r)];
}

function none(before, release) {
	return empty(before ? "No roll-out is under way" : "Nothing has been rolled out yet",
		"A roll-out has machines take the release that is offered, so many at a time, and halts when more of them fail than you allow.",
		can("operator") && release && linkButton("Roll it out", "/releases/new", { icon: "releases", kind: "primary" }));
}

export async function page(view) {
	const { signal } = view, offer = h("div"), now = h("div", { class: "stack" }), acts = h("div");
	const matter = h("div", { class: "matters", role: "status" });
	const load = () => Promise.all([offered({ signal }), newest(signal)]);
	const showOffer = part(offer, (release) => (release ? offeredFacts(release) : nothingOffered()));
	const showNow = part(now, ({ release, rollout }) => (rollout && rollout.state !== "ended" ? standing(rollout) : none(rollout, release)));
	const showActs = part(acts, () => current && h("div", { class: "actions" }, actButtons(() => current, look)));
	const showMatter = part(matter, () => current && current.state !== "ended" && matterOf(current));
	let current = null;
	const show = ([release, rollout]) => {
		current = rollout;
		showOffer(release);
		showNow({ release, rollout });
		showMatter(null, rollout && matterSeen(rollout));
		showActs(null, rollout && [rollout.id, rollout.state]);
	};
	const list = table({
		label: "Roll-outs", columns: COLUMNS, signal,
		fetch: ({ after, limit }) => get("/rollouts", { after, limit }, { signal }).then((answer) => ({ rows: answer.rollouts, next: answer.next })),
		key: (r) => String(r.id),
		href: (r) => path`/releases/${r.id}`,
		empty: () => empty("No roll-outs yet"),
	});
	const first = await load();

	async function look() {
		try {
			show(await load());
		} catch (error) {
			if (error.status === undefined && error.name !== "AbortError")
				console.error(error);
		}
	}

	show(first);
	view.watch(["rollouts", "clients", "status"], (changes) => {
		look();
		if (changes.has("rollouts"))
			list.refresh();
	});
	return [
		header("Releases", {
			lead: "The machines' own programs: what is offered, and who takes it.",
			actions: can("operator") && first[0] ? [linkButton("Roll out", "/releases/new", { kind: "primary", icon: "releases", "data-key": "n" })] : [],
		}),
		h("div", { class: "columns" }, card({ title: "Roll-out", actions: [acts] }, matter, now), card("Offered by this server", offer)),
		card({ title: "All roll-outs", flush: true }, list.root),
	];
}

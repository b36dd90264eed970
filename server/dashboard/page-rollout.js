// SPDX-License-Identifier: MIT
// One roll-out of a release: how far it is, machine by machine, and what can be done to it.

import { get, path } from "./api.js";
import { h } from "./dom.js";
import { card, count, empty, facts, header, number } from "./ui.js";
import { forWhom } from "./configuration.js";
import { nameOf, part } from "./machine.js";
import { OUTCOMES, actButtons, digest, matterOf, matterSeen, rolloutBadge, rolloutProgress, updateBadge, updateWords } from "./release.js";
import { table } from "./table.js";
import { when } from "./time.js";

const COLUMNS = [
	{ title: "Machine", class: "machine-cell", cell: nameOf },
	{ title: "Outcome", class: "corner", cell: updateBadge },
	{ title: "Agent", class: "hide-medium", cell: (m) => m.version ?? "–" },
	{ title: "Asked", class: "nowrap", cell: (m) => when(m.sent) },
	{ title: "What it says", class: "wide bare-cell", cell: updateWords },
];

// The API's lists that are shown one after another: all of them, what needs somebody first.
const LISTS = { "": ["failed", "lost", "under-way", "waiting", "done", "offline"], failed: ["failed", "lost"] };

// after: "LIST AFTER", where the page before has ended.
async function machines(id, outcome, { after, limit, signal }) {
	const lists = LISTS[outcome] ?? [outcome], rows = [];
	let [at, place] = after ? after.split(" ") : ["0", ""];

	for (at = Number(at); at < lists.length; at++, place = "") {
		const answer = await get(path`/rollouts/${id}/machines`, { outcome: lists[at], after: place, limit: limit - rows.length }, { signal });

		rows.push(...answer.machines);
		if (answer.next)
			return { rows, next: `${at} ${answer.next}` };
		if (rows.length === limit && at + 1 < lists.length)
			return { rows, next: `${at + 1} ` };
	}
	return { rows, next: null };
}

function about(r) {
	return facts([
		["Release", [h("strong", r.version), " ", digest(r.release)]],
		["For", forWhom(r.selector)],
		["At once", count(r.at_once, "machine")],
		["Failures allowed", number(r.failures)],
		["Started", [when(r.started), h("span", { class: "muted" }, " by "), h("span", { class: "actor" }, r.actor)]],
		["Changed", r.changed === r.started ? null : when(r.changed)],
	]);
}

export async function page(view) {
	const load = (id) => get(path`/rollouts/${id}`, null, { signal: view.signal });
	const nodes = Object.fromEntries(["badges", "acts", "matter", "bar", "about"].map((n) => [n, h("div")]));
	let rollout = await load(view.params.id);
	let outcome = view.query.get("outcome") in OUTCOMES ? view.query.get("outcome") : "";
	const list = table({
		label: `Machines of the roll-out of ${rollout.version}`, columns: COLUMNS, signal: view.signal,
		fetch: (asked) => machines(rollout.id, outcome, asked),
		key: (m) => m.id,
		href: (m) => path`/machines/${m.id}`,
		empty: () => (outcome ? empty("No machine of that kind") : empty("It has asked no machine", "As soon as a machine has the labels that it goes by, it is asked.")),
	});
	const parts = [
		[part(nodes.badges, rolloutBadge), (r) => r.state],
		[part(nodes.acts, () => h("div", { class: "actions" }, actButtons(() => rollout, look))), (r) => r.state],
		[part(nodes.matter, matterOf), matterSeen],
		[part(nodes.bar, (r) => rolloutProgress(r, { chosen: outcome, f: choose })), (r) => [r.counts, r.state, outcome]],
		[part(nodes.about, about), (r) => [r.failures, r.changed]],
	];
	const show = () => parts.forEach(([fillIn, seen]) => fillIn(rollout, seen(rollout)));

	async function look() {
		try {
			rollout = await load(rollout.id);
			show();
		} catch (error) {
			if (error.status === undefined && error.name !== "AbortError")
				console.error(error);
		}
	}

	function choose(next) {
		outcome = next;
		view.setQuery({ outcome });
		show();
		list.reload();
		nodes.bar.querySelector("[aria-pressed=true]")?.focus();
	}

	view.title(`Roll-out of ${rollout.version}`);
	nodes.matter.className = "matters";
	nodes.matter.setAttribute("role", "status");
	show();
	view.watch(["rollouts", "clients", "status"], (changes) => {
		if (rollout.state === "ended" && !changes.has("rollouts"))
			return; // nobody waits for it
		look();
		list.refresh();
	});
	return [
		header(`Roll-out of ${rollout.version}`, { back: ["/releases", "Releases"], badges: [nodes.badges], actions: [nodes.acts] }),
		nodes.matter,
		h("div", { class: "columns" }, card("How far the machines are", nodes.bar), card("About it", nodes.about)),
		card({ title: "Machines", flush: true }, list.root),
	];
}

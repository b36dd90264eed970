// SPDX-License-Identifier: MIT
// One token: what it permits, who used it, its end.

import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { badge, button, card, empty, facts, header, labels } from "./ui.js";
import { can } from "./session.js";
import { confirm } from "./dialog.js";
import { table } from "./table.js";
import { countdown, span, when } from "./time.js";
import { stateBadge, usesText } from "./token.js";
import { toast } from "./toast.js";

const COLUMNS = [
	{ title: "Machine", cell: (c) => [c.hostname ?? c.id.slice(0, 8), h("code", { class: "sub" }, c.id.slice(0, 8))] },
	{ title: "State", class: "corner", cell: (c) => (c.state === "enrolled" ? badge("good", "enrolled") : badge(c.state === "pending" ? "warn" : "idle", c.state)) },
	{ title: "Address", class: "hide-narrow", cell: (c) => c.address ?? "–" },
	{ title: "Enrolled", class: "nowrap", cell: (c) => when(c.enrolled) },
];

async function revoke(view, token) {
	const name = token.note ? `“${token.note}”` : token.id;
	const sure = await confirm({
		title: `Revoke token ${name}?`, danger: true, action: "Revoke token",
		text: "No machine can enrol by it any more, and that can't be taken back. Machines that already came in by it stay.",
	});

	if (!sure)
		return;
	try {
		await post(path`/tokens/${token.id}/revoke`);
		toast(`Token ${token.id} is revoked.`);
	} catch (error) {
		toast(error);
	}
	view.reload();
}

function about(token) {
	const live = token.state === "live" && token.expires;

	return facts([
		["Id", h("code", token.id)],
		["Labels", labels(token.labels)],
		["Used", usesText(token)],
		["Expires", !token.expires ? "never" : live ? [when(token.expires), " (", countdown(token.expires), ")"] : when(token.expires)],
		["Approval", token.approve ? "an administrator approves each machine" : "not needed"],
		["Ephemeral", token.ephemeral ? `machines that stay away for ${span(token.ephemeral)} are removed` : null],
		["Made", [when(token.created), h("span", { class: "muted" }, " by "), token.created_by]],
		["Revoked", token.revoked ? when(token.revoked) : null],
		["Note", token.note],
	]);
}

export async function page(view) {
	const load = (after, limit, signal) => get(path`/tokens/${view.params.id}`, { after, limit }, { signal });
	const token = await load(null, 1, view.signal);
	const side = h("div", about(token)), badges = h("span", stateBadge(token));
	const list = table({
		label: "Machines that used this token", columns: COLUMNS, signal: view.signal,
		fetch: async ({ after, limit, signal }) => {
			const answer = await load(after, limit, signal);
			fill(side, about(answer));
			fill(badges, stateBadge(answer));
			return { rows: answer.clients, next: answer.next };
		},
		key: (c) => c.id,
		href: (c) => path`/machines/${c.id}`,
		empty: () => empty("No machine has used it"),
	});

	view.title(`Token ${token.note ?? token.id}`);
	view.watch(["tokens", "clients"], () => list.refresh());
	return [
		header(token.note ?? `Token ${token.id}`, {
			back: ["/tokens", "Tokens"], badges: [badges],
			actions: [can("operator") && token.state === "live" &&
				button("Revoke …", () => revoke(view, token), { kind: "danger" })].filter(Boolean),
		}),
		h("div", { class: "columns" }, card({ title: "Machines", flush: true }, list.root), card("About it", side)),
	];
}

// SPDX-License-Identifier: MIT
// One machine: what it is, has and says, what has happened to it, and every act on it.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { badge, button, card, empty, facts, header, labels, linkButton, menu } from "./ui.js";
import { can } from "./session.js";
import { ACTS, act, actButton, changedIds, editAddress, editLabels, nameOf, part, statusBadge } from "./machine.js";
import { outcomeBadge, refusal, revisions } from "./outcome.js";
import { updateBadge, updateWords } from "./release.js";
import { duration, when } from "./time.js";
import { failure } from "./ui.js";
import { go } from "./router.js";
import { messageRow } from "./message.js";

// ---- what it is

function about(c) {
	return facts([
		["Address", c.address],
		["System", c.os],
		["Kernel", c.kernel && `${c.kernel}, ${c.arch ?? ""}`],
		["Agent", c.version],
		["Up for", c.uptime === null ? null : duration(c.uptime)],
		["Heard of", when(c.last_hello, { none: "never" })],
		["Dialled at", c.listening && (c.listening.fixed ?? c.listening.own)],
		["Next dial", c.listening?.next && when(c.listening.next)],
		["Enrolled", when(c.enrolled)],
		["By token", h("a", { href: path`/tokens/${c.token}` }, h("code", c.token))],
		["Replaces", c.replaces && h("a", { href: path`/machines/${c.replaces}` }, h("code", c.replaces.slice(0, 12)))],
		["Replaced by", c.replaced_by && h("a", { href: path`/machines/${c.replaced_by}` }, h("code", c.replaced_by.slice(0, 12)))],
		["Cloned from", c.cloned_from && h("a", { href: path`/machines/${c.cloned_from}` }, h("code", c.cloned_from.slice(0, 12)))],
		["Ephemeral", c.ephemeral ? `removed after ${duration(c.ephemeral)} away` : null],
	]);
}

function identity(c) {
	return facts([
		["Id", h("code", c.id)],
		["Key", h("code", c.key)],
		["TLS pin", h("code", c.tls_pin)],
		["Machine id", h("code", c.machine)],
		["Boot id", c.boot_id && h("code", c.boot_id)],
	]);
}

function labelsPart(c, again) {
	return [labels(c.labels, { each: (l) => `/machines?label=${encodeURIComponent(l)}` }),
		can("operator") && c.state !== "revoked" && h("div", { class: "actions below" },
			button("Edit labels", async () => await editLabels(c) && again(), { icon: "edit" }))];
}

// ---- what is the matter with it

function notice(kind, ...children) {
	return h("div", { class: `notice notice-${kind}` }, icon(kind), h("div", children));
}

const SIGNS = {
	overlap: "one was up already when the other spoke",
	"went-back": "they take turns",
	"uptime-fell": "it was up for less time than before, without a start",
};

// Two that speak with the same keys: a copied disk, or an intruder.
function alarm(c, again) {
	const machine = (m) => h("li", h("div", { class: "entry-head" }, h("strong", m.hostname ?? "–"), h("span", { class: "muted" }, m.address ?? "–"), when(m.last)),
		h("p", { class: "muted" }, "machine id ", h("code", m.machine.slice(0, 12)), ", boot ", h("code", m.boot_id.slice(0, 12))));

	return notice("bad",
		h("p", h("strong", "Two machines speak with this identity, "), when(c.clone.since), `: ${SIGNS[c.clone.sign] ?? c.clone.sign}.`),
		h("p", { class: "muted" }, "A disk was copied, or somebody has taken its keys. Uninstall muster on one of them and enrol it anew, then clear the alarm; or revoke both."),
		h("ul", { class: "entries" }, c.clone_machines.map(machine)),
		can("operator") && h("div", { class: "actions" }, actButton(c, "clear-clone", again)));
}

function matters(c, again) {
	const why = c.reason && h("p", { class: "muted" }, `“${c.reason}”`);
	const told = {
		pending: () => notice("warn", h("p", h("strong", "It waits for approval. "), "Compare its key with what the machine shows, then approve or refuse it.")),
		suspended: () => notice("warn", h("p", h("strong", "It is suspended, "), when(c.since), ". Nothing is taken from it or sent to it."), why),
		revoked: () => notice("bad", h("p", h("strong", "It is revoked, "), when(c.since), ". Its keys are refused."), why),
		left: () => notice("info", h("p", h("strong", "It has left, "), when(c.since), ", of its own will.")),
		replaced: () => notice("info", h("p", h("strong", "Its machine has enrolled again. "), "If this one speaks once more, both are there.")),
	}[c.state];
	const reset = c.reset?.state === "wanted" && notice("info", h("p", h("strong", "Its agent is to restart "), c.connected ? "now." : "when it comes back."));
	const refused = c.reset?.state === "refused" && notice("bad", h("p", h("strong", "It did not restart its agent: "), c.reset.text ?? c.reset.reason));

	const unreached = c.listening?.error && notice("warn", h("p", h("strong", "It could not be dialled: "), c.listening.error));

	return [c.clone && alarm(c, again), unreached, told?.(), reset, refused];
}

// ---- what it has

function configsPart(c) {
	if (c.configs.length === 0)
		return empty("No configuration is meant for it", "Configurations go by labels.");
	return h("ul", { class: "entries" }, c.configs.map((one) => h("li",
		h("div", { class: "entry-head" }, h("a", { href: path`/configurations/${one.name}` }, one.name), outcomeBadge(one.state),
			h("span", { class: "muted" }, revisions(one))),
		refusal(one))));
}

// The last that a roll-out asked of it.
function updatePart(u) {
	const said = updateWords(u);

	return h("ul", { class: "entries" }, h("li",
		h("div", { class: "entry-head" }, h("a", { href: path`/releases/${u.rollout}` }, "Roll-out"), updateBadge(u), !said && when(u.answered ?? u.sent)), said));
}

// ---- what has happened

const WORDS = {
	"client.enrol": "Enrolled", "client.approve": "Approved", "client.refuse": "Refused", "client.suspend": "Suspended",
	"client.resume": "Resumed", "client.revoke": "Revoked", "client.leave": "Left", "client.label": "Other labels",
	"client.reset": "Agent to be restarted", "client.clone": "Two machines with its identity", "client.clear-clone": "Alarm cleared",
	"client.address": "Address to dial", "client.restart": "Agent restarted", "client.reset-refused": "Agent not restarted", "client.update": "Updated",
	"client.update-refused": "Not updated", "client.update-lost": "Not heard of since it was asked to update", "client.split": "Two machines after all", "client.replace": "Replaced", "client.return": "Is back",
};

function eventRow(e, id) {
	if (e.kind === "receipt") {
		const what = e.order === "remove" ? "removed" : "took";
		return h("li", h("div", { class: "entry-head" }, e.op === "ACK" ? badge("good", what) : badge("bad", "refused"),
			h("a", { href: path`/configurations/${e.name}` }, e.name), h("span", { class: "muted" }, `revision ${e.revision}`), when(e.time)),
		e.reason && h("p", { class: "muted" }, e.reason));
	}
	return h("li", h("div", { class: "entry-head" }, h("strong", WORDS[e.act] ?? e.act), h("span", { class: "muted" }, e.actor === `client:${id}` ? "by itself" : `by ${e.actor}`), when(e.time)),
		e.detail && h("p", { class: "muted detail" }, e.detail));
}

// Pages after the first stay until the first changes.
function timeline(view, id) {
	const list = h("ul", { class: "entries" }), end = h("div", { class: "more" });
	let newest = null;
	const load = async (after) => {
		const { events, next } = await get(path`/clients/${id}/timeline`, { after, limit: 15 }, { signal: view.signal });

		if (!after) {
			const text = JSON.stringify(events);
			if (text === newest)
				return;
			newest = text;
			fill(list);
		}
		list.append(...events.map((e) => eventRow(e, id)));
		const older = () => load(next).catch((error) => fill(end, failure(error, older)));
		fill(end, next && button("Older", older, { class: "button small" }));
	};

	return { root: h("div", list, end), load: () => load(null) };
}

function messagesPart(list, id) {
	if (list.length === 0)
		return empty("It has sent no message");
	return [h("ul", { class: "entries" }, list.map((m) => messageRow(m, { machine: false }))),
		h("div", { class: "more" }, linkButton("All its messages", `/messages?client=${id}`, { class: "button small" }))];
}

// ---- what is done to it

function actions(c, again) {
	if (!can("operator"))
		return [];
	const possible = Object.keys(ACTS).filter((which) => ACTS[which].from.includes(c.state));
	const first = possible.filter((which) => ["approve", "refuse", "resume"].includes(which));
	const rest = possible.filter((which) => !first.includes(which));

	return [...first.map((which) => actButton(c, which, again)),
		menu(`More for ${nameOf(c)}`, [
			c.state === "enrolled" && ["Push a configuration to it", () => go(`/configurations/-/new?client=${c.id}`), { icon: "configurations" }],
			c.state === "enrolled" && ["Roll the release out to it", () => go(`/releases/new?client=${c.id}`), { icon: "releases" }],
			c.listening && ["Where to dial it …", async () => await editAddress(c) && again(), { icon: "external" }],
			...rest.map((which) => [ACTS[which].button, async () => await act(c, which) && again(which),
				{ danger: ACTS[which].kind === "danger", icon: ACTS[which].icon }]),
		], { kind: "button", content: [h("span", first.length > 0 ? "More" : "Acts"), icon("down")] })];
}

export async function page(view) {
	const load = () => get(path`/clients/${view.params.id}`, null, { signal: view.signal });
	const client = await load(), id = client.id;
	const nodes = Object.fromEntries(["badges", "acts", "matters", "about", "labels", "identity", "configs", "update", "messages"].map((n) => [n, h("div")]));
	const story = timeline(view, id);
	const again = (which) => (which === "remove" ? go("/machines", { replace: true }) : look());
	const parts = [part(nodes.badges, statusBadge), part(nodes.acts, (c) => h("div", { class: "actions" }, actions(c, again))),
		part(nodes.matters, (c) => matters(c, again)), part(nodes.about, about), part(nodes.labels, (c) => labelsPart(c, again)),
		part(nodes.identity, identity), part(nodes.configs, configsPart), part(nodes.update, (c) => c.update && updatePart(c.update))];
	// What each of them shows of it: the others stay as they are.
	const seen = [(c) => [c.state, c.connected, c.clone], (c) => [c.state, c.hostname, c.listening?.fixed], (c) => [c.state, c.reason, c.since, c.reset, c.connected, c.clone, c.clone_machines, c.listening?.error], null,
		(c) => [c.labels, c.state, c.hostname], (c) => [c.id, c.key, c.boot_id], (c) => c.configs, (c) => c.update];
	const updateCard = card("Last update", nodes.update);
	const fillIn = (c) => {
		parts.forEach((p, i) => p(c, seen[i] ? seen[i](c) : c));
		updateCard.hidden = c.update === null;
	};
	const showMessages = part(nodes.messages, (list) => messagesPart(list, id));
	const lookAtMessages = async () => showMessages((await get("/messages", { client: id, order: "newest", limit: 5 }, { signal: view.signal })).messages);
	const look = async () => {
		try {
			fillIn(await load());
			await Promise.all([story.load(), lookAtMessages()]);
		} catch (error) {
			if (view.live && error.status === 404)
				fill(root, failure(error));
			else if (error.status === undefined && error.name !== "AbortError")
				console.error(error);
		}
	};

	view.title(nameOf(client));
	fillIn(client);
	await Promise.all([story.load(), lookAtMessages()]);
	view.watch(["clients", "status", "configs", "receipts", "messages"], (changes) => {
		const ids = changedIds(changes, ["clients", "status", "configs", "receipts", "messages"]);
		if (ids === null || [...ids].some((one) => one.endsWith(id)) || changes.has("configs"))
			look();
	});
	const root = h("div",
		header(nameOf(client), { back: ["/machines", "Machines"], badges: [nodes.badges], actions: [nodes.acts] }),
		nodes.matters,
		h("div", { class: "columns" },
			h("div", card("Configurations", nodes.configs), card("What has happened", story.root), card("Messages", nodes.messages)),
			h("div", updateCard, card("Labels", nodes.labels), card("About it", nodes.about), card("Identity", nodes.identity))));
	nodes.matters.className = "matters";
	return root;
}

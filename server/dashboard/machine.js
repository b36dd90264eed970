// SPDX-License-Identifier: MIT
//
// How a machine is told of, and what is done to it, on all pages that do.
//
//   nameOf(client), statusBadge(client), STATES       what it is called, how it is
//   await act(client, "suspend")                      asks first; true if it was done. ACTS tells which there are.
//   await editLabels(client)                          true if they have changed
//   changedIds(changes, topics)                       null: any may have changed; else a Set of ids, perhaps empty

import { path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { badge, button } from "./ui.js";
import { open } from "./dialog.js";
import { form, tags, text } from "./form.js";
import { toast } from "./toast.js";

export const STATES = [["enrolled", "Enrolled"], ["pending", "Waiting for approval"], ["suspended", "Suspended"],
	["revoked", "Revoked"], ["left", "Left"], ["replaced", "Replaced"]];

const BADGES = {
	pending: ["warn", "waits for approval"],
	suspended: ["warn", "suspended"],
	revoked: ["bad", "revoked"],
	left: ["idle", "left"],
	replaced: ["idle", "replaced"],
	removed: ["idle", "removed"],
};

export function nameOf(client) {
	return client.hostname ?? client.id.slice(0, 12);
}

export function statusBadge(client) {
	if (client.clone)
		return badge("bad", "two machines");
	if (client.state !== "enrolled")
		return badge(...BADGES[client.state] ?? ["idle", client.state]);
	if (client.connected)
		return badge("good", "connected");
	return client.mode === "listen" ? badge("info", "listens") : badge("idle", "away");
}

export function changedIds(changes, topics) {
	const ids = new Set();

	for (const topic of topics) {
		if (changes.reset || (changes.has(topic) && changes.ids(topic).size === 0))
			return null;
		changes.ids(topic).forEach((id) => ids.add(id));
	}
	return ids;
}

// typed: the name must be typed, since nothing brings it back. from: the states in which it can be done.
export const ACTS = {
	approve: {
		button: "Approve", done: "may come in", from: ["pending"], kind: "primary",
		title: (n) => `Approve ${n}?`, text: "It gets its configurations and may send messages.", action: "Approve machine",
	},
	refuse: {
		button: "Refuse …", done: "is refused", from: ["pending"], kind: "danger", reason: true,
		title: (n) => `Refuse ${n}?`, text: "Its keys are refused for ever. To come in it would have to enrol anew, with new keys.", action: "Refuse machine",
	},
	resume: {
		button: "Resume", done: "is resumed", from: ["suspended"], kind: "primary",
		title: (n) => `Resume ${n}?`, text: "It gets what it should have, and may send messages again.", action: "Resume machine",
	},
	suspend: {
		button: "Suspend …", done: "is suspended", from: ["enrolled"], reason: true,
		title: (n) => `Suspend ${n}?`, text: "It stays connected, but nothing is taken from it or sent to it until it is resumed.", action: "Suspend machine",
	},
	reset: {
		button: "Restart its agent …", done: "is to restart its agent", from: ["enrolled"], reason: true, icon: "retry",
		title: (n) => `Restart the agent of ${n}?`, text: "The agent ends and is started again by its machine: now if it is connected, or when it comes back. Nothing else on the machine is touched.", action: "Restart agent",
	},
	"clear-clone": {
		button: "Clear the alarm …", done: "has no alarm any more", from: [], kind: "primary",
		title: (n) => `Clear the alarm of ${n}?`, text: "Do it when one machine only has this identity again. Which one that is, its next report tells.", action: "Clear alarm",
	},
	revoke: {
		button: "Revoke …", done: "is revoked", from: ["enrolled", "suspended", "pending", "left", "replaced"], kind: "danger", reason: true, typed: true,
		title: (n) => `Revoke ${n}?`, text: "Its connection ends and its keys are refused for ever. The agent stops by itself. That can't be taken back.", action: "Revoke machine",
	},
	remove: {
		button: "Remove …", done: "is removed", from: ["enrolled", "suspended", "pending", "left", "replaced", "revoked"], kind: "danger", reason: true, typed: true, icon: "trash",
		title: (n) => `Remove ${n}?`, text: "It is revoked, and everything known of it goes but its keys, which stay refused, and what is in the audit log. That can't be taken back.", action: "Remove machine",
	},
};

function typedField(name) {
	const field = text("typed", ["Type ", h("code", name), " to go on"], { required: true, spellcheck: "false", autocapitalize: "none" });

	field.input.autofocus = true;
	field.input.setAttribute("autofocus", "");
	return field;
}

export async function act(client, which) {
	const spec = ACTS[which], name = nameOf(client);
	const done = await open({
		title: spec.title(name), role: "alertdialog",
		content: (close) => {
			const typed = spec.typed ? typedField(name) : null;
			const node = form({
				fields: [h("p", spec.text),
					spec.reason && text("reason", "Reason", { optional: true, maxlength: "200", hint: "It stands in the audit log, and the machine is told." }),
					typed].filter(Boolean),
				submit: spec.action, kind: spec.kind === "danger" ? "danger solid" : "primary", cancel: () => close(false),
				send: async (values) => {
					await post(path`/clients/${client.id}/${which}`, values.reason ? { reason: values.reason } : {});
					close(true);
				},
			});
			const go = node.querySelector("button[type=submit]");

			if (typed) {
				go.disabled = true;
				typed.input.addEventListener("input", () => (go.disabled = typed.input.value.trim() !== name));
			}
			return node;
		},
	});

	if (done)
		toast(`${name} ${spec.done}.`);
	return done === true;
}

export async function editLabels(client) {
	const done = await open({
		title: `Labels of ${nameOf(client)}`,
		content: (close) => form({
			fields: [tags("labels", "Labels", {
				value: client.labels, placeholder: "role=web", hint: "KEY or KEY=VALUE. What configurations it should have goes by them, at once.",
			})],
			names: { set: "labels", remove: "labels" },
			submit: "Save labels", cancel: () => close(false),
			send: async ({ labels }) => {
				const key = (label) => label.split("=")[0];
				const keys = labels.map(key);
				const remove = client.labels.map(key).filter((k) => !keys.includes(k));
				await post(path`/clients/${client.id}/labels`, { set: labels, remove });
				close(true);
			},
		}),
	});

	if (done)
		toast(`${nameOf(client)} has other labels.`);
	return done === true;
}

// Where a machine that listens is dialled: its own word, or what is fixed here.
export async function editAddress(client) {
	const { own, fixed } = client.listening;
	const done = await open({
		title: `Where to dial ${nameOf(client)}`,
		content: (close) => form({
			fields: [text("address", "Address and port", {
				optional: true, value: fixed ?? "", placeholder: own ?? "192.0.2.1:8444", spellcheck: "false", autocapitalize: "none",
				hint: "Empty: where its own connections come from, and the port that it named.",
			})],
			submit: "Save address", cancel: () => close(false),
			send: async ({ address }) => {
				await post(path`/clients/${client.id}/address`, { address: address || null });
				close(true);
			},
		}),
	});

	if (done)
		toast(`${nameOf(client)} is dialled there from now on.`);
	return done === true;
}

// Filled again only when what is seen in it is other: focus and selection stay. What has the focus and is made anew has
// it again, found by its data-keep or by its place.
export function part(node, build) {
	let before = null;
	const places = () => [...node.querySelectorAll("a, button, input")];

	return (data, seen = data) => {
		const text = JSON.stringify(seen), focused = document.activeElement;
		if (text === before)
			return;
		before = text;
		const keep = node.contains(focused) ? focused.dataset.keep : undefined, at = places().indexOf(focused);
		fill(node, build(data));
		if (at >= 0)
			(places().find((n) => keep !== undefined && n.dataset.keep === keep) ?? places()[at])?.focus({ preventScroll: true });
	};
}

export function actButton(client, which, after) {
	const spec = ACTS[which];

	return button(spec.button, async () => await act(client, which) && after(which), { kind: spec.kind ?? "", icon: spec.icon ?? null });
}

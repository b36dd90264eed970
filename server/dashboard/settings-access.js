// SPDX-License-Identifier: MIT
// Settings: API tokens, for programs.

import { get, path, post } from "./api.js";
import { h } from "./dom.js";
import { badge, button, card, empty } from "./ui.js";
import { choice, form, text } from "./form.js";
import { confirm, open } from "./dialog.js";
import { copyButton } from "./copy.js";
import { table } from "./table.js";
import { when } from "./time.js";
import { toast } from "./toast.js";
import { roleChoices } from "./roles.js";

const LIVES = [["7d", "in 7 days"], ["30d", "in 30 days"], ["90d", "in 90 days"], ["365d", "in a year"], ["never", "never"]];
const STATES = { live: ["good", "live"], expired: ["idle", "expired"], revoked: ["bad", "revoked"] };

function orderDialog() {
	return open({
		title: "Make an API token",
		content: (close) => form({
			fields: [
				text("name", "Name", { required: true, maxlength: "64", autofocus: true, hint: "What it is for: it stands in the audit log beside what is done with it." }),
				choice("role", "Role", roleChoices(), { value: "viewer" }),
				text("scope", "Only machines with", { optional: true, placeholder: "role=web,site!=bonn", spellcheck: "false", autocapitalize: "none", hint: "A selector of labels. Without one, the token is good for all." }),
				choice("expires", "Expires", LIVES, { value: "90d" }),
			],
			submit: "Make API token", cancel: () => close(null),
			send: async (values) => close(await post("/api-tokens", { ...values, scope: values.scope || null })),
		}),
	});
}

function showSecret(made) {
	return open({
		title: `API token “${made.name}”`, sticky: true,
		content: (close) => h("div", { class: "stack" },
			h("p", "It is shown this one time. Whoever has it can do with this server what its role permits."),
			h("div", { class: "snippet" }, h("pre", { tabindex: "0", role: "region", "aria-label": "API token" }, h("code", made.secret)), copyButton(made.secret, { small: true })),
			h("p", { class: "muted" }, "For example: ", h("code", "curl -H \"Authorization: Bearer $TOKEN\" …/api/v1/status")),
			h("div", { class: "form-actions" }, button("I have it", () => close(true), { kind: "primary" }))),
	});
}

async function revoke(token, list) {
	const sure = await confirm({
		title: `Revoke API token “${token.name}”?`, danger: true, action: "Revoke API token",
		text: "What uses it is refused from now on. That can't be taken back.",
	});

	if (!sure)
		return;
	try {
		await post(path`/api-tokens/${token.id}/revoke`);
		toast(`API token “${token.name}” is revoked.`);
	} catch (error) {
		toast(error);
	}
	list.refresh();
}

export async function part(view) {
	const list = table({
		label: "API tokens", signal: view.signal,
		columns: [
			{ title: "Name", cell: (t) => [t.name, h("code", { class: "sub" }, t.id)] },
			{ title: "State", class: "corner", cell: (t) => badge(...STATES[t.state] ?? ["idle", t.state]) },
			{ title: "Role", cell: (t) => [t.role, t.scope && h("code", { class: "sub" }, t.scope)] },
			{ title: "Last used", class: "nowrap", cell: (t) => when(t.last_used, { none: "never" }) },
			{ title: "Expires", class: "nowrap hide-medium", cell: (t) => when(t.expires, { none: "never" }) },
			{ title: "Acts", hidden: true, class: "num", cell: (t) => t.state === "live" &&
				button("Revoke …", () => revoke(t, list), { kind: "danger small", "aria-label": `Revoke ${t.name}` }) },
		],
		fetch: ({ after, limit, signal }) => get("/api-tokens", { after, limit }, { signal })
			.then((answer) => ({ rows: answer.api_tokens, next: answer.next })),
		key: (t) => t.id,
		empty: () => empty("No API tokens", "With one, a program uses the same API as this dashboard."),
	});
	const make = button("Make an API token", async () => {
		const made = await orderDialog();
		if (made) {
			await showSecret(made);
			list.reload();
		}
	}, { icon: "plus", "data-key": "n" });

	view.watch(["access"], () => list.refresh());
	return card({ title: "API tokens", actions: [make], flush: true }, list.root);
}

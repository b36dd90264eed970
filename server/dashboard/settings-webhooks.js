// SPDX-License-Identifier: MIT
// Settings: webhooks, where the audit log's entries are sent to as they come.

import { get, path, post } from "./api.js";
import { h } from "./dom.js";
import { badge, button, card, empty, menu } from "./ui.js";
import { form, tags, text } from "./form.js";
import { confirm, open } from "./dialog.js";
import { copyButton } from "./copy.js";
import { table } from "./table.js";
import { when } from "./time.js";
import { toast } from "./toast.js";

const STATES = { active: ["good", "active"], failing: ["warn", "failing"], disabled: ["bad", "disabled"] };

function orderDialog() {
	return open({
		title: "Add a webhook",
		content: (close) => form({
			fields: [
				text("url", "URL", { type: "url", required: true, maxlength: "512", placeholder: "https:/" + "/…", autofocus: true, spellcheck: "false" }),
				tags("events", "Events", { optional: true, placeholder: "client.* token.create", hint: "Acts as the audit log names them; a * at the end stands for any. None: all of them." }),
				text("note", "Note", { optional: true, maxlength: "200" }),
			],
			submit: "Add webhook", cancel: () => close(null),
			send: async (values) => close(await post("/webhooks", {
				url: values.url, note: values.note || null, ...(values.events.length > 0 ? { events: values.events } : {}),
			})),
		}),
	});
}

function showSecret(made) {
	return open({
		title: "The webhook's secret", sticky: true,
		content: (close) => h("div", { class: "stack" },
			h("p", "What is sent is signed with it, as standardwebhooks.com describes. It is shown this one time."),
			h("div", { class: "snippet" }, h("pre", { tabindex: "0", role: "region", "aria-label": "Secret" }, h("code", made.secret)), copyButton(made.secret, { small: true })),
			h("div", { class: "form-actions" }, button("I have it", () => close(true), { kind: "primary" }))),
	});
}

async function test(hook) {
	const { delivered, error } = await post(path`/webhooks/${hook.id}/test`);

	if (!delivered)
		throw new Error(`The test message was not taken: ${error ?? "no reason is known"}`);
	return "The test message was taken.";
}

async function enable(hook) {
	await post(path`/webhooks/${hook.id}/enable`);
	return "The webhook goes on where it was.";
}

async function removal(hook) {
	const sure = await confirm({
		title: "Remove this webhook?", danger: true, action: "Remove webhook",
		text: [h("p", h("code", hook.url)), "Nothing is sent there any more, what waits neither."],
	});

	if (!sure)
		return null;
	await post(path`/webhooks/${hook.id}/remove`);
	return "The webhook is removed.";
}

async function act(f, hook, list) {
	try {
		const said = await f(hook);
		if (said)
			toast(said);
	} catch (error) {
		toast(error);
	}
	list.refresh();
}

function state(hook) {
	return [badge(...STATES[hook.state] ?? ["idle", hook.state]), hook.error && h("span", { class: "sub" }, hook.error)];
}

export async function part(view) {
	const list = table({
		label: "Webhooks", signal: view.signal,
		columns: [
			{ title: "URL", cell: (w) => [h("span", { class: "anywhere" }, w.url), w.note && h("span", { class: "sub" }, w.note)] },
			{ title: "State", cell: state },
			{ title: "Events", class: "hide-medium", cell: (w) => w.events.join(", ") },
			{ title: "Last delivery", class: "nowrap", cell: (w) => when(w.delivered, { none: "none yet" }) },
			{ title: "Acts", hidden: true, class: "num corner", cell: (w) => menu(`Acts on ${w.url}`, [
				["Send a test message", () => act(test, w, list)],
				w.state !== "active" && ["Try again now", () => act(enable, w, list)],
				["Remove …", () => act(removal, w, list), { danger: true }],
			]) },
		],
		fetch: ({ signal }) => get("/webhooks", null, { signal }).then((answer) => ({ rows: answer.webhooks, next: null })),
		key: (w) => w.id,
		empty: () => empty("No webhooks", "With one, another program learns at once what happens here: who enrolled, what was refused, who did what."),
	});
	const add = button("Add a webhook", async () => {
		const made = await orderDialog();
		if (made) {
			await showSecret(made);
			list.reload();
		}
	}, { icon: "plus", "data-key": "n" });

	view.watch(["access"], () => list.refresh());
	return card({ title: "Webhooks", actions: [add], flush: true }, list.root);
}

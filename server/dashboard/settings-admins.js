// SPDX-License-Identifier: MIT
// Settings: administrators. Those who log in, and what each may do.

import { get, path, post } from "./api.js";
import { h } from "./dom.js";
import { button, card, empty, menu } from "./ui.js";
import { choice, form, password, text } from "./form.js";
import { confirm, open } from "./dialog.js";
import { table } from "./table.js";
import { when } from "./time.js";
import { toast } from "./toast.js";
import { session } from "./session.js";
import { ROLES, roleChoices } from "./roles.js";

const SECRET = { required: true, autocomplete: "new-password", hint: "At least 12 characters. Tell it to them in a way that nobody else hears; they change it in their settings." };

function addDialog() {
	return open({
		title: "Add an administrator",
		content: (close) => form({
			fields: [
				text("name", "Name", { required: true, maxlength: "64", autocapitalize: "none", spellcheck: "false", autofocus: true }),
				choice("role", "Role", roleChoices(), { value: "operator" }),
				password("password", "Password", SECRET),
			],
			submit: "Add", cancel: () => close(null),
			send: async (values) => {
				await post("/admins", values);
				close(values.name);
			},
		}),
	});
}

function roleDialog(admin) {
	return open({
		title: `Role of ${admin.name}`,
		content: (close) => form({
			fields: [choice("role", "Role", roleChoices(), { value: admin.role, hint: "Their sessions go on with the new role." })],
			submit: "Change role", cancel: () => close(null),
			send: async (values) => {
				await post(path`/admins/${admin.name}/role`, values);
				close(`${admin.name} is ${ROLES[values.role].article} ${values.role} now.`);
			},
		}),
	});
}

function passwordDialog(admin) {
	return open({
		title: `New password for ${admin.name}`,
		content: (close) => form({
			fields: [password("password", "Password", { ...SECRET, autofocus: true })],
			submit: "Set password", cancel: () => close(null),
			send: async (values) => {
				await post(path`/admins/${admin.name}/password`, values);
				close(`${admin.name} has a new password, and is logged out.`);
			},
		}),
	});
}

async function removal(admin) {
	const sure = await confirm({
		title: `Remove administrator ${admin.name}?`, danger: true, action: `Remove ${admin.name}`,
		text: "They are logged out at once and can't log in any more. What they have done stays in the audit log.",
	});

	if (!sure)
		return null;
	await post(path`/admins/${admin.name}/remove`);
	return `${admin.name} is removed.`;
}

// Dialogs show their own failures; what else fails is told here.
async function act(f, admin, list) {
	try {
		const said = await f(admin);
		if (said)
			toast(said);
	} catch (error) {
		toast(error);
	}
	list.refresh();
}

export async function part(view) {
	const list = table({
		label: "Administrators", signal: view.signal,
		columns: [
			{ title: "Name", cell: (a) => [a.name, a.name === session().name && h("span", { class: "muted" }, " (you)")] },
			{ title: "Role", cell: (a) => a.role },
			{ title: "Last login", class: "nowrap", cell: (a) => when(a.last_login, { none: "never" }) },
			{ title: "Added", class: "nowrap hide-narrow", cell: (a) => when(a.created) },
			{ title: "Acts", hidden: true, class: "num corner", cell: (a) => menu(`Acts on ${a.name}`, [
				["Role …", () => act(roleDialog, a, list)],
				["New password …", () => act(passwordDialog, a, list)],
				["Remove …", () => act(removal, a, list), { danger: true }],
			]) },
		],
		fetch: ({ after, limit, signal }) => get("/admins", { after, limit }, { signal })
			.then((answer) => ({ rows: answer.admins, next: answer.next })),
		key: (a) => a.name,
		empty: () => empty("No administrators", "The first is added on the server: musterctl admin add NAME"),
	});
	const add = button("Add an administrator", async () => {
		const name = await addDialog();
		if (name) {
			toast(`${name} can log in now.`);
			list.reload();
		}
	}, { icon: "plus", "data-key": "n" });

	view.watch(["access"], () => list.refresh());
	return [
		card({ title: "Administrators", actions: [add], flush: true }, list.root),
		card("Roles", h("dl", { class: "facts" }, Object.entries(ROLES).map(([role, { may }]) => h("div", h("dt", role), h("dd", may))))),
	];
}

// SPDX-License-Identifier: MIT
// Settings: one's own account, and for administrators who else may do what.

import { h } from "./dom.js";
import { button, card, facts, failure, header, switcher } from "./ui.js";
import { post } from "./api.js";
import { check, form, password } from "./form.js";
import { when } from "./time.js";
import { toast } from "./toast.js";
import { can, logout, session } from "./session.js";
import * as browser from "./browser.js";

const PARTS = [
	{ path: "/settings/account", text: "Account", show: account },
	{ path: "/settings/administrators", text: "Administrators", role: "administrator", load: () => import("./settings-admins.js") },
	{ path: "/settings/api-tokens", text: "API tokens", role: "administrator", load: () => import("./settings-access.js") },
];
const HOWS = {
	session: "by name and password", token: "by an API token", header: "by the proxy in front of this server",
	socket: "by the control socket",
};

function passwordForm() {
	const old = password("old", "Present password", { required: true, autocomplete: "current-password" });
	const next = password("new", "New password", {
		required: true, autocomplete: "new-password", hint: "A few words that nobody would guess are better than signs and digits.",
	});
	const again = password("again", "New password again", { required: true, autocomplete: "new-password" });
	const node = form({
		fields: [h("input", { type: "text", autocomplete: "username", value: session().name ?? "", hidden: true, tabindex: "-1" }), old, next, again],
		submit: "Change password", kind: "",
		send: async (values) => {
			if (values.new !== values.again) {
				again.problem("That is not the same as above.");
				again.input.focus();
				return;
			}
			await post("/session/password", { old: values.old, new: values.new });
			node.reset();
			toast("Your password is changed.");
		},
	});

	return card("Password", node);
}

function appearance() {
	const keys = check("shortcuts", "Use single keys as shortcuts", {
		hint: ["Press ", h("kbd", "?"), " for a list of them."], checked: browser.shortcuts(),
	});

	keys.input.addEventListener("change", () => browser.setShortcuts(keys.input.checked));
	return card("This browser", h("div", { class: "form" },
		h("div", { class: "field" }, h("span", "Appearance"),
			h("div", switcher("Appearance", [["light", "Light"], ["dark", "Dark"], ["system", "As the system"]], browser.theme(), browser.setTheme))),
		keys));
}

async function leave() {
	try {
		await logout();
		location.assign("/login");
	} catch (error) {
		toast(error);
	}
}

function account() {
	const who = session();

	return h("div", { class: "columns" },
		h("div", card({ title: "You", actions: [who.how === "session" && button("Log out", leave, { icon: "logout" })] }, facts([
			["Name", who.name],
			["Role", who.role],
			["Logged in", HOWS[who.how] ?? who.how],
			["Until", who.expires ? when(who.expires) : null],
		])), who.how === "session" && passwordForm()),
		appearance());
}

function tabs(current) {
	const shown = PARTS.filter((part) => !part.role || can(part.role));

	return shown.length > 1 && h("nav", { class: "tabs", "aria-label": "Settings" }, h("ul", shown.map((part) =>
		h("li", h("a", { href: part.path, "aria-current": part === current ? "page" : null }, part.text)))));
}

export async function page(view) {
	const part = PARTS.find((p) => p.path === (view.params.part ? `/settings/${view.params.part}` : "/settings/account"));

	if (!part)
		return failure({ status: 404 });
	if (part.role && !can(part.role))
		return failure({ status: 403 });
	view.title(`${part.text} · Settings`);
	const content = part.show ? part.show() : await (await part.load()).part(view);
	return [header("Settings"), tabs(part), content];
}

// SPDX-License-Identifier: MIT
// Settings: one's own account, and for administrators who else may do what.

import { h } from "./dom.js";
import { badge, button, card, empty, facts, failure, header, switcher } from "./ui.js";
import { get, path, post } from "./api.js";
import { check, form, password } from "./form.js";
import { table } from "./table.js";
import { when } from "./time.js";
import { moduleOf } from "./router.js";
import { toast } from "./toast.js";
import { can, logout, session } from "./session.js";
import * as browser from "./browser.js";

const PARTS = [
	{ path: "/settings/account", text: "Account", show: account },
	{ path: "/settings/administrators", text: "Administrators", role: "administrator", load: () => import("./settings-admins.js") },
	{ path: "/settings/api-tokens", text: "API tokens", role: "administrator", load: () => import("./settings-access.js") },
	{ path: "/settings/webhooks", text: "Webhooks", role: "administrator", load: () => import("./settings-webhooks.js") },
];
const HOWS = {
	session: "by name and password", token: "by an API token", header: "by the proxy in front of this server",
	socket: "by the control socket",
};

function passwordForm() {
	const old = password("old", "Present password", { required: true, autocomplete: "current-password" });
	const next = password("new", "New password", {
		required: true, autocomplete: "new-password", hint: "At least 12 characters: a few words that nobody would guess.",
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
			try {
				await post("/session/password", { old: values.old, new: values.new });
			} catch (error) {
				if (error.code === "wrong-login")
					error.field = "old";
				throw error;
			}
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

async function endSession(one, list) {
	try {
		await post(path`/sessions/${one.id}/end`);
		toast(`The session of ${one.name} is ended.`);
	} catch (error) {
		toast(error);
	}
	list.refresh();
}

function sessions(view) {
	const list = table({
		label: "Sessions", signal: view.signal,
		columns: [
			{ title: "Name", cell: (s) => s.name },
			{ title: "From", cell: (s) => s.address ?? "–" },
			{ title: "Last used", class: "nowrap", cell: (s) => when(s.last_used) },
			{ title: "Ends", class: "nowrap hide-narrow", cell: (s) => when(s.expires) },
			{ title: "Acts", hidden: true, class: "num", cell: (s) => (s.own ? badge("info", "this browser")
				: button("End", () => endSession(s, list), { kind: "small", "aria-label": `End the session of ${s.name} from ${s.address ?? "elsewhere"}` })) },
		],
		fetch: ({ after, limit, signal }) => get("/sessions", { after, limit }, { signal })
			.then((answer) => ({ rows: answer.sessions, next: answer.next })),
		key: (s) => s.id,
		empty: () => empty("No sessions"),
	});

	view.watch(["access"], () => list.refresh());
	return card({ title: can("administrator") ? "Everybody's sessions" : "Your sessions", flush: true }, list.root);
}

async function leave() {
	try {
		await logout();
		location.assign("/login");
	} catch (error) {
		toast(error);
	}
}

function account(view) {
	const who = session();

	return [h("div", { class: "columns" },
		h("div", card({ title: "You", actions: [who.how === "session" && button("Log out", leave, { icon: "logout" })] }, facts([
			["Name", who.name],
			["Role", who.role],
			["Logged in", HOWS[who.how] ?? who.how],
			["Until", who.expires ? when(who.expires) : null],
		])), who.how === "session" && passwordForm()),
		appearance()),
	who.how === "session" && sessions(view)];
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
	const content = part.show ? part.show(view) : await (await moduleOf(part)).part(view);
	return [header("Settings"), tabs(part), content];
}

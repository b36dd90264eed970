// SPDX-License-Identifier: MIT
// Name and password; afterwards, to the page that was asked for.

import { look } from "./away.js";
import { h } from "./dom.js";
import { mark } from "./icons.js";
import { form, password, text } from "./form.js";
import { duration } from "./time.js";
import { load, login } from "./session.js";

// Whoever is logged in already, in another of the browser's pages, must show that it's them who ask.
async function enter(name, secret) {
	try {
		await login(name, secret);
	} catch (error) {
		if (error.code !== "bad-csrf")
			throw error;
		await load();
		await login(name, secret);
	}
}

// A path of the dashboard's, nothing else: "//host" would lead away, and so would "/\host".
export function destination(query) {
	const to = query.get("to") ?? "/", url = URL.canParse(to, location.origin) ? new URL(to, location.origin) : null;

	return url && to.startsWith("/") && url.origin === location.origin && !url.pathname.startsWith("//")
		? url.pathname + url.search : "/";
}

export async function page(view) {
	const to = destination(view.query);
	const name = text("name", "Name", { required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false", autofocus: true });
	const secret = password("password", "Password", { required: true, autocomplete: "current-password" });

	requestAnimationFrame(() => name.input.focus());
	look(); // nothing else is asked here before somebody logs in
	return h("div", { class: "login" },
		h("div", { class: "login-brand" }, mark(), h("h1", "muster")),
		h("div", { class: "card" },
			h("div", { class: "card-body" },
				view.query.has("to") && h("p", { class: "muted" }, "Log in to go on."),
				form({
					fields: [name, secret],
					submit: "Log in",
					send: async (values) => {
						try {
							await enter(values.name, values.password);
						} catch (error) {
							secret.input.value = "";
							secret.input.focus();
							if (error.code === "wrong-login")
								error.message = "Name or password is wrong.";
							if (error.retryAfter)
								error.message += ` Try again in ${duration(error.retryAfter)}.`;
							throw error;
						}
						location.replace(to);
					},
				}))),
		h("p", { class: "muted login-help" }, "No account yet? On the server: ", h("code", "musterctl admin add NAME")));
}

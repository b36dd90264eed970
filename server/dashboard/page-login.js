// SPDX-License-Identifier: MIT
// Name and password; afterwards, to the page that was asked for.

import { h } from "./dom.js";
import { mark } from "./icons.js";
import { form, password, text } from "./form.js";
import { login } from "./session.js";

// A path of the dashboard's, nothing else: "//host" would lead away, and so would "/\host".
export function destination(query) {
	const to = query.get("to") ?? "/";

	return /^\/(?![/\\])/.test(to) && new URL(to, location.origin).origin === location.origin ? to : "/";
}

export async function page(view) {
	const to = destination(view.query);
	const name = text("name", "Name", { required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false", autofocus: true });
	const secret = password("password", "Password", { required: true, autocomplete: "current-password" });

	requestAnimationFrame(() => name.input.focus());
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
							await login(values.name, values.password);
						} catch (error) {
							secret.input.value = "";
							secret.input.focus();
							if (error.code === "wrong-login")
								error.message = "Name or password is wrong.";
							throw error;
						}
						location.replace(to);
					},
				}))),
		h("p", { class: "muted login-help" }, "No account yet? On the server: ", h("code", "musterctl admin add NAME")));
}

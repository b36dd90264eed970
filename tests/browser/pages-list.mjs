// SPDX-License-Identifier: MIT
// Each page of the dashboard by a path of it, for those who look at all of them: {name, path}, path of what there is.

export async function pages(api) {
	const { tokens: [token] } = await api("GET", "/tokens?order=newest&limit=1");

	return [
		{ name: "overview", path: "/" },
		{ name: "tokens", path: "/tokens?state=all" },
		{ name: "token-new", path: "/tokens/new" },
		{ name: "token", path: `/tokens/${token.id}` },
		{ name: "settings", path: "/settings" },
		{ name: "settings-administrators", path: "/settings/administrators" },
		{ name: "settings-api-tokens", path: "/settings/api-tokens" },
		{ name: "settings-webhooks", path: "/settings/webhooks" },
		{ name: "not-found", path: "/nothing" },
	];
}

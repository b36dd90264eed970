// SPDX-License-Identifier: MIT
// Each page of the dashboard by a path of it, for those who look at all of them: {name, path}, path of what there is.

export async function pages(api) {
	const { tokens: [token] } = await api("GET", "/tokens?order=newest&limit=1");

	return [
		{ name: "overview", path: "/" },
		{ name: "tokens", path: "/tokens?state=all" },
		{ name: "token-new", path: "/tokens/new" },
		{ name: "token", path: `/tokens/${token.id}` },
		...await fleet(api),
		{ name: "settings", path: "/settings" },
		{ name: "settings-administrators", path: "/settings/administrators" },
		{ name: "settings-api-tokens", path: "/settings/api-tokens" },
		{ name: "settings-webhooks", path: "/settings/webhooks" },
		{ name: "not-found", path: "/nothing" },
	];
}

// Of machines only what there is: a test may have none.
async function fleet(api) {
	const { clients: [machine] } = await api("GET", "/clients?sort=-seen&limit=1");
	const { configs: [config] } = await api("GET", "/configs?limit=1");
	const { rollouts: [rollout] } = await api("GET", "/rollouts?limit=1");

	return [
		{ name: "machines", path: "/machines" },
		machine && { name: "machine", path: `/machines/${machine.id}` },
		{ name: "configurations", path: "/configurations" },
		{ name: "configuration-new", path: "/configurations/-/new" },
		config && { name: "configuration", path: `/configurations/${config.name}` },
		config && { name: "configuration-content", path: `/configurations/${config.name}/content` },
		config && { name: "configuration-history", path: `/configurations/${config.name}/history` },
		config && { name: "configuration-edit", path: `/configurations/${config.name}/edit` },
		{ name: "releases", path: "/releases" },
		{ name: "release-new", path: "/releases/new" },
		rollout && { name: "release", path: `/releases/${rollout.id}` },
		{ name: "messages", path: "/messages" },
		{ name: "audit", path: "/audit" },
	].filter(Boolean);
}

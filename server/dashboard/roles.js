// SPDX-License-Identifier: MIT
// What the roles are called and what they may, in words.

export const ROLES = {
	viewer: { article: "a", may: "sees everything but contents of configurations; changes nothing" },
	operator: { article: "an", may: "makes tokens, pushes configurations, rolls out releases, approves, suspends, revokes and removes machines" },
	administrator: { article: "an", may: "does that and decides who else may: administrators, API tokens, webhooks" },
};

export function roleChoices() {
	return Object.entries(ROLES).map(([role, { may }]) => [role, `${role}: ${may}`]);
}

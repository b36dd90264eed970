// SPDX-License-Identifier: MIT
//
// Who is logged in: {name, role, how, expires} or null. What a role may is the server's decision; can() only
// keeps from showing what would be refused.

import { Problem, get, post, remove, useCsrf } from "./api.js";

const RANKS = { viewer: 1, operator: 2, administrator: 3 };
let current = null;

function take(object) {
	current = object;
	useCsrf(object?.csrf ?? null);
	return object;
}

export function session() {
	return current;
}

export function can(role) {
	return (RANKS[current?.role] ?? 0) >= RANKS[role];
}

// null: nobody is logged in.
export async function load() {
	try {
		return take(await get("/session"));
	} catch (error) {
		if (error instanceof Problem && error.status === 401)
			return take(null);
		throw error;
	}
}

export async function login(name, password) {
	return take(await post("/session", { name, password }));
}

// The session may be over already.
export async function logout() {
	try {
		await remove("/session");
	} catch (error) {
		if (error.status !== 401)
			throw error;
	}
	take(null);
}

export function forget() {
	take(null);
}

// SPDX-License-Identifier: MIT
// Who is not logged in sees the login only; afterwards, what was asked for. Logging out ends it.

import { assert, assertEqual, password, url, Visit } from "./harness.mjs";

async function refused(visit, name, secret, text) {
	await visit.page.getByLabel("Name").fill(name);
	await visit.page.getByLabel("Password").fill(secret);
	await visit.page.getByRole("button", { name: "Log in" }).click();
	await visit.page.getByRole("alert").getByText(text).waitFor();
	assertEqual(await visit.page.getByLabel("Password").inputValue(), "", "what is left in the field");
}

export default async function test(browser) {
	const visit = await Visit.start(browser);

	// A page's address leads to the login first, and a stranger's mistake is told of without saying which.
	visit.allow(401);
	await visit.page.goto(`${url}/tokens?state=all`, { waitUntil: "commit" });
	await visit.page.waitForURL("**/login?to=%2Ftokens%3Fstate%3Dall");
	await visit.settled();
	await refused(visit, "dorothea", "wrong", "Name or password is wrong.");
	await refused(visit, "nobody", password, "Name or password is wrong.");

	// Then the page that was asked for.
	await visit.page.getByLabel("Name").fill("dorothea");
	await visit.page.getByLabel("Password").fill(password);
	await visit.page.keyboard.press("Enter");
	await visit.page.waitForURL("**/tokens?state=all");
	await visit.page.getByRole("heading", { name: "Tokens", level: 1 }).waitFor();
	assertEqual(await visit.page.evaluate(() => document.cookie), "", "what a script sees of the cookie");
	const kept = await visit.page.evaluate(() => Object.keys(localStorage).concat(Object.keys(sessionStorage)));
	assertEqual(kept, [], "what is kept in the browser");

	// It leads nowhere else than into the dashboard; a session that there is already is in nobody's way.
	visit.allow(403);
	for (const to of ["//example.org/", "/\\example.org/", "https://example.org/", "javascript:alert(1)", "/login/../..//example.org", "http://["]) {
		await visit.page.goto(`${url}/login?to=${encodeURIComponent(to)}`);
		await visit.settled();
		await visit.page.getByLabel("Name").fill("dorothea");
		await visit.page.getByLabel("Password").fill(password);
		await visit.page.keyboard.press("Enter");
		await visit.page.waitForURL((now) => now.pathname !== "/login");
		assertEqual(new URL(visit.page.url()).origin, url, `where ${to} leads`);
	}

	await visit.open("/");

	// Logging out ends the session, in the browser's other pages too.
	const other = await visit.newPage();
	await other.goto(`${url}/tokens`);
	await other.getByRole("heading", { name: "Tokens", level: 1 }).waitFor();
	await visit.page.getByRole("button", { name: /dorothea/ }).click();
	await visit.page.getByRole("menuitem", { name: "Log out" }).click();
	await visit.page.waitForURL("**/login");
	await visit.settled();
	await other.getByRole("link", { name: "Overview", exact: true }).click();
	await other.waitForURL((now) => now.pathname === "/login");
	assertEqual((await visit.context.cookies()).length, 0, "cookies that are left");
	assert(!(await other.content()).includes("Make a token"), "a page is still shown");
	await visit.end();
}

// SPDX-License-Identifier: MIT
// Something of a page doesn't come: it is asked for again, and if that doesn't help the page says so and has a way on.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { assert, assertEqual, url, Visit } from "./harness.mjs";

// Of the requests for a file the first n are lost. How many there have been.
async function lose(visit, file, n, error = "connectionreset") {
	const pattern = `**${file}`, count = { asked: 0 };

	await visit.page.route(pattern, (route) => {
		if (route.request().method() === "HEAD")
			return route.continue();
		return ++count.asked <= n ? route.abort(error) : route.continue();
	});
	count.end = () => visit.page.unroute(pattern);
	return count;
}

const failed = (page) => page.getByText("Not all of the dashboard has come from the server.");

async function assertForgotten(page) {
	assertEqual(await page.evaluate(() => history.state?.loads ?? null), null, "loads that are remembered");
}

async function strangerIsLed(visit) {
	await visit.page.goto(`${url}/tokens?state=all`, { waitUntil: "commit" });
	await visit.page.waitForURL("**/login?to=%2Ftokens%3Fstate%3Dall");
	await visit.settled();
}

// The page itself, and one that it imports.
async function modules(visit) {
	for (const file of ["/assets/main.js", "/assets/ui.js", "/assets/icons.js"]) {
		const lost = await lose(visit, file, 1);

		await strangerIsLed(visit);
		assert(lost.asked > 1, `${file} was asked for once only`);
		await assertForgotten(visit.page);
		await lost.end();
	}
}

async function never(visit) {
	const { page } = visit, lost = await lose(visit, "/assets/router.js", Infinity);

	await page.goto(`${url}/tokens?state=all`, { waitUntil: "commit" });
	await page.locator("[data-start=failed]").waitFor();
	await failed(page).waitFor();
	const asked = lost.asked;
	assert(asked >= 4 && asked <= 8, `it was asked for ${asked} times`);
	assertEqual(page.url(), `${url}/tokens?state=all`, "the page's address");
	await lost.end();
	await page.getByRole("link", { name: "Load it again" }).click();
	await page.waitForURL("**/login?to=%2Ftokens%3Fstate%3Dall");
	await visit.settled();
	await assertForgotten(page);
}

// As long as the server doesn't have the module there is no use in loading the page again.
async function away(visit) {
	const { page } = visit;
	let loads = 0, asked = 0;

	visit.allow(503);
	await page.route("**/tokens?state=all", (route) => ++loads && route.continue());
	await page.route("**/assets/main.js", (route) => (++asked < 4 ? route.fulfill({ status: 503 }) : route.continue()));
	await strangerIsLed(visit);
	assertEqual(loads, 2, "how often the page was loaded");
	await page.unrouteAll();
}

// Neither comes nor fails, for a while.
async function slow(visit) {
	const { page } = visit;
	let held = null;

	await page.route("**/assets/main.js", (route) => (held ? route.continue() : (held = route)));
	await page.goto(`${url}/tokens?state=all`, { waitUntil: "commit" });
	await page.getByText("Loading …").waitFor();
	await page.evaluate(() => document.getAnimations().forEach((animation) => animation.finish()));
	await failed(page).waitFor();
	await held.continue();
	await page.waitForURL("**/login?to=%2Ftokens%3Fstate%3Dall");
	await visit.settled();
	await failed(page).waitFor({ state: "detached" });
	await page.unroute("**/assets/main.js");
}

async function style(visit) {
	const { page } = visit;
	const lost = await lose(visit, "/assets/style.css", 2);

	await visit.open("/login");
	await page.waitForFunction(() => getComputedStyle(document.documentElement).getPropertyValue("--side") !== "");
	assertEqual(lost.asked, 3, "how often the style was asked for");
	await lost.end();
}

// What is imported later, by a page and by a part of one: once more by itself, then by the person.
async function pages(visit) {
	const { page } = visit;
	const ways = [
		["/tokens", "Audit", "page-audit", page.getByRole("heading", { name: "Audit", level: 1 })],
		["/settings", "Administrators", "settings-admins", page.getByRole("button", { name: "Add an administrator" })],
	];

	for (const [start, link, file, end] of ways) {
		for (const n of [1, 2]) {
			const lost = await lose(visit, `/assets/${file}.js`, n);

			await visit.open(start);
			await page.getByRole("link", { name: link, exact: true }).click();
			if (n === 2)
				await page.getByRole("button", { name: "Try again" }).click();
			await end.waitFor();
			assertEqual(lost.asked, n + 1, `how often ${file} was asked for`);
			await lost.end();
		}
	}
}

// What reads is asked for once more; what writes is not.
async function requests(visit) {
	const { page } = visit;
	const read = await lose(visit, "/api/v1/session", 1);

	await visit.open("/tokens");
	await page.getByRole("heading", { name: "Tokens", level: 1 }).waitFor();
	assertEqual(read.asked, 2, "how often the session was asked for");
	await read.end();

	const written = await lose(visit, "/api/v1/tokens", Infinity);
	await visit.open("/tokens/new");
	await page.getByRole("button", { name: "Make token" }).click();
	await page.getByText("The server can't be reached.").first().waitFor();
	assertEqual(written.asked, 1, "how often a token was to be made");
	await written.end();
}

// The page itself may be what is lost; that is the browser's to tell.
async function comes(page) {
	try {
		await page.goto(`${url}/login`, { waitUntil: "commit" });
	} catch (error) {
		if (!/NETWORK_CHANGED/.test(error))
			throw error;
		await comes(page);
	}
}

// The cause of all that: an address that comes takes along the connections that are being made.
async function changes(visit) {
	const { page } = visit, ip = (...words) => promisify(execFile)("ip", ["address", ...words, "10.98.0.1/32", "dev", "hub"]);

	for (let i = 0; i < 6; i++) {
		const change = page.waitForRequest("**/assets/main.js").then(() => ip(i % 2 ? "delete" : "add"));

		await comes(page);
		await change;
		await visit.settled();
	}
}

// The way to the login itself is lost: it's taken again at the next occasion.
async function login(visit) {
	const { page } = visit, again = page.getByRole("button", { name: "Try again" });
	let left = false;

	await visit.open("/tokens");
	await page.route("**/login?to=*", (route) => route.abort("aborted"), { times: 1 });
	await visit.context.clearCookies();
	await page.getByRole("link", { name: "Audit", exact: true }).click();
	await again.waitFor();
	const leaving = page.waitForURL("**/login?to=%2Faudit").then(() => (left = true));
	while (!left)
		await Promise.race([leaving, again.click({ timeout: 1000 }).catch(() => {})]);
	await visit.settled();
}

export default async function test(browser) {
	const visit = await Visit.start(browser), stranger = await Visit.start(browser);

	for (const one of [visit, stranger]) {
		one.allow(401);
		one.allowLost("(CONNECTION_RESET|NETWORK_CHANGED)");
	}
	await visit.login("dorothea");
	for (const step of [pages, requests, login])
		await step(visit);
	await visit.end();
	for (const step of [modules, never, away, slow, style, changes])
		await step(stranger);
	await stranger.end();
}

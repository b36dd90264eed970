// SPDX-License-Identifier: MIT
// All of it without a mouse.

import { assert, assertEqual, Visit } from "./harness.mjs";

// The focus comes to it.
async function focusIs(page, name) {
	await page.waitForFunction((text) => {
		const node = document.activeElement;
		return (node?.textContent.trim() || node?.getAttribute("aria-label")) === text;
	}, name);
}

const heading = (page, name) => page.getByRole("heading", { name, level: 1 }).waitFor();

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.login("dorothea", "/tokens");

	// The first thing is the way past the navigation.
	await page.keyboard.press("Tab");
	await focusIs(page, "Skip to the page");
	await page.keyboard.press("Enter");
	await page.keyboard.press("Tab");
	await focusIs(page, "Make a token");

	// Keys by themselves; not while one writes.
	await page.keyboard.press("g");
	await page.keyboard.press("s");
	await heading(page, "Settings");
	assertEqual(await page.evaluate(() => document.activeElement.tagName), "H1", "where a reader goes on");
	await page.keyboard.press("?");
	await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
	await page.keyboard.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await page.keyboard.press("g");
	await page.keyboard.press("t");
	await heading(page, "Tokens");
	await page.keyboard.press("n");
	await heading(page, "Make a token");
	await page.getByLabel("Note").focus();
	await page.keyboard.type("gsgtn?");
	assertEqual(await page.getByLabel("Note").inputValue(), "gsgtn?", "what was written");

	// Menus: arrows go through them, Escape closes them, and the focus is where it was.
	const user = page.getByRole("button", { name: /dorothea/ });
	await user.focus();
	await page.keyboard.press("Enter");
	await page.getByRole("menuitem", { name: "Your account" }).waitFor();
	await focusIs(page, "Your account");
	await page.keyboard.press("ArrowUp");
	await focusIs(page, "Log out");
	await page.keyboard.press("Escape");
	assert(await user.evaluate((node) => node === document.activeElement), "the focus didn't come back");

	// Switched off, they are off.
	await page.goto(`${new URL(page.url()).origin}/settings`);
	await page.getByLabel("Use single keys as shortcuts").uncheck();
	await page.getByRole("heading", { level: 1 }).click();
	await page.keyboard.press("?");
	await page.keyboard.press("g");
	await page.keyboard.press("t");
	assertEqual(new URL(page.url()).pathname, "/settings", "the page");
	assertEqual(await page.getByRole("dialog").count(), 0, "dialogs");
	await visit.end();
}

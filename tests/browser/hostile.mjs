// SPDX-License-Identifier: MIT
// Text that wants to be a program stays text, wherever it is shown.

import { api, assert, assertEqual, Visit } from "./harness.mjs";
import { pages } from "./pages-list.mjs";

const TEXTS = [
	"<img src=x onerror=alert(1)>",
	"<script>alert(1)</script>",
	"\"><svg onload=alert(1)>",
	"javascript:alert(1)",
	"{{constructor.constructor('alert(1)')()}}",
	"'-alert(1)-'",
	"</textarea></title><body onload=alert(1)>",
];

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	visit.allow(404);
	visit.allow(400);
	for (const note of TEXTS)
		await api("POST", "/tokens", { note });
	await visit.login("dorothea", "/tokens");
	for (const note of TEXTS)
		await page.getByRole("link", { name: note }).first().waitFor();

	// What is shown of each, its own page and the question before its end among it.
	for (const note of TEXTS) {
		await visit.open("/tokens");
		await page.getByRole("link", { name: note }).first().click();
		await page.getByRole("heading", { name: note, level: 1 }).waitFor();
		await page.getByRole("button", { name: "Revoke …" }).click();
		await page.getByRole("alertdialog", { name: note }).waitFor();
		await page.keyboard.press("Escape");
	}

	// What comes by the address.
	for (const text of TEXTS) {
		await page.evaluate((to) => {
			history.pushState({}, "", to);
			dispatchEvent(new PopStateEvent("popstate"));
		}, `/tokens/${encodeURIComponent(text)}`);
		await page.getByRole("heading", { name: "Not found", level: 1 }).waitFor();
		await visit.open(`/tokens?state=${encodeURIComponent(text)}`);
		await visit.open(`/?span=${encodeURIComponent(text)}#${encodeURIComponent(text)}`);
	}
	for (const { path } of await pages(api))
		await visit.open(path);

	// What is typed.
	await visit.open("/tokens/new");
	await page.getByLabel("Labels").fill(`${TEXTS[1]},`);
	await page.getByLabel("Labels").press("Enter");
	await page.getByRole("button", { name: "Make token" }).click();
	await page.locator(".field-error:visible").first().waitFor();
	assertEqual(await page.locator("img, iframe, object, embed, body script, main svg[onload]").count(), 0, "elements that nobody made");
	assert((await page.title()).endsWith("muster"), "the title is another");
	await visit.end();
}

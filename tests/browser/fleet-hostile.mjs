// SPDX-License-Identifier: MIT
// Whatever machines say about themselves is shown as text: names, systems, types and texts of messages, what hooks say.
// The database is seeded with machines that try; none of it may become an element or run.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

const HOSTILE = "<img src=x onerror=\"document.title='X'\">";

async function isClean(page) {
	assertEqual(await page.locator("img, iframe, object, embed, main script, main svg[onload]").count(), 0, `elements that nobody made on ${page.url()}`);
	assert((await page.title()).endsWith("muster"), `the title is another on ${page.url()}`);
}

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.login("dorothea", "/machines");
	const { clients } = await api("GET", `/clients?q=${encodeURIComponent("onerror")}&state=enrolled&limit=50`);
	const one = clients.find((c) => c.hostname === HOSTILE);
	assert(one, "no machine of the database is hostile");
	const { clients: [refused] } = await api("GET", "/configs/chrony/status?outcome=refused&limit=1");
	await api("POST", "/configs", { name: "hostile", selector: "*", content: Buffer.from(`${HOSTILE}\n`).toString("base64"), note: HOSTILE });
	await api("POST", "/configs", { name: "hostile", selector: "*", content: Buffer.from(`${HOSTILE}</pre>\n`).toString("base64"), note: HOSTILE });
	await api("POST", `/clients/${one.id}/suspend`, { reason: HOSTILE });

	for (const path of ["/machines?q=onerror", `/machines/${one.id}`, `/machines/${refused.id}`, "/configurations", "/configurations/chrony?outcome=refused",
		"/configurations/hostile/content", "/configurations/hostile/history", "/configurations/hostile/edit", "/messages", "/audit", "/"]) {
		await visit.open(path);
		if (path !== "/")
			await page.getByText("onerror").first().waitFor({ state: "attached" }).catch(() => {});
		await isClean(page);
	}
	await visit.open("/machines?q=onerror");
	await page.getByText(HOSTILE).first().waitFor();
	await visit.open(`/machines/${one.id}`);
	await page.getByRole("heading", { name: HOSTILE, level: 1 }).waitFor();
	await page.getByRole("button", { name: "More" }).click();
	await page.getByRole("menuitem", { name: "Revoke …" }).click();
	await page.getByRole("alertdialog", { name: `Revoke ${HOSTILE}?` }).waitFor();
	await isClean(page);
	await page.keyboard.press("Escape");
	await visit.open("/configurations/hostile/history");
	await page.getByRole("button", { name: "What revision 2 changed" }).click();
	await page.getByRole("region", { name: "Difference" }).getByText("</pre>").waitFor();
	await isClean(page);
	await page.keyboard.press("Escape");
	await visit.open("/configurations/chrony?outcome=refused");
	await page.locator("td .refusal pre").first().getByText(HOSTILE).waitFor();
	await visit.open("/messages");
	await page.locator(".message-text").first().getByText(HOSTILE).waitFor();
	await isClean(page);

	// What comes by the address.
	visit.allow(404);
	visit.allow(400);
	for (const bad of ["<script>alert(1)</script>", "\"><svg onload=alert(1)>", "javascript:alert(1)"].map(encodeURIComponent)) {
		for (const path of [`/machines?q=${bad}&label=${bad}&state=${bad}&sort=${bad}`, `/messages?client=${bad}&type=${bad}&hours=${bad}`,
			`/audit?q=${bad}&act=${bad}&object=${bad}`, `/configurations/-/new?client=${bad}`, `/configurations/hostile?q=${bad}&outcome=${bad}`,
			`/configurations/hostile/content?revision=${bad}`]) {
			await visit.open(path);
			await isClean(page);
		}
	}
	await visit.end();
}

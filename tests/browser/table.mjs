// SPDX-License-Identifier: MIT
// The long table by itself, with a listing of 5,000 made-up rows: it scrolls to its end, keeps little in the document,
// and what changes is changed in place.

import { assert, assertEqual, Visit } from "./harness.mjs";

/* global window, document, scrollTo, scrollBy */

async function build(broken = false) {
	const { table } = await import("/assets/table.js");
	const { fill } = await import("/assets/dom.js");
	const rows = Array.from({ length: 5000 }, (_, i) => ({ id: `r${i}`, word: "first" }));
	Object.assign(window, { rows, asked: [], broken });
	window.list = table({
		label: "Rows", columns: [{ title: "Id", cell: (r) => r.id }, { title: "Word", cell: (r) => r.word }],
		fetch: async ({ after, limit }) => {
			window.asked.push(after);
			if (window.broken)
				throw Object.assign(new Error("Broken for once."), { status: 503 });
			const from = after ? rows.findIndex((r) => r.id === after) + 1 : 0, part = rows.slice(from, from + limit);
			return { rows: part, next: from + limit < rows.length && part.length > 0 ? part.at(-1).id : null };
		},
		key: (r) => r.id, href: (r) => `/tokens/${r.id}`, empty: () => "Nothing at all",
	});
	fill(document.querySelector("main"), window.list.root);
}

const count = (page) => page.locator("tbody tr[data-key]").count();
const visible = (page, id) => page.waitForFunction((key) => {
	const box = document.querySelector(`tr[data-key="${key}"]`)?.getBoundingClientRect();
	return box && box.bottom > 0 && box.top < window.innerHeight;
}, id);

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.open("/login");
	await page.evaluate(build);
	await visible(page, "r0");
	assert(await count(page) < 600, "more than is near was asked for");

	// To the end, and what is far is not in the document any more.
	await page.waitForFunction(() => {
		scrollTo(0, document.documentElement.scrollHeight);
		return document.querySelector('tr[data-key="r4999"]');
	}, null, { polling: 50 });
	await visible(page, "r4999");
	await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-key]").length < 1000);
	assertEqual(await page.evaluate(() => window.asked.length), 50, "pages asked for");

	// And back: heights were kept, so each row is where it was.
	const height = await page.evaluate(() => document.documentElement.scrollHeight);
	await page.evaluate(() => scrollTo(0, 0));
	await visible(page, "r0");
	assertEqual(await page.evaluate(() => document.documentElement.scrollHeight), height, "the height");
	assertEqual(await page.evaluate(() => window.asked.length), 50, "pages asked for, after scrolling back");

	// One row changes: the others stay the nodes they are, focus and scroll too.
	await page.locator('tr[data-key="r3"] a').focus();
	await page.evaluate(() => {
		window.node = document.querySelector('tr[data-key="r2"]');
		window.rows[1].word = "second";
		window.list.refresh();
	});
	await page.locator('tr[data-key="r1"]').getByText("second").waitFor();
	assert(await page.evaluate(() => window.node.isConnected && document.activeElement.closest("tr").dataset.key === "r3"), "rows were made anew");

	// What changed while it was out of sight is asked for when it comes into it.
	await page.evaluate(() => {
		window.rows[4990].word = "third";
		scrollTo(0, document.documentElement.scrollHeight);
	});
	await page.locator('tr[data-key="r4990"]').getByText("third").waitFor();

	// Rows go: nothing twice, nothing left out.
	await page.evaluate(() => {
		scrollTo(0, 0);
		window.rows.splice(0, 4950);
		window.list.refresh();
	});
	await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 50);
	await page.evaluate(() => {
		window.rows.length = 0;
		window.list.refresh();
	});
	await page.getByText("Nothing at all").waitFor();

	// An empty one looks again, too.
	await page.evaluate(() => {
		window.rows.push({ id: "r8", word: "again" });
		window.list.refresh();
	});
	await visible(page, "r8");

	// A failure says so, and what to do.
	await page.evaluate(() => {
		window.rows[0].id = "r9";
		window.broken = true;
		window.list.reload();
	});
	await page.getByText("Broken for once.").waitFor();
	await page.evaluate(() => (window.broken = false));
	await page.getByRole("button", { name: "Try again" }).click();
	await visible(page, "r9");

	// One that has never come isn't empty, whatever changes meanwhile; and it comes by the next change.
	await page.evaluate(build, true);
	await page.getByText("Broken for once.").waitFor();
	await page.evaluate(() => window.list.refresh());
	await page.getByText("Broken for once.").waitFor();
	assertEqual(await page.getByText("Nothing at all").count(), 0, "tables that are said to be empty");
	await page.evaluate(() => {
		window.broken = false;
		window.list.refresh();
	});
	await visible(page, "r0");
	await visit.end();
}

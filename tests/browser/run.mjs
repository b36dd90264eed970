// SPDX-License-Identifier: MIT
// run.mjs NAME: the test in NAME.mjs, whose default is an async function of a browser. Its exit code tells.

import { launch, Visit } from "./harness.mjs";

const { default: test } = await import(`./${process.argv[2]}.mjs`);
const browser = await launch();

try {
	await test(browser);
} catch (error) {
	const page = browser.contexts().at(-1)?.pages().at(-1);

	console.error(error.stack ?? error);
	for (const visit of Visit.all)
		visit.wrong.forEach((text) => console.error(text));
	if (page) {
		console.error(`the page, ${page.url()}:\n${await page.locator("body").innerText().catch(() => "")}`);
		await page.screenshot({ path: `${process.env.MUSTER_PLACE}/failed-${process.argv[2]}.png` }).catch(() => {});
	}
	process.exitCode = 1;
} finally {
	await browser.close();
}

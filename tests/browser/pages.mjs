// SPDX-License-Identifier: MIT
// Every page, light and dark, at four widths: what audit.mjs finds.

import { api, assert, Visit } from "./harness.mjs";
import { faults } from "./audit.mjs";
import { pages } from "./pages-list.mjs";

export default async function test(browser) {
	const found = [], list = await pages(api);

	for (const colorScheme of ["light", "dark"]) {
		const visit = await Visit.start(browser, { colorScheme, reducedMotion: "reduce" });

		visit.allow(404);
		await visit.login("dorothea");
		for (const { path } of list) {
			await visit.open(path);
			for (const width of [1280, 820, 390, 360]) {
				await visit.page.setViewportSize({ width, height: 844 });
				for (const fault of await faults(visit.page))
					found.push(`${path} ${colorScheme} ${width}: ${fault}`);
			}
		}
		await visit.end();
	}
	assert(found.length === 0, found.join("\n"));
}

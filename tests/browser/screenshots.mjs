// SPDX-License-Identifier: MIT
// screenshots.mjs FOLDER: NAME-light-wide.png, NAME-dark-narrow.png … of each page.

import { api, launch, Visit } from "./harness.mjs";
import { pages } from "./pages-list.mjs";

const SIZES = { wide: { width: 1280, height: 860 }, narrow: { width: 390, height: 844 } };
const folder = process.argv[2];
const browser = await launch();
const list = [{ name: "login", path: "/login" }, ...await pages(api)];

// What a new token looks like is shown this one time.
async function newToken(visit) {
	await visit.open("/tokens/new");
	await visit.page.getByLabel("Labels").fill("role=web,site=bonn,");
	await visit.page.getByLabel("Note").fill("Rack 4 in Bonn");
	await visit.page.getByRole("button", { name: "Make token" }).click();
	await visit.page.getByText("Waiting for the first machine").waitFor();
	await visit.page.getByText(/^\d+ kB$/).waitFor();
}

for (const colorScheme of ["light", "dark"]) {
	for (const [size, viewport] of Object.entries(SIZES)) {
		const visit = await Visit.start(browser, { colorScheme, viewport, reducedMotion: "reduce" });
		const shot = (name) => visit.page.screenshot({ path: `${folder}/${name}-${colorScheme}-${size}.png` });

		visit.allow(404);
		await visit.login("dorothea");
		for (const { name, path, prepare } of list) {
			await visit.open(path);
			await prepare?.(visit.page);
			await shot(name);
		}
		await newToken(visit);
		await shot("token-made");
		await visit.end();
	}
}
await browser.close();

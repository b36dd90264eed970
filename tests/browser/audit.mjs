// SPDX-License-Identifier: MIT
//
// What of a page can be judged without a person: that all controls have names, that text can be read on its ground,
// that there is one main heading and none is left out, that nothing sticks out to the side, that targets can be hit.
// faults(page): a list of sentences, empty if all is well.

/* global document, getComputedStyle, innerWidth, requestAnimationFrame */

function inPage() {
	const faults = [];
	const seen = (node) => {
		const box = node.getBoundingClientRect(), style = getComputedStyle(node);
		return box.width > 1 && box.height > 1 && style.visibility !== "hidden" && !node.closest(".visually-hidden, [aria-hidden=true]");
	};
	const tell = (node, what) => faults.push(`${what}: <${node.tagName.toLowerCase()} class="${node.getAttribute("class") ?? ""}"> ${node.textContent.trim().slice(0, 40)}`);

	// ---- names
	const textOf = (ids) => (ids ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
	const nameOf = (node) => node.getAttribute("aria-label")?.trim() || textOf(node.getAttribute("aria-labelledby")) ||
		[...(node.labels ?? [])].map((l) => l.textContent.trim()).join(" ") ||
		node.caption?.textContent.trim() ||
		(["BUTTON", "A"].includes(node.tagName) ? node.textContent.trim() : "");
	for (const node of document.querySelectorAll("a[href], button, input, select, textarea, [role=button], dialog[open], table, nav, [role=region]"))
		if (node.getClientRects().length > 0 && !node.closest("[aria-hidden=true]") && !nameOf(node))
			tell(node, "has no name");
	const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => faults.push(`the id ${id} is there twice`));
	for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby], [for]"))
		for (const name of ["aria-labelledby", "aria-describedby", "for"])
			(node.getAttribute(name) ?? "").split(" ").filter(Boolean).forEach((id) => document.getElementById(id) || tell(node, `${name} leads nowhere`));

	// ---- structure
	const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter((n) => n.getClientRects().length > 0 && !n.closest("dialog"));
	if (headings.filter((n) => n.tagName === "H1").length !== 1)
		faults.push("there is not one h1");
	headings.reduce((before, n) => {
		const level = Number(n.tagName[1]);
		if (level > before + 1)
			tell(n, "leaves out a level of headings");
		return level;
	}, 0);
	if (document.querySelectorAll("main").length !== 1)
		faults.push("there is not one main");
	if (!document.documentElement.lang || !document.title)
		faults.push("the document has no language or no title");

	// ---- width, and targets
	if (document.documentElement.scrollWidth > innerWidth)
		faults.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${innerWidth}`);
	for (const node of document.querySelectorAll("main *")) {
		const box = node.getBoundingClientRect();
		if (seen(node) && box.right > innerWidth + 1 && !node.closest(".tabs, svg, pre"))
			tell(node, "sticks out");
	}
	for (const node of document.querySelectorAll("button, select, input:not([type=radio], [type=checkbox]), .button")) {
		const box = node.getBoundingClientRect();
		if (seen(node) && !node.classList.contains("label-remove") && (box.width < 24 || box.height < 24))
			tell(node, `is only ${box.width} by ${box.height}`);
	}

	// ---- contrast: WCAG's formula; what lies behind is put together from the ancestors
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const colour = (text) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = text;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
	const ground = (node) => {
		const back = node ? colour(getComputedStyle(node).backgroundColor) : colour("Canvas");
		return back[3] === 1 ? back : over(back, ground(node?.parentElement));
	};
	const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
		.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const contrast = (a, b) => {
		const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
		return (x + 0.05) / (y + 0.05);
	};
	for (const node of document.querySelectorAll("body *")) {
		const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || !seen(node) || node.closest("svg, option, :disabled, [hidden]"))
			continue;
		const style = getComputedStyle(node), behind = ground(node);
		const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
		const is = contrast(over(colour(style.color), behind), behind);
		if (is < (large ? 3 : 4.5))
			tell(node, `has a contrast of only ${is.toFixed(2)}`);
	}
	for (const node of document.querySelectorAll("input:not([type=radio], [type=checkbox]), select, textarea")) {
		if (!seen(node) || node.closest(".tags"))
			continue;
		const is = contrast(colour(getComputedStyle(node).borderTopColor), ground(node.parentElement));
		if (is < 3)
			tell(node, `has an edge with a contrast of only ${is.toFixed(2)}`);
	}
	return faults;
}

// Once what depends on the window's size has been drawn anew, which it is between two frames.
export async function faults(page) {
	await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
	return page.evaluate(inPage);
}

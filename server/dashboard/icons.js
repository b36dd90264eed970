// SPDX-License-Identifier: MIT
// Drawings of 16 by 16, in the colour of the text beside them; never the only thing that tells something.

import { svg } from "./dom.js";

const LINES = {
	overview: ["M2.5 13.5v-5M6.2 13.5v-9M9.8 13.5v-6M13.5 13.5v-11"],
	machines: ["M2.5 3h11v4h-11zM2.5 9h11v4h-11z", "M5 5h.01M5 11h.01"],
	configurations: ["M4 2h5.5L12.5 5v9H4z", "M9.5 2v3h3M6.3 8h4M6.3 11h4"],
	releases: ["M2.5 5 8 2l5.5 3v6L8 14l-5.5-3z", "M2.5 5 8 8l5.5-3M8 8v6"],
	tokens: ["M6.5 9.5 13 3M11 5l1.7 1.7M5 13.2a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4z"],
	messages: ["M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2z"],
	audit: ["M5.5 4h8M5.5 8h8M5.5 12h8", "M2.5 4h.01M2.5 8h.01M2.5 12h.01"],
	settings: ["M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6", "M10 6a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM6 13a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z"],
	menu: ["M2 4.5h12M2 8h12M2 11.5h12"],
	close: ["M4 4l8 8M12 4l-8 8"],
	plus: ["M8 3v10M3 8h10"],
	search: ["M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5 14 14"],
	copy: ["M6 5.5h7.5V14H6z", "M10 5.5V2H2.5v8.5H6"],
	download: ["M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11"],
	upload: ["M8 10.5v-8M4.8 5.5 8 2.3l3.2 3.2M2.5 13.5h11"],
	next: ["M6 3.5 10.5 8 6 12.5"],
	down: ["M3.5 6 8 10.5 12.5 6"],
	back: ["M10 3.5 5.5 8l4.5 4.5"],
	user: ["M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 14c.5-2.6 2.6-4 5.2-4s4.7 1.4 5.2 4"],
	light: ["M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z", "M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.85.85M11.75 11.75l.85.85M12.6 3.4l-.85.85M4.25 11.75l-.85.85"],
	dark: ["M13.5 9.7A5.8 5.8 0 0 1 6.3 2.5a5.8 5.8 0 1 0 7.2 7.2z"],
	system: ["M2 3h12v8H2zM6 13.5h4"],
	more: ["M3.5 8h.01M8 8h.01M12.5 8h.01"],
	logout: ["M6 2.5H2.5v11H6M10.5 11l3-3-3-3M13.2 8H6"],
	retry: ["M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.8v2.7h-2.7"],
	edit: ["M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3zM9.2 4.5l2.3 2.3"],
	trash: ["M3 4.5h10M6.5 4.5v-2h3v2M4.3 4.5l.6 9h6.2l.6-9"],
	keyboard: ["M1.5 4h13v8h-13z", "M4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M5 9.5h6"],
	external: ["M9 2.5h4.5V7M13 3 7.5 8.5M11 9.5v4H2.5V5h4"],
	// Those of a status: each has a shape of its own.
	good: ["M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z", "M5.3 8.2l1.9 1.9 3.6-4"],
	warn: ["M8 2 14.5 13.5h-13z", "M8 6.5v3M8 11.5h.01"],
	bad: ["M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3z", "M6 6l4 4M10 6l-4 4"],
	info: ["M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z", "M8 7.5v3.5M8 5h.01"],
	busy: ["M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z", "M8 4.7V8l2.2 1.6"],
	idle: ["M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z", "M5.5 8h5"],
};

export function icon(name) {
	return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
		LINES[name].map((d) => svg("path", { d })));
}

// The brand: machines that have fallen in, one row still filling.
export function mark() {
	const dot = (x, y, extra) => svg("circle", { cx: x, cy: y, r: 2.6, ...extra });

	return svg("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
		svg("rect", { width: 32, height: 32, rx: 8 }),
		dot(9.5, 10), dot(16, 10), dot(22.5, 10), dot(9.5, 16.5), dot(16, 16.5),
		dot(22.5, 16.5, { class: "mark-waiting" }), dot(9.5, 23));
}

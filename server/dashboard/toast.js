// SPDX-License-Identifier: MIT
// A line that says what has happened: toast("Token revoked."), toast(error). Failures stay until they are closed.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN = 6000;
let region = null;

function place() {
	if (!region) {
		region = h("div", { class: "toasts", popover: "manual", role: "region", "aria-label": "Notices" });
		document.body.append(region);
	}
	// Shown anew, it lies above a dialog that was opened since.
	if (region.matches(":popover-open"))
		region.hidePopover();
	region.showPopover();
	return region;
}

function end(node) {
	node.remove();
	if (region.childElementCount === 0)
		region.hidePopover();
}

export function toast(what) {
	const failed = what instanceof Error;
	const close = h("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => end(node) },
		icon("close"));
	const node = h("div", { class: failed ? "toast toast-bad" : "toast", role: failed ? "alert" : "status" },
		icon(failed ? "bad" : "good"), h("p", failed ? what.message : what), close);

	place().append(node);
	if (!failed)
		setTimeout(() => end(node), SHOWN);
	return node;
}

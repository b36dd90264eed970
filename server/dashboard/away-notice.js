// SPDX-License-Identifier: MIT
//
// What is said while the database doesn't answer: on every page, where notice is put, and in a dialog that is open then.
// What the page shows meanwhile is marked as from before (style.css, data-before). It goes by itself.

import { onceBack, whenAway } from "./away.js";
import { serverNow } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { clockTime } from "./time.js";
import { toast } from "./toast.js";

export const notice = h("div", { class: "away-place" });

function words() {
	return h("div", { class: "notice notice-warn away", role: "alert" }, icon("warn"), h("div",
		h("p", h("strong", "The database doesn't answer. "), "Machines stay connected; nothing can be changed until it is back."),
		h("p", { class: "away-since" }, "What is shown here is from before ", clockTime(new Date(serverNow()).toISOString()), ".")));
}

// What is behind a dialog can't be read, nor is it read out.
function tellDialogs() {
	for (const dialog of document.querySelectorAll("dialog[open] .dialog-inner > header")) {
		const node = words();

		dialog.after(node);
		onceBack(() => node.remove());
	}
}

function tell() {
	document.documentElement.dataset.before = "";
	fill(notice, words());
	tellDialogs();
	onceBack(() => toast("The database answers again."));
}

whenAway((since) => {
	if (since !== null) {
		tell();
		return;
	}
	delete document.documentElement.dataset.before;
	fill(notice);
});

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "modes.h"

static const struct mode_row modes[] = {
	[MODE_GOOD] = { "good", NOTHING, "behaves as muster-server does" },
	[MODE_WRONG_TLS_KEY] = { "wrong-tls-key", NOTHING, "has another TLS key" },
	[MODE_TLS12] = { "tls12", NOTHING, "speaks TLS 1.2 only" },
	[MODE_PLAIN_HTTP] = { "plain-http", NOTHING, "speaks HTTP without TLS" },
	[MODE_REDIRECT] = { "redirect", NOTHING, "sends every request to http:// of itself" },
	[MODE_REDIRECT_FILES] = { "redirect-files", NOTHING, "the same, but not the channel" },
	[MODE_GARBAGE_HTTP] = { "garbage-http", NOTHING, "answers requests by random bytes" },
	[MODE_ENDLESS_HEAD] = { "endless-head", NOTHING, "answers by headers without end" },
	[MODE_GARBAGE_PACKETS] = { "garbage-packets", NOTHING, "random bytes on the channel" },
	[MODE_GARBAGE_FRAMES] = { "garbage-frames", NOTHING, "random packets, well framed" },
	[MODE_ENDLESS_MESSAGE] = { "endless-message", NOTHING, "answers by a message without end" },
	[MODE_WRONG_SIGNATURE] = { "wrong-signature", NOTHING, "signs by another key" },
	[MODE_REFLECT] = { "reflect", NOTHING, "sends the client's own packets back" },
	[MODE_REFLECT_RESEALED] = { "reflect-resealed", NOTHING, "the same, sealed to the client" },
	[MODE_REPLAY] = { "replay", NOTHING, "gives the first answer again to the second message" },
	[MODE_REFUSE_TOKEN] = { "refuse-token", A_NUMBER, "answers TOKEN by NACK of that code" },
	[MODE_REFUSE_ENROL] = { "refuse-enrol", A_NUMBER, "answers ENROL by NACK of that code" },
	[MODE_REFUSE_HELLO] = { "refuse-hello", A_NUMBER, "answers HELLO by NACK of that code" },
	[MODE_MANIFEST_OTHER_KEY] = { "manifest-other-key", NOTHING, "signed by another key" },
	[MODE_MANIFEST_CHANGED] = { "manifest-changed", NOTHING, "changed after it was signed" },
	[MODE_MANIFEST_OLD] = { "manifest-old", NOTHING, "signed, of serial 3 (otherwise 7)" },
	[MODE_AGENT_TRUNCATED] = { "agent-truncated", NOTHING, "ends in the middle of the agent" },
	[MODE_AGENT_SHORTER] = { "agent-shorter", NOTHING, "the agent without its last byte" },
	[MODE_AGENT_LONGER] = { "agent-longer", NOTHING, "the agent and one byte more" },
	[MODE_AGENT_ENDLESS] = { "agent-endless", NOTHING, "the agent and more without end" },
	[MODE_AGENT_OTHER_BYTES] = { "agent-other-bytes", NOTHING, "one bit of it flipped" },
	[MODE_RESET_AFTER] = { "reset-after", A_NUMBER, "resets each connection after N bytes" },
	[MODE_CLOSE_AT] = { "close-at", A_STEP, "resets the connection at a step" },
	[MODE_END_AT] = { "end-at", A_STEP, "ends the connection in good order at a step" },
	[MODE_HANG_AT] = { "hang-at", A_STEP, "says nothing more at a step" },
	[MODE_PAUSE_AT] = { "pause-at", A_STEP, "the same until SIGUSR1" },
	[MODE_CLOCK] = { "clock", A_NUMBER, "tells a time that many seconds from now" },
};

static const char *const steps[] = {
	[STEP_CONNECT] = "connect",
	[STEP_TLS] = "tls",
	[STEP_PROGRAM] = "program",
	[STEP_UPGRADE] = "upgrade",
	[STEP_TOKEN] = "token",
	[STEP_MANIFEST] = "manifest",
	[STEP_SIGNATURE] = "signature",
	[STEP_AGENT] = "agent",
	[STEP_ENROL] = "enrol",
	[STEP_HELLO] = "hello",
	[STEP_LEAVE] = "leave",
};

const struct mode_row *mode_row(enum mode mode)
{
	return &modes[mode];
}

const char *step_name(enum step step)
{
	return steps[step];
}

int mode_find(const char *name, enum mode *ret)
{
	for (size_t i = 0; i < COUNT(modes); i++)
		if (strcmp(modes[i].name, name) == 0) {
			*ret = (enum mode)i;
			return 0;
		}
	return -ENOENT;
}

int step_find(const char *name, enum step *ret)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (strcmp(steps[i], name) == 0) {
			*ret = (enum step)i;
			return 0;
		}
	return -ENOENT;
}

void modes_help(FILE *out)
{
	static const char *const arguments[] = {
		[NOTHING] = "", [A_STEP] = " STEP", [A_NUMBER] = " N"
	};

	for (size_t i = 0; i < COUNT(modes); i++)
		fprintf(out, "  %s%s: %s\n", modes[i].name, arguments[modes[i].argument],
			modes[i].what);
	fprintf(out, "steps:");
	for (size_t i = 0; i < COUNT(steps); i++)
		fprintf(out, " %s", steps[i]);
	fprintf(out, "\n");
}

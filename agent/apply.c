/* SPDX-License-Identifier: MIT */
#include "agent/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "agent/handover.h"
#include "agent/hook.h"
#include "agent/log.h"
#include "agent/newest.h"
#include "lib/file.h"
#include "lib/secret.h"
#include "lib/text.h"

#define GOOD_FOLDER "/var/lib/muster-apply"
#define PATH_SIZE   256

struct apply {
	struct handover file;
	struct config config;
	struct config_order order; /* points into file */
	struct apply_result result;
};

/* ---------------------------------------------------------------- the result */

int apply_result_write(const char *path, const struct apply_result *r)
{
	char hex[2 * SIGNATURE_SIZE + 1], text[1024];
	int len;

	sodium_bin2hex(hex, sizeof hex, r->signature, sizeof r->signature);
	len = snprintf(text, sizeof text, "%s %u\n%s\n", hex, r->code, r->text);
	return len < 0 || (size_t)len >= sizeof text
		       ? -EMSGSIZE
		       : file_write_atomic(path, text, (size_t)len, 0644);
}

int apply_result_read(const char *path, struct apply_result *ret)
{
	scoped(freep) char *text = NULL;
	char *space, *line, *end;
	uint64_t code = 0;
	size_t len, size = 0;
	int r = file_read(path, 1024, &text, &len);

	if (r < 0)
		return r;
	space = strchr(text, ' ');
	line = space ? strchr(space, '\n') : NULL;
	end = line ? strchr(line + 1, '\n') : NULL;
	if (!end)
		return -EBADMSG;
	*space++ = *line++ = *end = '\0';
	*ret = (struct apply_result){};
	if (sodium_hex2bin(ret->signature, sizeof ret->signature, text, strlen(text), NULL, &size,
		    NULL) < 0 ||
		size != sizeof ret->signature || text_number(space, 0, UINT16_MAX, &code) < 0 ||
		strlen(line) >= sizeof ret->text || !text_printable(line, strlen(line)))
		return -EBADMSG;
	ret->code = (uint16_t)code;
	memcpy(ret->text, line, strlen(line));
	return 0;
}

/* ---------------------------------------------------------------- the order */

/* Only what the server has signed for this machine. */
static int take_order(const char *state, struct apply *a)
{
	const uint8_t *body;
	uint8_t hash[CONFIG_HASH_SIZE];
	size_t len;
	int r = handover_take(state, APPLY_NAME, &a->file);

	if (r < 0)
		return log_err(r, "cannot take an order from '%s'", state);
	r = handover_verify(&a->file, OP_CONFIG, &a->config);
	if (r < 0)
		return r;
	memcpy(a->result.signature, handover_signature(&a->file), SIGNATURE_SIZE);
	body = handover_body(&a->file, &len);
	r = config_order_decode(body, len, &a->order);
	if (r < 0 || a->order.kind == ORDER_REMOVE)
		return r;
	config_hash(a->order.content, a->order.len, hash);
	return memcmp(hash, a->order.hash, sizeof hash) == 0 ? 0 : -EBADMSG;
}

/* ---------------------------------------------------------------- hooks */

static void say(struct apply *a, enum nack_code code, const char *what, const char *said)
{
	a->result.code = (uint16_t)code;
	(void)snprintf(
		a->result.text, sizeof a->result.text, "%s%s%s", what, *said ? ": " : "", said);
}

/* 0: it succeeded or there is none; 1: it failed; negative: it can't be run. */
static int run(const struct apply *a, const char *suffix, const char *action, const char *file,
	char said[static HOOK_SAID_SIZE])
{
	char program[PATH_SIZE];
	struct hook_run h = { .program = program,
		.file = file,
		.action = action,
		.name = a->order.name,
		.revision = a->order.revision };
	int r;

	*said = '\0';
	(void)snprintf(program, sizeof program, APPLY_HOOKS "/%s%s", a->order.name, suffix);
	r = hook_find(program);
	if (r > 0)
		r = hook_run(&h, said);
	if (r < 0)
		(void)snprintf(said, HOOK_SAID_SIZE,
			"%s must be an executable file, and it and the folders above it root's "
			"and writable by root alone",
			program);
	return r;
}

/* What the hook has applied last, once more. */
static void restore(struct apply *a, const char *good, const char *said)
{
	char again[HOOK_SAID_SIZE], what[128] = "the hook failed; nothing was applied before it";

	if (access(good, F_OK) < 0)
		say(a, NACK_RESTORE, what, said);
	else if (run(a, "", "restore", good, again) == 0)
		say(a, NACK_APPLY, "the hook failed; what was before is applied", said);
	else
		say(a, NACK_RESTORE, "the hook failed, and again with what was before", said);
}

static void apply_file(struct apply *a, const char *new, const char *good)
{
	char said[HOOK_SAID_SIZE];
	int r = run(a, ".check", "check", new, said);

	if (r != 0) {
		say(a, r < 0 ? NACK_HOOK : NACK_CHECK, r < 0 ? "cannot check" : "the check failed",
			said);
		return;
	}
	r = run(a, "", "apply", new, said);
	if (r < 0)
		say(a, NACK_HOOK, "cannot apply", said);
	else if (r > 0)
		restore(a, good, said);
	else {
		r = rename(new, good) < 0 ? -errno : folder_sync(GOOD_FOLDER);
		if (r < 0)
			say(a, NACK_HOOK, "cannot keep what was applied", strerror(-r));
	}
}

static void apply_removal(struct apply *a, const char *good)
{
	char said[HOOK_SAID_SIZE];
	int r = run(a, "", "remove", NULL, said);

	if (r < 0)
		say(a, NACK_HOOK, "cannot apply", said);
	else if (r > 0)
		restore(a, good, said);
	else if (unlink(good) == 0) {
		r = folder_sync(GOOD_FOLDER);
		if (r < 0)
			say(a, NACK_HOOK, "cannot keep what was applied", strerror(-r));
	}
}

/* Nothing is done about an order before it is written down that it is the newest. */
static bool is_newest(struct apply *a)
{
	const struct config_order *o = &a->order;
	struct newest n = { .number = o->number };
	uint64_t last;
	char what[128];
	int r;

	memcpy(n.hash, o->hash, sizeof n.hash);
	newest_giver(a->config.server_key, a->config.client_id, n.giver);
	r = newest_take(GOOD_FOLDER, o->name, &n, &last);
	if (r == -ESTALE)
		snprintf(what, sizeof what,
			"its number, %" PRIu64 ", is not above %" PRIu64
			", that of an order carried out here before",
			o->number, last);
	else
		snprintf(what, sizeof what, "cannot use " GOOD_FOLDER "/" NEWEST_PREFIX "%s",
			o->name);
	if (r < 0)
		say(a, r == -ESTALE ? NACK_OLDER_ORDER : NACK_STORAGE, what,
			r == -ESTALE    ? ""
			: r == -EBADMSG ? "it is damaged"
					: strerror(-r));
	return r == 0;
}

static void act(struct apply *a)
{
	char new[PATH_SIZE], good[PATH_SIZE];
	int r;

	if (!is_newest(a))
		return;
	/* Names have no slash and don't begin with a dot. */
	(void)snprintf(good, sizeof good, GOOD_FOLDER "/%s", a->order.name);
	(void)snprintf(new, sizeof new, GOOD_FOLDER "/.new");
	if (a->order.kind == ORDER_REMOVE) {
		apply_removal(a, good);
		return;
	}
	r = file_write_atomic(new, a->order.content, a->order.len, 0600);
	if (r < 0)
		say(a, NACK_HOOK, "cannot write " GOOD_FOLDER, strerror(-r));
	else
		apply_file(a, new, good);
	(void)unlink(new);
}

int apply_run(const char *config_path, const char *state)
{
	struct apply a = {};
	char why[CONFIG_WHY_SIZE];
	int r = secret_init();

	if (r == 0)
		r = config_load(config_path, &a.config, why);
	if (r < 0) {
		log_say(LOG_ERR, "cannot use '%s': %s", config_path, why);
		return EXIT_FAILURE;
	}
	r = take_order(state, &a);
	if (r < 0) {
		log_say(LOG_ERR, "refused an order that the server has not given: %s",
			strerror(-r));
		handover_clear(&a.file);
		return EXIT_FAILURE;
	}
	act(&a);
	if (a.result.code)
		log_say(LOG_WARNING, "configuration %s, revision %" PRIu64 ": %s", a.order.name,
			a.order.revision, a.result.text);
	else
		log_say(LOG_INFO, "configuration %s, revision %" PRIu64 ": applied", a.order.name,
			a.order.revision);
	r = apply_result_write(APPLY_RESULT, &a.result);
	handover_clear(&a.file);
	return r < 0 ? log_err(r, "cannot write '" APPLY_RESULT "'"), EXIT_FAILURE : EXIT_SUCCESS;
}

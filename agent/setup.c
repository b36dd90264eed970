/* SPDX-License-Identifier: MIT */
#include "agent/setup.h"

#include <errno.h>

#include "agent/ending.h"
#include "agent/log.h"
#include "agent/rekey.h"

#define PATH_SIZE 256

static int load_keys(struct setup *s, const char *folder)
{
	char path[PATH_SIZE], why[ENDING_SIZE];
	int r;

	if ((size_t)snprintf(path, sizeof path, "%s/identity.key", folder) >= sizeof path)
		return log_err(-ENAMETOOLONG, "cannot use state directory '%s'", folder);
	r = identity_load(path, &s->identity);
	if (r == 0) {
		(void)snprintf(path, sizeof path, "%s/tls.pem", folder);
		r = tlskey_load(path, &s->tls);
	}
	if (r == -ENOENT && ending_read(folder, why) == 0) {
		log_say(LOG_ERR,
			"the server has revoked this machine%s%s: run muster-enrol --uninstall, "
			"and then the installer to enrol it anew",
			*why ? ": " : "", why);
		return -EKEYREVOKED;
	}
	if (r == -ENOENT)
		return log_err(r,
			"cannot use key file '%s': this machine is not enrolled, run "
			"the installer",
			path);
	if (r == -EPERM)
		return log_err(r,
			"cannot use key file '%s': others than its owner may access it, "
			"or another user owns it",
			path);
	if (r < 0)
		return log_err(r, "cannot use key file '%s'", path);
	return 0;
}

/* Not on a reload: then the former client's messages are in use. */
static int take_new_keys(const struct setup *s, const char *state_folder, bool start)
{
	if (!rekey_is_due(state_folder, s->config.client_id))
		return 0;
	if (!start)
		return log_err(-EBUSY, "cannot take the new keys before the next start");
	log_say(LOG_NOTICE, "this machine has become another client: taking its new keys");
	int r = rekey_finish(state_folder);
	return r < 0 ? log_err(r, "cannot take the new keys in '%s'", state_folder) : 0;
}

int setup_load(const char *config_path, const char *state_folder, bool start, struct setup **ret)
{
	struct setup *s = calloc(1, sizeof *s);
	char why[CONFIG_WHY_SIZE];
	int r;

	if (!s)
		return log_err(-ENOMEM, "cannot start");
	r = config_load(config_path, &s->config, why);
	if (r < 0)
		log_say(LOG_ERR, "%s", why);
	else
		r = take_new_keys(s, state_folder, start);
	if (r == 0)
		r = load_keys(s, state_folder);
	if (r < 0) {
		setup_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct setup *setup_free(struct setup *s)
{
	if (!s)
		return NULL;
	identity_free(s->identity);
	tlskey_clear(&s->tls);
	free(s);
	return NULL;
}

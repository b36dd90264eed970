/* SPDX-License-Identifier: MIT */
#include "agent/setup.h"

#include <errno.h>

#include "agent/ending.h"
#include "agent/log.h"

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

int setup_load(const char *config_path, const char *state_folder, struct setup **ret)
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

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/paths.h"
#include "enrol/place.h"

/* Both keys of an earlier run, from its folder. */
static int load(struct enrol *e, const char *folder)
{
	char identity[128], tls[128];
	int r, fd = place_folder(folder);

	if (fd < 0)
		return fd;
	close(fd);
	snprintf(identity, sizeof identity, "%s/" IDENTITY_NAME, folder);
	snprintf(tls, sizeof tls, "%s/" TLS_NAME, folder);
	r = identity_load(identity, &e->identity);
	if (r == 0)
		r = tlskey_load(tls, &e->tls);
	if (r < 0)
		keys_clear(e);
	return r;
}

static int wipe(const char *folder)
{
	int r = place_wipe_in(folder, IDENTITY_NAME);

	return r < 0 ? r : place_wipe_in(folder, TLS_NAME);
}

void keys_clear(struct enrol *e)
{
	e->identity = identity_free(e->identity);
	tlskey_clear(&e->tls);
	e->tls = (struct tlskey){};
	e->inherited = false;
	e->asked = false;
}

static int make(struct enrol *e)
{
	int r = identity_generate(&e->identity);

	if (r == 0)
		r = tlskey_generate(TLSKEY_ED25519, "muster-agent", &e->tls);
	if (r < 0)
		keys_clear(e);
	return r;
}

/* A dry run looks at no earlier run's keys: it holds no lock. */
int keys_prepare(struct enrol *e)
{
	if (e->identity)
		return 0;
	if (journal_is_held(&e->journal) &&
		(load(e, JOURNAL_FOLDER) == 0 || load(e, KEPT_FOLDER) == 0)) {
		e->inherited = true;
		e->asked = true;
		return 0;
	}
	return make(e);
}

int keys_renew(struct enrol *e)
{
	int r = 0;

	keys_clear(e);
	if (journal_is_held(&e->journal)) {
		r = wipe(JOURNAL_FOLDER);
		keys_forget_kept();
	}
	return r < 0 ? r : make(e);
}

static int save_in(const struct enrol *e, const char *folder)
{
	char path[128];
	int r;

	snprintf(path, sizeof path, "%s/" IDENTITY_NAME, folder);
	r = identity_save(e->identity, path);
	if (r < 0 && r != -EEXIST)
		return r;
	snprintf(path, sizeof path, "%s/" TLS_NAME, folder);
	r = tlskey_save(&e->tls, path);
	return r == -EEXIST ? 0 : r;
}

/* Keys that exist there already are the same: keys_prepare() took them from there. Half of a pair
 * is no key of anything. */
int keys_save(struct enrol *e)
{
	int r = 0;

	if (!e->inherited)
		r = wipe(JOURNAL_FOLDER);
	return r < 0 ? r : save_in(e, JOURNAL_FOLDER);
}

void keys_keep(struct enrol *e)
{
	int r = place_mkdir(KEPT_FOLDER, 0700);

	if (r == -EEXIST)
		return; /* of an earlier run, and the same */
	if (r == 0)
		r = save_in(e, KEPT_FOLDER);
	if (r < 0)
		keys_forget_kept();
}

void keys_forget_kept(void)
{
	if (wipe(KEPT_FOLDER) == 0 && place_remove_folder(KEPT_FOLDER) < 0)
		return; /* something of another's is in it */
}

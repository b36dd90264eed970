/* SPDX-License-Identifier: MIT */
/* Keys and release: the state folder. What is logged goes to standard error, and is not looked at.
 */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "lib/file.h"
#include "server/release.h"

static struct {
	char root[64];
	struct config config;
} here;

static const char *in_root(const char *name)
{
	static char path[2][128];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", here.root, name);
	return path[which];
}

static int setup(void **state)
{
	(void)state;
	umask(0);
	strcpy(here.root, "/tmp/muster-keys-XXXXXX");
	if (mkdtemp(here.root) == NULL)
		return -1;
	snprintf(here.config.state, sizeof(here.config.state), "%s/state", here.root);
	snprintf(here.config.clients, sizeof(here.config.clients), "%s/clients", here.root);
	if (mkdir(in_root("clients"), 0755) < 0 || mkdir(in_root("clients/linux"), 0755) < 0 ||
		mkdir(in_root("clients/linux/x86_64"), 0755) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", here.root);
	return system(command);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(in_root(name), text, strlen(text), 0600), 0);
}

static struct keys load(void)
{
	struct keys k = {};

	assert_int_equal(keys_load(here.config.state, &k), 0);
	return k;
}

static int try_to_load(void)
{
	struct keys k = {};
	int r = keys_load(here.config.state, &k);

	assert_true(r < 0 || k.identity != NULL);
	if (r >= 0)
		keys_clear(&k);
	else
		assert_null(k.identity);
	return r;
}

/* ---- keys */

static const char *const secrets[] = { "identity.key", "tls.pem", "release.key", "token.key" };

static void the_first_start_makes_keys_for_their_owner_only(void **state)
{
	struct keys k = load();
	struct stat st;
	char name[64];

	(void)state;
	keys_clear(&k);
	assert_int_equal(stat(in_root("state"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (size_t i = 0; i < COUNT(secrets); i++) {
		snprintf(name, sizeof(name), "state/%s", secrets[i]);
		assert_int_equal(stat(in_root(name), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600); /* though the umask is 0 */
	}
}

static void the_second_start_finds_the_same_keys(void **state)
{
	struct keys a = load(), b = load();

	(void)state;
	assert_memory_equal(
		identity_public(a.identity), identity_public(b.identity), PUBLIC_KEY_SIZE);
	assert_memory_equal(a.tls.pin, b.tls.pin, PIN_SIZE);
	assert_memory_equal(a.token_key, b.token_key, 32);
	assert_memory_equal(&a.release_public, &b.release_public, sizeof(a.release_public));
	keys_clear(&a);
	keys_clear(&b);
}

static void a_start_that_was_interrupted_goes_on(void **state)
{
	char name[64];
	struct keys k = load();

	(void)state;
	keys_clear(&k);
	for (size_t i = 0; i < COUNT(secrets); i++) {
		snprintf(name, sizeof(name), "state/%s", secrets[i]);
		assert_int_equal(unlink(in_root(name)), 0);
		if (strcmp(secrets[i], "release.key") == 0)
			assert_int_equal(unlink(in_root("state/release.pub")), 0);
		k = load();
		keys_clear(&k);
	}
	assert_int_equal(unlink(in_root("state/release.pub")), 0);
	k = load();
	keys_clear(&k);
	assert_int_equal(access(in_root("state/release.pub"), F_OK), 0);
}

static void beside_a_database_no_key_is_made(void **state)
{
	char name[64], kept[64];
	struct keys k = load();

	(void)state;
	keys_clear(&k);
	put("state/" DATABASE_NAME, "x");
	assert_int_equal(rename(in_root("state/release.pub"), in_root("kept.pub")), 0);
	for (size_t i = 0; i < COUNT(secrets); i++) {
		snprintf(name, sizeof(name), "state/%s", secrets[i]);
		snprintf(kept, sizeof(kept), "kept");
		assert_int_equal(rename(in_root(name), in_root(kept)), 0);
		assert_int_equal(try_to_load(), -ENOKEY);
		assert_int_equal(access(in_root(name), F_OK), -1);
		assert_int_equal(rename(in_root(kept), in_root(name)), 0);
	}
	assert_int_equal(try_to_load(), 0);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	char name[64];
	struct keys k = load();

	(void)state;
	keys_clear(&k);
	for (size_t i = 0; i < COUNT(secrets); i++) {
		snprintf(name, sizeof(name), "state/%s", secrets[i]);
		assert_int_equal(chmod(in_root(name), 0640), 0);
		assert_int_equal(try_to_load(), -EPERM);
		assert_int_equal(chmod(in_root(name), 0600), 0);
	}
	assert_int_equal(try_to_load(), 0);
}

static void a_folder_that_others_can_enter_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_root("state"), 0755), 0);
	assert_int_equal(try_to_load(), -EPERM);
	assert_int_equal(chmod(in_root("state"), 0700), 0);
	assert_int_equal(try_to_load(), 0);
}

static void a_damaged_key_is_refused_and_stays(void **state)
{
	static const char rubbish[] = "rubbish\n";
	char name[64], *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(secrets); i++) {
		struct keys k = load();
		keys_clear(&k);
		snprintf(name, sizeof(name), "state/%s", secrets[i]);
		put(name, rubbish);
		assert_true(try_to_load() < 0);
		assert_int_equal(file_read(in_root(name), 100, &text, &len), 0);
		assert_string_equal(text, rubbish);
		free(text);
		assert_int_equal(unlink(in_root(name)), 0);
		unlink(in_root("state/release.pub"));
	}
}

static void a_link_in_place_of_a_key_is_not_followed(void **state)
{
	struct keys k = load();

	(void)state;
	keys_clear(&k);
	assert_int_equal(rename(in_root("state/token.key"), in_root("elsewhere")), 0);
	assert_int_equal(symlink(in_root("elsewhere"), in_root("state/token.key")), 0);
	assert_true(try_to_load() < 0);
}

static void a_release_key_and_another_public_one_is_refused(void **state)
{
	struct keys k = load();
	struct minisign_key *other;
	struct minisign_public public;

	(void)state;
	keys_clear(&k);
	assert_int_equal(minisign_generate(&other), 0);
	minisign_public(other, &public);
	scoped(freep) char *text = minisign_public_file(&public);
	minisign_free(other);
	put("state/release.pub", text);
	assert_int_equal(try_to_load(), -EBADMSG);
}

/* ---- release */

#define AGENT "clients/linux/x86_64/muster-agent"
#define ENROL "clients/linux/x86_64/muster-enrol"

static int load_release(struct release *ret)
{
	struct keys k = load();
	int r = release_load(&here.config, &k, 1800000000, ret);

	if (r >= 0 && ret->manifest_text != NULL)
		assert_int_equal(minisign_verify(&k.release_public, ret->manifest_text,
					 ret->manifest_len, ret->signature, ret->signature_len),
			0);
	keys_clear(&k);
	return r;
}

static void the_manifest_lists_what_is_there(void **state)
{
	struct release r = {};

	(void)state;
	put(AGENT, "agent");
	put(ENROL, "enrol");
	put("clients/linux/x86_64/else", "else");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 1);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.manifest.count, 2);
	assert_non_null(release_find(&r, "linux/x86_64/muster-agent"));
	assert_null(release_find(&r, "linux/x86_64/else"));
	assert_null(release_find(&r, "linux/x86_64/../x86_64/muster-agent"));
	assert_null(release_find(&r, ""));
	release_clear(&r);
}

static void the_serial_rises_with_a_change_only(void **state)
{
	struct release r = {};

	(void)state;
	put(AGENT, "agent");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 1);
	put(AGENT, "other");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 2);
	put(ENROL, "enrol");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 3);
	assert_int_equal(unlink(in_root(ENROL)), 0);
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 4);
	release_clear(&r);
}

static void a_signature_lost_between_two_writes_is_made_up_for(void **state)
{
	struct release r = {};

	(void)state;
	put(AGENT, "agent");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(unlink(in_root("state/manifest.minisig")), 0);
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.manifest.serial, 2);
	release_clear(&r);
}

static void a_damaged_manifest_is_an_error(void **state)
{
	struct release r = {};

	(void)state;
	put(AGENT, "agent");
	assert_int_equal(load_release(&r), 0);
	put("state/manifest", "rubbish\n");
	assert_true(load_release(&r) < 0);
	assert_int_equal(r.manifest.serial, 1); /* as before */
	assert_int_equal(r.count, 1);
	release_clear(&r);
}

static void without_the_key_only_what_is_signed_is_offered(void **state)
{
	struct release r = {};

	(void)state;
	put(AGENT, "agent");
	put(ENROL, "enrol");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(rename(in_root("state/release.key"), in_root("offline")), 0);
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.count, 2);
	put(AGENT, "taken over");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.count, 1);
	assert_null(release_find(&r, "linux/x86_64/muster-agent"));
	assert_int_equal(r.manifest.serial, 1);
	release_clear(&r);
}

static void without_the_key_a_manifest_by_another_is_refused(void **state)
{
	struct release r = {};
	struct minisign_key *other;
	char *text, *signature;
	size_t len;

	(void)state;
	put(AGENT, "agent");
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(rename(in_root("state/release.key"), in_root("offline")), 0);
	assert_int_equal(file_read(in_root("state/manifest"), MANIFEST_MAX, &text, &len), 0);
	assert_int_equal(minisign_generate(&other), 0);
	assert_int_equal(minisign_sign(other, text, len, "x", &signature), 0);
	put("state/manifest.minisig", signature);
	assert_int_equal(load_release(&r), -ENOKEY);
	assert_int_equal(unlink(in_root("state/manifest")), 0);
	assert_int_equal(load_release(&r), -ENOKEY);
	minisign_free(other);
	free(text);
	free(signature);
	release_clear(&r);
}

static void links_and_folders_are_not_offered(void **state)
{
	struct release r = {};

	(void)state;
	assert_int_equal(symlink("/etc/passwd", in_root(AGENT)), 0);
	assert_true(load_release(&r) < 0);
	assert_int_equal(unlink(in_root(AGENT)), 0);
	assert_int_equal(mkdir(in_root(AGENT), 0755), 0);
	assert_true(load_release(&r) < 0);
	assert_int_equal(rmdir(in_root(AGENT)), 0);
	assert_int_equal(mkfifo(in_root(AGENT), 0644), 0);
	assert_true(load_release(&r) < 0);
}

static void without_programs_nothing_is_offered(void **state)
{
	struct release r = {};

	(void)state;
	assert_int_equal(load_release(&r), 0);
	assert_int_equal(r.count, 0);
	assert_null(r.manifest_text);
	assert_int_equal(access(in_root("state/manifest"), F_OK), -1);
}

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
UNIT(each(the_first_start_makes_keys_for_their_owner_only),
	each(the_second_start_finds_the_same_keys), each(a_start_that_was_interrupted_goes_on),
	each(beside_a_database_no_key_is_made), each(a_key_that_others_can_read_is_refused),
	each(a_folder_that_others_can_enter_is_refused), each(a_damaged_key_is_refused_and_stays),
	each(a_link_in_place_of_a_key_is_not_followed),
	each(a_release_key_and_another_public_one_is_refused),
	each(the_manifest_lists_what_is_there), each(the_serial_rises_with_a_change_only),
	each(a_signature_lost_between_two_writes_is_made_up_for),
	each(a_damaged_manifest_is_an_error), each(without_the_key_only_what_is_signed_is_offered),
	each(without_the_key_a_manifest_by_another_is_refused),
	each(links_and_folders_are_not_offered), each(without_programs_nothing_is_offered))

/* SPDX-License-Identifier: MIT */
#include "release.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/version.h"
#include "log.h"

#define HASH_CHUNK 65536

static const char *const programs[] = { "muster-agent", "muster-enrol" };

static void releasep(struct release **r)
{
	if (*r != NULL)
		release_clear(*r);
}

/* ---- the files */

static int hash_file(int fd, uint64_t *ret_size, uint8_t ret[static 32])
{
	static uint8_t chunk[HASH_CHUNK];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint64_t size = 0;
	ssize_t n = -1;

	bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	while (good && (n = pread(fd, chunk, sizeof(chunk), (off_t)size)) > 0) {
		good = EVP_DigestUpdate(md, chunk, (size_t)n) == 1;
		size += (uint64_t)n;
	}
	good = good && n == 0 && EVP_DigestFinal_ex(md, ret, NULL) == 1;
	EVP_MD_CTX_free(md);
	*ret_size = size;
	return good ? 0 : -EIO;
}

static int file_open(const char *folder, const char *path, struct release_file **ret)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	scoped(closep) int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return log_err(-errno, "cannot offer '%s'", full);
	if (!S_ISREG(st.st_mode))
		return log_err(-EINVAL, "cannot offer '%s', which is no regular file", full);
	struct release_file *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	int r = hash_file(fd, &f->size, f->sha256);
	if (r < 0) {
		free(f);
		return log_err(r, "cannot read '%s'", full);
	}
	strcpy(f->path, path);
	f->fd = fd;
	fd = -1;
	f->users = 1;
	*ret = f;
	return 0;
}

static int add_programs(const char *folder, const char *arch, struct release *r)
{
	for (size_t i = 0; i < COUNT(programs); i++) {
		char path[MANIFEST_PATH_SIZE];
		int len = snprintf(path, sizeof(path), "linux/%s/%s", arch, programs[i]);

		if (len < 0 || (size_t)len >= sizeof(path) || r->count == MANIFEST_FILES_MAX)
			return log_err(-E2BIG, "cannot offer '%s/linux/%s'", folder, arch);
		int error = file_open(folder, path, &r->files[r->count]);
		if (error == 0)
			r->count++;
		else if (error != -ENOENT)
			return error;
	}
	return 0;
}

static int is_arch(const struct dirent *entry)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

	return strspn(entry->d_name, letters) == strlen(entry->d_name);
}

/* Every FOLDER/linux/ARCH/PROGRAM, in the order of their names. */
static int open_files(const char *folder, struct release *r)
{
	char path[PATH_MAX];
	struct dirent **list;
	int error = 0;

	snprintf(path, sizeof(path), "%s/linux", folder);
	int n = scandir(path, &list, is_arch, alphasort);
	if (n < 0 && errno != ENOENT)
		return log_err(-errno, "cannot look into '%s'", path);
	for (int i = 0; i < n; i++) {
		if (error == 0)
			error = add_programs(folder, list[i]->d_name, r);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return error;
}

static bool matches(const struct release_file *f, const struct manifest *m)
{
	const struct manifest_file *entry = manifest_find(m, f->path);

	return entry != NULL && entry->size == f->size &&
	       memcmp(entry->sha256, f->sha256, sizeof(f->sha256)) == 0;
}

static bool all_match(const struct release *r, const struct manifest *m)
{
	if (m->serial == 0 || r->count != m->count || strcmp(m->version, muster_version) != 0)
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (!matches(r->files[i], m))
			return false;
	return true;
}

/* ---- the manifest */

static void manifest_path(const struct config *c, const char *suffix, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/manifest%s", c->state, suffix);
}

/* What lies in the state folder. Without a manifest r is as before, and 0; a signature that is
 * missing or doesn't fit is told by ret_signed. */
static int read_manifest(
	const struct config *c, const struct keys *k, struct release *r, bool *ret_signed)
{
	char path[PATH_MAX];

	*ret_signed = false;
	manifest_path(c, "", path);
	int error = file_read(path, MANIFEST_MAX, &r->manifest_text, &r->manifest_len);
	if (error == -ENOENT)
		return 0;
	if (error < 0)
		return log_err(error, "cannot read '%s'", path);
	error = manifest_parse(r->manifest_text, r->manifest_len, &r->manifest);
	if (error < 0) {
		log_at(LOG_ERR,
			"'%s' is not a manifest. Put it back from a backup; if it is lost, remove "
			"it, but machines that have seen a higher serial will refuse the new one",
			path);
		return error;
	}
	manifest_path(c, ".minisig", path);
	error = file_read(path, MINISIGN_FILE_MAX, &r->signature, &r->signature_len);
	if (error < 0 && error != -ENOENT)
		return log_err(error, "cannot read '%s'", path);
	*ret_signed = error == 0 && minisign_verify(&k->release_public, r->manifest_text,
					    r->manifest_len, r->signature, r->signature_len) == 0;
	return 0;
}

static void fill_manifest(struct release *r, uint64_t serial, uint64_t now)
{
	r->manifest = (struct manifest){ .serial = serial, .issued = now, .count = r->count };
	snprintf(r->manifest.version, sizeof(r->manifest.version), "%s", muster_version);
	for (size_t i = 0; i < r->count; i++) {
		struct manifest_file *entry = &r->manifest.files[i];

		strcpy(entry->path, r->files[i]->path);
		entry->size = r->files[i]->size;
		memcpy(entry->sha256, r->files[i]->sha256, sizeof(entry->sha256));
	}
}

/* The manifest first: if the signature isn't written any more, the next start finds that it doesn't
 * fit and makes one more manifest. */
static int write_manifest(const struct config *c, const struct release *r)
{
	char path[PATH_MAX];

	manifest_path(c, "", path);
	int error = file_write_atomic(path, r->manifest_text, r->manifest_len, 0644);
	if (error >= 0) {
		manifest_path(c, ".minisig", path);
		error = file_write_atomic(path, r->signature, r->signature_len, 0644);
	}
	return error < 0 ? log_err(error, "cannot write '%s'", path) : 0;
}

static int sign_manifest(const struct keys *k, struct release *r)
{
	struct buffer text = {};
	char comment[128];

	free(give(r->manifest_text));
	free(give(r->signature));
	int error = manifest_print(&r->manifest, &text);
	if (error >= 0 && (r->manifest_text = strndup((const char *)text.data, text.len)) == NULL)
		error = -ENOMEM;
	r->manifest_len = text.len;
	buffer_clear(&text);
	if (error < 0)
		return error;
	snprintf(comment, sizeof(comment), "muster manifest %llu, version %s",
		(unsigned long long)r->manifest.serial, r->manifest.version);
	error = minisign_sign(
		k->release, r->manifest_text, r->manifest_len, comment, &r->signature);
	if (error >= 0)
		r->signature_len = strlen(r->signature);
	return error;
}

static int make_manifest(
	const struct config *c, const struct keys *k, uint64_t now, struct release *r)
{
	fill_manifest(r, r->manifest.serial + 1, now);
	int error = sign_manifest(k, r);
	if (error < 0)
		return log_err(error, "cannot sign the manifest");
	error = write_manifest(c, r);
	if (error >= 0)
		log_info("made manifest %llu of %zu files, version %s",
			(unsigned long long)r->manifest.serial, r->count, r->manifest.version);
	return error;
}

/* Without the release key: what the manifest doesn't vouch for is not offered. */
static int keep_what_matches(const struct config *c, struct release *r, bool is_signed)
{
	size_t kept = 0;

	if (r->manifest.serial == 0 || !is_signed) {
		log_at(LOG_ERR,
			"the release key is kept elsewhere, and '%s/manifest' and its signature "
			"'manifest.minisig' are missing or not by that key: sign a manifest of the "
			"files below '%s' there, and put both here",
			c->state, c->clients);
		return -ENOKEY;
	}
	for (size_t i = 0; i < r->count; i++) {
		struct release_file *f = r->files[i];

		if (matches(f, &r->manifest)) {
			r->files[kept++] = f;
			continue;
		}
		log_warning("'%s/%s' is not offered: it is not what the signed manifest lists",
			c->clients, f->path);
		release_file_done(f);
	}
	r->count = kept;
	return 0;
}

static int hash_text(const char *text, size_t len, uint8_t ret[static 32])
{
	return EVP_Digest(text, len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int release_load(
	const struct config *config, const struct keys *keys, uint64_t now, struct release *ret)
{
	struct release r = {};
	scoped(releasep) struct release *unless_given = &r;
	bool is_signed;

	int error = open_files(config->clients, &r);
	if (error >= 0)
		error = read_manifest(config, keys, &r, &is_signed);
	if (error < 0)
		return error;
	if (r.count == 0) {
		log_warning("there are no clients' programs below '%s/linux': none are offered",
			config->clients);
		release_clear(&r);
	} else if (keys->release == NULL) {
		error = keep_what_matches(config, &r, is_signed);
	} else if (!is_signed || !all_match(&r, &r.manifest)) {
		error = make_manifest(config, keys, now, &r);
	}
	if (error >= 0 && r.manifest_text != NULL)
		error = hash_text(r.manifest_text, r.manifest_len, r.manifest_sha256);
	if (error >= 0 && r.manifest_text != NULL)
		error = manifest_digest(&r.manifest, r.digest);
	if (error >= 0 && r.signature != NULL)
		error = hash_text(r.signature, r.signature_len, r.signature_sha256);
	if (error < 0)
		return error;
	release_clear(ret);
	*ret = r;
	unless_given = NULL;
	return 0;
}

void release_clear(struct release *r)
{
	for (size_t i = 0; i < r->count; i++)
		release_file_done(r->files[i]);
	free(r->manifest_text);
	free(r->signature);
	*r = (struct release){};
}

struct release_file *release_find(const struct release *r, const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->files[i]->path, path) == 0)
			return r->files[i];
	return NULL;
}

struct release_file *release_file_use(struct release_file *f)
{
	f->users++;
	return f;
}

struct release_file *release_file_done(struct release_file *f)
{
	if (f != NULL && --f->users == 0) {
		close(f->fd);
		free(f);
	}
	return NULL;
}

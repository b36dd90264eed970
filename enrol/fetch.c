/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>

#include "enrol/enrol.h"
#include "enrol/fetch.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/program.h"
#include "enrol/servers.h"
#include "lib/secret.h"

#define PROGRAM_MAX     (64u << 20) /* bytes: no program is so large */
#define PROGRAM_SECONDS 10          /* to tell its version */

static int explain_uplink(struct enrol *e, int r, const struct uplink_error *error)
{
	const struct contact_error c = { .r = r, .uplink = *error };

	return enrol_explain(e, &c);
}

/* A small file into memory; it never touches the disk. 0 or the exit code. */
static int download_text(
	struct enrol *e, const char *path, size_t limit, char **ret, size_t *ret_len)
{
	scoped(closep) int fd = memfd_create("muster", MFD_CLOEXEC);
	scoped(freep) char *text = malloc(limit + 1);
	struct uplink_error error = {};
	ssize_t len;
	int r;

	if (fd < 0 || !text)
		return enrol_failed(e, EXIT_INTERNAL, -ENOMEM, "cannot download", path);
	r = servers_download(e, path, fd, limit, NULL, NULL, &error);
	if (r < 0)
		return explain_uplink(e, r, &error);
	len = pread(fd, text, limit, 0);
	if (len < 0)
		return enrol_failed(e, EXIT_INTERNAL, -errno, "cannot read", path);
	text[len] = '\0';
	*ret_len = (size_t)len;
	*ret = give(text);
	return 0;
}

static const char *why_not_signed(int r)
{
	return r == -ENOKEY    ? "it is signed by another key than the release key"
	       : r == -EBADMSG ? "its signature is malformed"
			       : "its signature is wrong";
}

static int judge_manifest(
	struct enrol *e, const char *text, size_t len, const char *signature, size_t signature_len)
{
	int r = minisign_verify(&e->options.release_key, text, len, signature, signature_len);

	if (r < 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the manifest of %s is not genuine: %s", e->options.server,
			why_not_signed(r));
	r = manifest_parse(text, len, &e->manifest);
	if (r < 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the manifest of %s is not understood: get the installer script of this "
			"server's version",
			e->options.server);
	if (e->manifest.serial < e->options.min_serial)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the manifest of %s is an old one: serial %" PRIu64 ", but it was %" PRIu64
			" before",
			e->options.server, e->manifest.serial, e->options.min_serial);
	return 0;
}

const struct manifest_file *fetch_find(const struct enrol *e, const char *name)
{
	char path[MANIFEST_PATH_SIZE];
	const struct manifest_file *f;

	snprintf(path, sizeof path, "linux/" MUSTER_ARCH "/%s", name);
	f = manifest_find(&e->manifest, path);
	return f && f->size <= PROGRAM_MAX ? f : NULL;
}

int fetch_manifest(struct enrol *e)
{
	scoped(freep) char *text = NULL;
	scoped(freep) char *signature = NULL;
	size_t len, signature_len;
	int code = download_text(e, "/clients/manifest", MANIFEST_MAX, &text, &len);

	if (code == 0)
		code = download_text(e, "/clients/manifest.minisig", MINISIGN_FILE_MAX, &signature,
			&signature_len);
	if (code == 0)
		code = judge_manifest(e, text, len, signature, signature_len);
	if (code != 0)
		return code;
	e->agent = fetch_find(e, AGENT_NAME);
	if (!e->agent)
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"%s has no muster-agent for " MUSTER_ARCH, e->options.server);
	return 0;
}

/* ---- a program itself */

/* In sentences. */
static const char *called(const char *name)
{
	return strcmp(name, AGENT_NAME) == 0 ? "the agent" : name;
}

int fetch_digest(int fd, uint8_t ret[static 32], uint64_t *ret_size)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t data[65536];
	uint64_t at = 0;
	ssize_t n = -1;

	if (sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1)
		while ((n = pread(fd, data, sizeof data, (off_t)at)) > 0 &&
			EVP_DigestUpdate(sum, data, (size_t)n) == 1)
			at += (uint64_t)n;
	if (n == 0 && EVP_DigestFinal_ex(sum, ret, NULL) != 1)
		n = -1;
	EVP_MD_CTX_free(sum);
	*ret_size = at;
	return n == 0 ? 0 : -EIO;
}

static int check_digest(struct enrol *e, const char *name, const struct manifest_file *f, int fd)
{
	uint8_t digest[32];
	uint64_t size;
	int r = fetch_digest(fd, digest, &size);

	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot read back", called(name));
	if (size != f->size)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"%s of %s is not the one of its manifest: %" PRIu64 " bytes, not %" PRIu64,
			called(name), e->options.server, size, f->size);
	if (memcmp(digest, f->sha256, sizeof digest) != 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"%s of %s is not the one of its manifest: its SHA-256 differs",
			called(name), e->options.server);
	return 0;
}

static void show_progress(void *report, uint64_t done, uint64_t total)
{
	report_progress(report, done, total);
}

static int download(struct enrol *e, const char *name, const struct manifest_file *f, int fd)
{
	char path[sizeof "/clients/" + MANIFEST_PATH_SIZE];
	struct uplink_error error = {};
	int r;

	snprintf(path, sizeof path, "/clients/%s", f->path);
	r = servers_download(e, path, fd, f->size, show_progress, &e->report, &error);
	if (r < 0 && error.failure == UPLINK_LOCAL)
		return report_failed(&e->report, EXIT_INSTALL, "%s", error.text);
	return r < 0 ? explain_uplink(e, r, &error) : check_digest(e, name, f, fd);
}

/* Nothing may have the file open for writing then. */
static int check_runs(struct enrol *e, const char *name, const char *path)
{
	const char *const argv[] = { path, "--version", NULL };
	char said[128], expected[64];
	int r = program_run(argv, PROGRAM_SECONDS, &enrol_cancel, said, sizeof said);

	if (r == -ECANCELED)
		return enrol_ended(e);
	snprintf(expected, sizeof expected, "%s %s\n", name, e->manifest.version);
	if (r == 0 && strcmp(said, expected) == 0)
		return 0;
	said[strcspn(said, "\n")] = '\0';
	if (r < 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"%s does not run on this machine: %s", called(name), strerror(-r));
	return report_failed(&e->report, EXIT_NOT_GENUINE,
		"%s does not run on this machine: it ended with %d and said '%s', not version %s",
		called(name), r, said, e->manifest.version);
}

int fetch_into_memory(struct enrol *e, const char *name, const struct manifest_file *f)
{
	scoped(closep) int fd = memfd_create(name, MFD_CLOEXEC);
	scoped(closep) int readable = -1;
	char path[32];
	int code;

	if (fd < 0)
		return enrol_failed(e, EXIT_INTERNAL, -errno, "cannot download", called(name));
	code = download(e, name, f, fd);
	if (code != 0)
		return code;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	closep(&fd);
	fd = -1;
	if (readable < 0)
		return enrol_failed(e, EXIT_INTERNAL, -errno, "cannot open", called(name));
	snprintf(path, sizeof path, "/proc/self/fd/%d", readable);
	return check_runs(e, name, path);
}

int fetch_stage(struct enrol *e, const char *folder, char ret[static STAGE_SIZE])
{
	uint8_t random[8];
	int r, n;

	random_bytes(random, sizeof random);
	n = snprintf(ret, STAGE_SIZE, "%s/.muster-enrol.", folder);
	for (size_t i = 0; i < sizeof random; i++)
		n += snprintf(ret + n, STAGE_SIZE - (size_t)n, "%02x", random[i]);
	r = machine_make_folder(&e->journal, "fetch", folder);
	if (r == 0)
		r = journal_note_now(&e->journal, "fetch", JOURNAL_TREE_MADE, ret);
	if (r == 0)
		r = place_mkdir(ret, 0700);
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot make", ret) : 0;
}

int fetch_into(struct enrol *e, const char *name, const struct manifest_file *f, const char *folder)
{
	char path[STAGE_SIZE + 16];
	int code, fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = place_create(path, 0755);
	if (fd < 0)
		return enrol_failed(e, EXIT_INSTALL, fd, "cannot write", path);
	code = download(e, name, f, fd);
	if (code == 0 && fsync(fd) < 0)
		code = enrol_failed(e, EXIT_INSTALL, -errno, "cannot write", path);
	close(fd);
	return code != 0 ? code : check_runs(e, name, path);
}

/* Beside its last place, so that it is installed by a rename and runs where it will run. */
static int fetch_agent(struct enrol *e)
{
	int code = fetch_stage(e, PROGRAM_FOLDER, e->stage);

	return code != 0 ? code : fetch_into(e, AGENT_NAME, e->agent, e->stage);
}

int step_fetch(struct enrol *e)
{
	char size[REPORT_AMOUNT_SIZE];
	int code = fetch_manifest(e);

	if (code == 0)
		code = machine_check_space(e, e->agent->size);
	if (code == 0)
		code = e->options.dry_run ? fetch_into_memory(e, AGENT_NAME, e->agent)
					  : fetch_agent(e);
	if (code != 0)
		return code;
	report_done(&e->report, "muster-agent %s, %s; signature and SHA-256 right; it runs",
		e->manifest.version, report_bytes(e->agent->size, size));
	return 0;
}

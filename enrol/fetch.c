/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>

#include "enrol/enrol.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/program.h"
#include "enrol/servers.h"
#include "lib/secret.h"

#define AGENT_PATH    "linux/" MUSTER_ARCH "/muster-agent"
#define AGENT_MAX     (64u << 20) /* bytes: no agent is so large */
#define AGENT_SECONDS 10          /* to tell its version */

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

static int fetch_manifest(struct enrol *e)
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
	e->agent = manifest_find(&e->manifest, AGENT_PATH);
	if (!e->agent || e->agent->size > AGENT_MAX)
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"%s has no muster-agent for " MUSTER_ARCH, e->options.server);
	return 0;
}

/* ---- the agent itself */

static int digest_of(int fd, uint8_t ret[static 32], uint64_t *ret_size)
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

static int check_digest(struct enrol *e, int fd)
{
	uint8_t digest[32];
	uint64_t size;
	int r = digest_of(fd, digest, &size);

	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot read back", "the agent");
	if (size != e->agent->size)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the agent of %s is not the one of its manifest: %" PRIu64
			" bytes, not %" PRIu64,
			e->options.server, size, e->agent->size);
	if (memcmp(digest, e->agent->sha256, sizeof digest) != 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the agent of %s is not the one of its manifest: its SHA-256 differs",
			e->options.server);
	return 0;
}

static void show_progress(void *report, uint64_t done, uint64_t total)
{
	report_progress(report, done, total);
}

static int download_agent(struct enrol *e, int fd)
{
	struct uplink_error error = {};
	int r = servers_download(
		e, "/clients/" AGENT_PATH, fd, e->agent->size, show_progress, &e->report, &error);

	if (r < 0 && error.failure == UPLINK_LOCAL)
		return report_failed(&e->report, EXIT_INSTALL, "%s", error.text);
	return r < 0 ? explain_uplink(e, r, &error) : check_digest(e, fd);
}

/* Nothing may have the file open for writing then. */
static int check_runs(struct enrol *e, const char *path)
{
	const char *const argv[] = { path, "--version", NULL };
	char said[128], expected[64];
	int r = program_run(argv, AGENT_SECONDS, &enrol_cancel, said, sizeof said);

	if (r == -ECANCELED)
		return enrol_ended(e);
	snprintf(expected, sizeof expected, "muster-agent %s\n", e->manifest.version);
	if (r == 0 && strcmp(said, expected) == 0)
		return 0;
	said[strcspn(said, "\n")] = '\0';
	if (r < 0)
		return report_failed(&e->report, EXIT_NOT_GENUINE,
			"the agent does not run on this machine: %s", strerror(-r));
	return report_failed(&e->report, EXIT_NOT_GENUINE,
		"the agent does not run on this machine: it ended with %d and said '%s', not "
		"version %s",
		r, said, e->manifest.version);
}

/* A dry run's agent lives in memory only. */
static int fetch_into_memory(struct enrol *e)
{
	scoped(closep) int fd = memfd_create("muster-agent", MFD_CLOEXEC);
	scoped(closep) int readable = -1;
	char path[32];
	int code;

	if (fd < 0)
		return enrol_failed(e, EXIT_INTERNAL, -errno, "cannot download", "the agent");
	code = download_agent(e, fd);
	if (code != 0)
		return code;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	closep(&fd);
	fd = -1;
	if (readable < 0)
		return enrol_failed(e, EXIT_INTERNAL, -errno, "cannot open", "the agent");
	snprintf(path, sizeof path, "/proc/self/fd/%d", readable);
	return check_runs(e, path);
}

/* Beside its last place, so that it is installed by a rename and runs where it will run. */
static int make_stage(struct enrol *e)
{
	uint8_t random[8];
	int r, n;

	random_bytes(random, sizeof random);
	n = snprintf(e->stage, sizeof e->stage, "%s", PROGRAM_FOLDER "/.muster-enrol.");
	for (size_t i = 0; i < sizeof random; i++)
		n += snprintf(e->stage + n, sizeof e->stage - (size_t)n, "%02x", random[i]);
	r = machine_make_folder(&e->journal, "fetch", PROGRAM_FOLDER);
	if (r == 0)
		r = journal_note_now(&e->journal, "fetch", JOURNAL_TREE_MADE, e->stage);
	if (r == 0)
		r = place_mkdir(e->stage, 0700);
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot make", e->stage) : 0;
}

static int fetch_into_stage(struct enrol *e)
{
	char path[STAGE_SIZE + 16];
	int code = make_stage(e), fd;

	if (code != 0)
		return code;
	snprintf(path, sizeof path, "%s/muster-agent", e->stage);
	fd = place_create(path, 0755);
	if (fd < 0)
		return enrol_failed(e, EXIT_INSTALL, fd, "cannot write", path);
	code = download_agent(e, fd);
	if (code == 0 && fsync(fd) < 0)
		code = enrol_failed(e, EXIT_INSTALL, -errno, "cannot write", path);
	close(fd);
	return code != 0 ? code : check_runs(e, path);
}

int step_fetch(struct enrol *e)
{
	char size[REPORT_AMOUNT_SIZE];
	int code = fetch_manifest(e);

	if (code == 0)
		code = machine_check_space(e, e->agent->size);
	if (code == 0)
		code = e->options.dry_run ? fetch_into_memory(e) : fetch_into_stage(e);
	if (code != 0)
		return code;
	report_done(&e->report, "muster-agent %s, %s; signature and SHA-256 right; it runs",
		e->manifest.version, report_bytes(e->agent->size, size));
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/fields.h"
#include "enrol/install.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/proxy.h"
#include "enrol/release.h"
#include "lib/buffer.h"

#define STEP "install"

/* agent/muster-agent.service, put inside when this is built. */
extern const char agent_unit[];
extern const size_t agent_unit_len;
extern const char agent_socket[];
extern const size_t agent_socket_len;
extern const char apply_path[], apply_service[];
extern const size_t apply_path_len, apply_service_len;
extern const char update_path[], update_service[];
extern const size_t update_path_len, update_service_len;

/* The agent's own comes last: what it wants is there then. The socket is made from a template. */
static const struct {
	const char *name, *path, *text;
	const size_t *len;
} units[] = {
	{ APPLY_SERVICE_NAME, APPLY_SERVICE, apply_service, &apply_service_len },
	{ APPLY_PATH_NAME, APPLY_PATH, apply_path, &apply_path_len },
	{ UPDATE_SERVICE_NAME, UPDATE_SERVICE, update_service, &update_service_len },
	{ UPDATE_PATH_NAME, UPDATE_PATH, update_path, &update_path_len },
	{ UNIT_NAME, UNIT_FILE, agent_unit, &agent_unit_len },
};

/* ---- what is written */

static int print_pins(const struct enrolled *a, struct buffer *out)
{
	int r = 0;

	for (size_t i = 0; i < a->pin_count && r == 0; i++) {
		char pin[PIN_TEXT_SIZE];

		pin_format(a->pins[i], pin);
		r = buffer_printf(out, "Pins=%s\n", pin);
	}
	return r;
}

static int print_conf(const struct enrol *e, const char *id, struct buffer *out)
{
	/* The environment that muster-enrol was given isn't the agent's. */
	const char *proxy =
		e->options.proxy ? e->options.proxy : proxy_from_environment(e->options.server);
	int r = buffer_printf(out,
		"# Written by muster-enrol; muster-agent.conf(5) tells what it means.\n"
		"[agent]\n");

	for (size_t i = 0; i < e->options.servers.count && r == 0; i++)
		r = buffer_printf(out, "Server=%s\n", e->options.servers.at[i]);
	if (r == 0)
		r = print_pins(&e->answer, out);
	if (r == 0)
		r = buffer_printf(out, "ServerKey=%s\nReleaseKey=%s\nClient=%s\n",
			e->options.server_key_text, e->options.release_key_text, id);
	if (r == 0 && proxy)
		r = buffer_printf(out, "Proxy=%s\n", proxy);
	if (r == 0 && e->options.listen)
		r = buffer_printf(out, "Mode=listen\n");
	return r;
}

static int write_conf(const struct enrol *e, const char *id)
{
	struct buffer text = {};
	int r = print_conf(e, id, &text);

	if (r == 0)
		r = place_write(AGENT_CONF, text.data, text.len, 0644);
	buffer_clear(&text);
	return r;
}

/* The unit with its port. */
static int write_socket(const char *path, uint16_t number)
{
	static const char mark[] = "@PORT@";
	const char *port = strstr(agent_socket, mark);
	struct buffer text = {};
	int r = port ? 0 : -EINVAL;

	if (r == 0)
		r = buffer_printf(&text, "%.*s%u%s", (int)(port - agent_socket), agent_socket,
			number, port + strlen(mark));
	if (r == 0)
		r = place_write(path, text.data, text.len, 0644);
	buffer_clear(&text);
	return r;
}

static int write_unit(const char *folder, const char *name, const char *text, size_t len)
{
	char path[256];

	if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
		return -ENAMETOOLONG;
	return place_write(path, text, len, 0644);
}

/* A port that an administrator has made another thing of, as one address of the machine, stays. */
static int write_same_socket(const char *folder)
{
	char text[UNIT_TEXT_MAX], path[256];
	ssize_t len = place_read(SOCKET_FILE, text, sizeof text);
	uint64_t port;

	if (len < 0)
		return len == -ENOENT ? 0 : (int)len;
	port = fields_number(text, "ListenStream");
	if (port == 0 || port > UINT16_MAX)
		return 0;
	if ((size_t)snprintf(path, sizeof path, "%s/" SOCKET_NAME, folder) >= sizeof path)
		return -ENAMETOOLONG;
	return write_socket(path, (uint16_t)port);
}

int install_units(const char *folder)
{
	int r = 0;

	for (size_t i = 0; i < COUNT(units) && r == 0; i++)
		r = write_unit(folder, units[i].name, units[i].text, *units[i].len);
	return r < 0 ? r : write_same_socket(folder);
}

int install_client_file(const struct enrol *e, const char *name, const char *id)
{
	char labels[LABELS_TEXT_SIZE];
	struct buffer text = {};
	int r;

	labels_join(&e->answer.labels, labels);
	r = buffer_printf(&text, "client=%s\nenrolled=%" PRIu64 "\nserver=%s\nlabels=%s\n", id,
		e->answer.time, e->options.server, labels);
	if (r == 0)
		r = place_write_in(STATE_FOLDER, name, text.data, text.len, 0600);
	buffer_clear(&text);
	return r;
}

/* ---- where */

struct change {
	enum journal_kind kind;
	const char *path;
};

/* All that is noted before the first of them is made. */
static const struct change changes[] = {
	{ JOURNAL_RELOAD, UNIT_NAME },
	{ JOURNAL_FILE_MADE, AGENT_PROGRAM },
	{ JOURNAL_FILE_MADE, ENROL_PROGRAM },
	{ JOURNAL_FILE_MADE, AGENT_CONF },
	{ JOURNAL_FILE_MADE, RELEASE_FILE },
	{ JOURNAL_FILE_MADE, STATE_LINK },
	{ JOURNAL_KEY_MADE, STATE_FOLDER "/" IDENTITY_NAME },
	{ JOURNAL_KEY_MADE, STATE_FOLDER "/" TLS_NAME },
	{ JOURNAL_KEY_MADE, STATE_FOLDER "/" CLIENT_NAME },
	{ JOURNAL_FILE_MADE, APPLY_SERVICE },
	{ JOURNAL_FILE_MADE, APPLY_PATH },
	{ JOURNAL_FILE_MADE, UPDATE_SERVICE },
	{ JOURNAL_FILE_MADE, UPDATE_PATH },
	{ JOURNAL_FILE_MADE, UNIT_FILE },
};

static int note_changes(struct enrol *e)
{
	int r = 0;

	for (size_t i = 0; i < COUNT(changes) && r == 0; i++)
		r = journal_note(&e->journal, STEP, changes[i].kind, changes[i].path);
	if (r == 0 && e->options.listen)
		r = journal_note(&e->journal, STEP, JOURNAL_FILE_MADE, SOCKET_FILE);
	return r < 0 ? r : journal_sync(&e->journal);
}

/* A folder that is there already keeps what it has; one that is made goes with all in it, since the
 * agent writes there too. */
static int make_state_folder(struct enrol *e)
{
	struct stat st;
	int r = place_look(PRIVATE_FOLDER, &st);

	if (r == -ENOENT) {
		r = journal_note_now(&e->journal, STEP, JOURNAL_FOLDER_MADE, PRIVATE_FOLDER);
		if (r == 0)
			r = place_mkdir(PRIVATE_FOLDER, 0700);
	}
	if (r < 0)
		return r;
	r = place_look(STATE_FOLDER, &st);
	if (r == -ENOENT) {
		r = journal_note_now(&e->journal, STEP, JOURNAL_TREE_MADE, STATE_FOLDER);
		if (r == 0)
			r = place_mkdir(STATE_FOLDER, 0700);
	}
	return r;
}

static int make_folders(struct enrol *e)
{
	int r = machine_make_folder(&e->journal, STEP, CONF_FOLDER);

	if (r == 0)
		r = machine_make_folder(&e->journal, STEP, UNIT_FOLDER);
	return r < 0 ? r : make_state_folder(e);
}

static int install_agent(const struct enrol *e)
{
	char staged[STAGE_SIZE + 16];

	snprintf(staged, sizeof staged, "%s/muster-agent", e->stage);
	return place_move(staged, AGENT_PROGRAM);
}

/* This very program, for --status and --uninstall; unless it runs from there. */
static int install_self(struct enrol *e)
{
	char staged[STAGE_SIZE + 16];
	scoped(closep) int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat mine, there;
	int r;

	if (self < 0 || fstat(self, &mine) < 0)
		return -errno;
	if (place_look(ENROL_PROGRAM, &there) == 0 && there.st_ino == mine.st_ino &&
		there.st_dev == mine.st_dev) {
		journal_take_back(&e->journal, ENROL_PROGRAM);
		return 0;
	}
	snprintf(staged, sizeof staged, "%s/muster-enrol", e->stage);
	r = place_copy(staged, self, 0755);
	return r < 0 ? r : place_move(staged, ENROL_PROGRAM);
}

static int copy_key(const char *name)
{
	char from[128], text[8192];
	ssize_t len;
	int r;

	snprintf(from, sizeof from, JOURNAL_FOLDER "/%s", name);
	len = place_read(from, text, sizeof text);
	r = len < 0 ? (int)len : place_write_in(STATE_FOLDER, name, text, (size_t)len, 0600);
	explicit_bzero(text, sizeof text);
	return r;
}

/* Makes one file; what was there already is another's and is not undone. */
static int made(struct enrol *e, const char *path, int r)
{
	if (r == 0)
		return enrol_signal ? enrol_ended(e) : 0;
	if (r == -EEXIST)
		journal_take_back(&e->journal, path);
	return enrol_failed(e, EXIT_INSTALL, r, "cannot install", path);
}

static int make_files(struct enrol *e, const char *id)
{
	int code = made(e, AGENT_PROGRAM, install_agent(e));

	if (code == 0)
		code = made(e, ENROL_PROGRAM, install_self(e));
	if (code == 0)
		code = made(e, AGENT_CONF, write_conf(e, id));
	if (code == 0)
		code = made(e, RELEASE_FILE, release_note(e, true));
	if (code == 0)
		code = made(e, STATE_FOLDER "/" IDENTITY_NAME, copy_key(IDENTITY_NAME));
	if (code == 0)
		code = made(e, STATE_FOLDER "/" TLS_NAME, copy_key(TLS_NAME));
	if (code == 0)
		code = made(
			e, STATE_FOLDER "/" CLIENT_NAME, install_client_file(e, CLIENT_NAME, id));
	if (code == 0)
		code = made(e, STATE_LINK, place_symlink(STATE_LINK, STATE_TARGET));
	if (code == 0 && e->options.listen)
		code = made(e, SOCKET_FILE, write_socket(SOCKET_FILE, e->options.listen));
	for (size_t i = 0; i < COUNT(units) && code == 0; i++)
		code = made(e, units[i].path,
			place_write(units[i].path, units[i].text, *units[i].len, 0644));
	return code;
}

/* From here on an enrolment that is cut off is continued by the next run, not undone. */
static int note_ready(struct enrol *e)
{
	char labels[LABELS_TEXT_SIZE];
	int r = place_sync(PROGRAM_FOLDER);

	labels_join(&e->answer.labels, labels);
	if (r == 0)
		r = journal_note_now(
			&e->journal, STEP, JOURNAL_READY, *labels ? labels : JOURNAL_NO_LABELS);
	return r;
}

int step_install(struct enrol *e)
{
	char id[CLIENT_ID_TEXT_SIZE];
	int code, r = make_folders(e);

	if (r == 0)
		r = note_changes(e);
	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot prepare the installation", NULL);
	client_text(e->answer.client_id, id);
	code = make_files(e, id);
	if (code != 0)
		return code;
	r = note_ready(e);
	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot finish the installation", NULL);
	report_done(&e->report, AGENT_PROGRAM ", " AGENT_CONF ", " UNIT_NAME "%s",
		e->options.listen ? ", " SOCKET_NAME : "");
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "admin/messages_json.h"
#include "lib/backoff.h"
#include "lib/buffer.h"
#include "log.h"
#include "presence.h"
#include "store/messages.h"

#define BATCH_ROWS   1000
#define BATCH_BYTES  (256u << 10)
#define GATHER_USEC  200000u /* what comes within it goes into one batch */
#define CHILD_USEC   60000000u
#define RETRY_MS     1000u
#define RETRY_CAP_MS 300000u

struct outlet {
	struct server *server;
	sd_event_source *timer; /* for the next batch; or for the child's end, when it is late */
	sd_event_source *child; /* NULL: none */
	pid_t pid;
	bool late;
	uint64_t upto; /* of the batch under way */
	struct backoff backoff;
	bool complained;
};

static void arm(struct outlet *o, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(o->timer, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_err(r, "the outlet cannot set its timer");
}

static bool wanted(const struct config *c)
{
	return c->outlet_file[0] != '\0' || c->outlet_command[0] != '\0';
}

/* ---- a batch */

struct batch {
	struct buffer text;
	uint64_t upto;
};

static int add_line(void *userdata, const struct message_record *m)
{
	struct batch *b = userdata;
	json_t *object = message_json(m);
	scoped(freep) char *line =
		object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	int r = line ? buffer_append(&b->text, line, strlen(line)) : -ENOMEM;

	json_decref(object);
	if (r == 0)
		r = buffer_append(&b->text, "\n", 1);
	if (r < 0)
		return r;
	b->upto = m->seq;
	return b->text.len >= BATCH_BYTES;
}

/* Only what has been committed may leave. 1: there is something. */
static int gather(const struct outlet *o, struct batch *b)
{
	struct store *store = o->server->store;
	struct message_filter filter = { .scan = BATCH_ROWS };
	uint64_t next;
	int r = store_outlet_get(store, &filter.after);

	if (r == 0)
		r = store_message_each(store, &filter, add_line, b, &next);
	return r < 0 ? r : b->text.len > 0;
}

/* The batch as a file without a name, to be read from its start. */
static int spill(const struct batch *b)
{
	int fd = memfd_create("muster-outlet", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < b->text.len) {
		ssize_t n = write(fd, b->text.data + done, b->text.len - done);
		if (n <= 0) {
			int error = n < 0 ? -errno : -EIO;
			closep(&fd);
			return error;
		}
		done += (size_t)n;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd;
}

/* ---- the child: nothing but system calls on what was prepared */

static int append_all(int to, int from)
{
	char data[16384], last = '\n';
	off_t end = lseek(to, 0, SEEK_END);
	ssize_t n;

	/* A line that an earlier, broken attempt left open is closed first. */
	if (end > 0 && pread(to, &last, 1, end - 1) != 1)
		return EXIT_FAILURE;
	if (last != '\n' && write(to, "\n", 1) != 1)
		return EXIT_FAILURE;
	while ((n = read(from, data, sizeof(data))) > 0)
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(to, data + done, (size_t)(n - done))) <= 0)
				return EXIT_FAILURE;
	return n == 0 && fsync(to) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int write_file(const char *path, int from)
{
	int to = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	return to < 0 ? EXIT_FAILURE : append_all(to, from);
}

/* Blanks separate the command's words. */
static int run_command(char *command, int from)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = { path, NULL }; /* the server's own is not its business */
	char *words[OUTLET_SIZE / 2 + 1];     /* each takes two bytes of it, and there is a NULL */
	size_t n = 0;

	for (char *at = strtok(command, " "); at != NULL; at = strtok(NULL, " "))
		words[n++] = at;
	words[n] = NULL;
	if (dup2(from, STDIN_FILENO) < 0)
		return EXIT_FAILURE;
	execve(words[0], words, environment);
	return 127;
}

static _Noreturn void child(struct config *c, int from)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	_exit(c->outlet_file[0] != '\0' ? write_file(c->outlet_file, from)
					: run_command(c->outlet_command, from));
}

/* ---- its end */

static void failed(struct outlet *o, const char *what)
{
	uint64_t delay = backoff_next(&o->backoff);

	if (!o->complained)
		log_warning("the outlet has not taken its messages (%s); they wait, and it is "
			    "tried again",
			what);
	o->complained = true;
	arm(o, delay * 1000);
}

static void succeeded(struct outlet *o)
{
	struct server *s = o->server;

	backoff_reset(&o->backoff);
	if (o->complained)
		log_info("the outlet takes messages again");
	o->complained = false;
	if (turn_enter(s->turn) < 0) {
		failed(o, "the database failed");
		return;
	}
	if (store_outlet_set(s->store, o->upto) < 0)
		turn_fail(s->turn);
	arm(o, 0); /* there may be more */
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct outlet *o = userdata;
	char what[64];

	(void)source;
	o->child = sd_event_source_disable_unref(o->child);
	if (info->si_code == CLD_EXITED && info->si_status == EXIT_SUCCESS) {
		succeeded(o);
		return 0;
	}
	snprintf(what, sizeof(what), info->si_code == CLD_EXITED ? "exit code %d" : "signal %d",
		info->si_status);
	failed(o, o->late ? "it took longer than a minute" : what);
	return 0;
}

static int start_child(struct outlet *o, const struct batch *b)
{
	struct server *s = o->server;
	int fd = spill(b);

	if (fd < 0)
		return fd;
	o->pid = fork();
	if (o->pid == 0)
		child(&s->config, fd);
	closep(&fd);
	if (o->pid < 0)
		return -errno;
	o->upto = b->upto;
	o->late = false;
	int r = sd_event_add_child(s->loop, &o->child, o->pid, WEXITED, on_child, o);
	if (r < 0) {
		kill(o->pid, SIGKILL);
		waitpid(o->pid, NULL, 0);
	}
	return r;
}

static void begin(struct outlet *o)
{
	struct batch b = { .text.limit = 2 * BATCH_BYTES + (1u << 20) };
	int r;

	if (!wanted(&o->server->config))
		return;
	if (store_in_transaction(o->server->store)) {
		arm(o, 1000);
		return;
	}
	if (!presence_leads(o->server)) {
		arm(o, PRESENCE_LEAD_USEC);
		return;
	}
	r = gather(o, &b);
	if (r > 0)
		r = start_child(o, &b);
	buffer_clear(&b.text);
	if (r < 0)
		failed(o, strerror(-r));
	else if (o->child != NULL)
		arm(o, CHILD_USEC);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct outlet *o = userdata;

	(void)source;
	(void)usec;
	if (o->child == NULL) {
		begin(o);
		return 0;
	}
	o->late = true;
	kill(-o->pid, SIGKILL);
	kill(o->pid, SIGKILL);
	return 0;
}

void outlet_wake(const struct server *s)
{
	struct outlet *o = s->outlet;
	int enabled = SD_EVENT_OFF;

	if (o == NULL || !wanted(&s->config) || o->child != NULL)
		return;
	if (sd_event_source_get_enabled(o->timer, &enabled) >= 0 && enabled == SD_EVENT_OFF)
		arm(o, GATHER_USEC);
}

int outlet_start(struct server *s)
{
	struct outlet *o = calloc(1, sizeof(*o));
	sigset_t set;

	if (o == NULL)
		return -ENOMEM;
	o->server = s;
	o->backoff = (struct backoff){ RETRY_MS, RETRY_CAP_MS, 0 };
	s->outlet = o;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD); /* as sd_event_add_child() wants it */
	int r = sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
	if (r >= 0)
		r = sd_event_add_time_relative(
			s->loop, &o->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, o);
	return r < 0 ? log_err(r, "cannot start the outlet") : 0;
}

/* A child that is at work may finish; what it was given comes again. */
void outlet_stop(struct server *s)
{
	struct outlet *o = s->outlet;

	if (o == NULL)
		return;
	sd_event_source_disable_unref(o->child);
	sd_event_source_disable_unref(o->timer);
	free(o);
	s->outlet = NULL;
}

/* SPDX-License-Identifier: MIT */
/* musterctl: what its modules share. */
#ifndef MUSTER_CTL_H
#define MUSTER_CTL_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base.h"

/* Exit codes, musterctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,       /* a wrong option or value, found here or by the server */
	CTL_UNREACHABLE = 3, /* no server at the socket, or no right to ask it */
	CTL_NOT_FOUND = 4,   /* no such id, or it fits several */
	CTL_REFUSED = 5,     /* the server won't, as things are */
	CTL_BROKEN = 6,      /* the audit log, or a receipt, has been tampered with */
	CTL_NOT_ALL = 7, /* not every machine has the configuration that it should, or is back */
	CTL_AWAY = 8,    /* the server's database can't be reached now */
	CTL_AGAIN = -1,  /* never the program's: see struct ctl */
};

#define CONTROL_SOCKET "/run/muster/control.sock"

struct command;

struct ctl {
	const char *socket;
	const char *server, *token_file, *pin; /* over HTTP instead; NULL: not */
	bool json;
	bool patient; /* a server that is away is CTL_AGAIN, and nothing is said of it */
	bool color;   /* standard output is a terminal that knows colours */
	const struct command *command; /* the one that runs, or NULL: not yet */
	void *handle;                  /* request.c's connection */
};

struct command {
	const char *group, *name; /* "token", "create"; name NULL: "status" */
	const char *synopsis, *summary;
	int (*run)(
		struct ctl *c, int argc, char **argv); /* arguments after the name; an exit code */
};

int token_create(struct ctl *c, int argc, char **argv);
int token_list(struct ctl *c, int argc, char **argv);
int token_show(struct ctl *c, int argc, char **argv);
int token_revoke(struct ctl *c, int argc, char **argv);
int installer(struct ctl *c, int argc, char **argv);
int client_list(struct ctl *c, int argc, char **argv);
int client_show(struct ctl *c, int argc, char **argv);
int config_push(struct ctl *c, int argc, char **argv);
int config_list(struct ctl *c, int argc, char **argv);
int config_show(struct ctl *c, int argc, char **argv);
int config_history(struct ctl *c, int argc, char **argv);
int config_diff(struct ctl *c, int argc, char **argv);
int config_rollback(struct ctl *c, int argc, char **argv);
int config_remove(struct ctl *c, int argc, char **argv);
int config_status(struct ctl *c, int argc, char **argv);
int release_show(struct ctl *c, int argc, char **argv);
int release_rollout(struct ctl *c, int argc, char **argv);
int release_list(struct ctl *c, int argc, char **argv);
int release_status(struct ctl *c, int argc, char **argv);
int release_machines(struct ctl *c, int argc, char **argv);
int release_halt(struct ctl *c, int argc, char **argv);
int release_resume(struct ctl *c, int argc, char **argv);
int release_end(struct ctl *c, int argc, char **argv);
int receipt_list(struct ctl *c, int argc, char **argv);
int receipt_export(struct ctl *c, int argc, char **argv);
int receipt_verify(struct ctl *c, int argc, char **argv);
int client_label(struct ctl *c, int argc, char **argv);
int client_approve(struct ctl *c, int argc, char **argv);
int client_refuse(struct ctl *c, int argc, char **argv);
int client_suspend(struct ctl *c, int argc, char **argv);
int client_resume(struct ctl *c, int argc, char **argv);
int client_revoke(struct ctl *c, int argc, char **argv);
int client_clear_clone(struct ctl *c, int argc, char **argv);
int client_remove(struct ctl *c, int argc, char **argv);
int client_address(struct ctl *c, int argc, char **argv);
int client_reset(struct ctl *c, int argc, char **argv);
int message_list(struct ctl *c, int argc, char **argv);
int message_show(struct ctl *c, int argc, char **argv);
int audit_list(struct ctl *c, int argc, char **argv);
int audit_verify(struct ctl *c, int argc, char **argv);
int admin_add(struct ctl *c, int argc, char **argv);
int admin_list(struct ctl *c, int argc, char **argv);
int admin_role(struct ctl *c, int argc, char **argv);
int admin_password(struct ctl *c, int argc, char **argv);
int admin_remove(struct ctl *c, int argc, char **argv);
int session_list(struct ctl *c, int argc, char **argv);
int session_end(struct ctl *c, int argc, char **argv);
int access_create(struct ctl *c, int argc, char **argv);
int access_list(struct ctl *c, int argc, char **argv);
int access_revoke(struct ctl *c, int argc, char **argv);
int webhook_add(struct ctl *c, int argc, char **argv);
int webhook_list(struct ctl *c, int argc, char **argv);
int webhook_enable(struct ctl *c, int argc, char **argv);
int webhook_test(struct ctl *c, int argc, char **argv);
int webhook_remove(struct ctl *c, int argc, char **argv);
int events(struct ctl *c, int argc, char **argv);
int status(struct ctl *c, int argc, char **argv);

/* One line on standard error, with the program's name. complain() returns code. */
int complain(int code, const char *format, ...) printf_like(2);

/* One line, escaped as complain()'s is: what a server says could be anything. */
void say(FILE *out, const char *format, ...) printf_like(2);

/* ---- options.c */

enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_LIST };

struct option {
	const char *name; /* without dashes */
	enum option_kind kind;
	union {
		bool *flag;
		const char **value;
		json_t *list; /* an array, which gets the strings */
	} ret;
};

/* Takes the options out of argv; what is left stands in argv[0..*ret_argc - 1]. --json, --socket
 * and --help are known everywhere. CTL_OK, or CTL_USAGE and it has been said why; -1: help was
 * asked for. */
int options_take(struct ctl *c, const struct option *options, size_t count, int *argc, char **argv);

/* The same for a command that takes so many arguments: also tells if there are others. */
int options_only(struct ctl *c, const struct option *options, size_t count, int argc, char **argv,
	int arguments);

/* ---- request.c */

/* Asks the server. CTL_OK and *ret (not NULL; the caller's), or another exit code and it has been
 * said why. body may be NULL. */
int request_get(struct ctl *c, const char *path, json_t **ret);
int request_post(struct ctl *c, const char *path, json_t *body, json_t **ret);
/* The same for an answer that is text, not JSON; the caller frees. */
int request_text(struct ctl *c, const char *path, json_t *body, char **ret, size_t *ret_len);
/* The lines of an answer as they come, for as long as they do. A visitor's answer other than CTL_OK
 * ends it and is returned; so is the end of the connection, in words. */
typedef int (*line_visitor)(void *userdata, char *line);
int request_lines(struct ctl *c, const char *path, line_visitor visit, void *userdata);
void request_end(struct ctl *c);

/* "/api/v1/KIND/ID", or KIND/ID/ACT if act isn't NULL. -1: it can't be an id. */
int request_path(char *ret, size_t size, const char *kind, const char *id, const char *act);
/* Appends "?NAME=VALUE" or "&NAME=VALUE" with the value encoded. */
void request_add(char *path, size_t size, const char *name, const char *value);

/* All pages of a list: visits each element of the answers' array of that name. With --json instead
 * prints them all as one object. */
typedef void (*list_visitor)(void *userdata, json_t *element);
int request_list(
	struct ctl *c, const char *path, const char *name, list_visitor visit, void *userdata);

/* ---- output */

int print_json(json_t *value);                      /* taken over; one line; an exit code */
const char *get(json_t *object, const char *field); /* a string, "" if it's none or null */

#endif

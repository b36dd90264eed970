/* SPDX-License-Identifier: MIT */
/* The server's configuration: muster-server.conf(5), every value checked. */
#ifndef MUSTER_CONFIG_H
#define MUSTER_CONFIG_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "address.h"
#include "lib/addresses.h"
#include "store/messages.h"

#define CONFIG_PATH      "/etc/muster/muster-server.conf"
#define LISTEN_MAX       8
#define FOLDER_SIZE      (PATH_MAX - 256) /* leaves room for the names below it */
#define CONTROL_SIZE     108              /* sun_path */
#define OUTLET_SIZE      256
#define CA_FILE_SIZE     256
#define IDLE_BEATS       3  /* heartbeats that a machine may miss */
#define IDLE_SLACK       30 /* seconds on top of them */
#define HEARTBEAT_MAX    86400
#define WORKERS_MAX      64
#define HOSTS_MAX        16
#define CONFIG_HOST_SIZE 256
#define STORE_SIZE       192 /* a line of the file is no longer */
#define HEADER_NAME_SIZE 65

#define PROXIES_MAX 16
struct network {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;
};
enum proxy_header { PROXY_X_FORWARDED, PROXY_FORWARDED };

struct config {
	/* [server] */
	size_t listen_count;
	struct listen_address listen[LISTEN_MAX];
	/* For scripts: this server's own first; none until listener_start() knows the port. */
	struct addresses names;
	char state[FOLDER_SIZE];
	char store[STORE_SIZE]; /* PostgreSQL's location; "": SQLite, in the state folder */
	char store_password_file[FOLDER_SIZE]; /* "": none */
	uint32_t store_timeout;                /* seconds that PostgreSQL has for a statement */
	char control[CONTROL_SIZE];
	char clients[FOLDER_SIZE];
	uint32_t heartbeat; /* seconds */
	uint32_t workers;   /* processes */
	/* [limits] */
	uint32_t connections; /* wanted; limits.h makes it what is possible */
	bool connections_given;
	uint32_t connections_per_source;
	uint32_t handshake_timeout; /* seconds, as all of these */
	uint32_t request_timeout;
	uint32_t idle_timeout; /* 0: by config_idle_timeout() from the heartbeat */
	uint32_t wrong_tokens_per_source;
	uint32_t wrong_tokens; /* a second, from everywhere */
	/* [webhooks] */
	bool webhooks_local, webhooks_http;
	char webhooks_ca[CA_FILE_SIZE]; /* "": the system's */
	/* [dial] */
	uint32_t dial_every; /* seconds between the HELLOs of machines that listen */
	uint32_t dial_at_once;
	/* [messages] */
	uint32_t messages_keep; /* seconds */
	struct message_limits messages;
	char outlet_file[OUTLET_SIZE]; /* "": none; one of the two at most */
	char outlet_command[OUTLET_SIZE];
	/* [clients] */
	bool clones_suspend; /* Clones=suspend, not alert */
	/* [dashboard] */
	struct listen_address dashboard; /* len 0: none */
	bool dashboard_given;
	struct listen_address monitor; /* MetricsListen=; len 0: none */
	size_t host_count;
	char hosts[HOSTS_MAX][CONFIG_HOST_SIZE]; /* in lower case, without port */
	size_t proxy_count;
	struct network proxies[PROXIES_MAX];
	enum proxy_header proxy_header;
	char trusted_header[HEADER_NAME_SIZE]; /* "": none */
	uint32_t session_idle;                 /* seconds */
	uint32_t session_max;
};

/* What stands when the file says nothing. */
void config_defaults(struct config *ret);

/* Reads the file over what *c has. On failure a text for people is in ret_error, for a mistake in
 * it "FILE:LINE: what is wrong": -EBADMSG; else the errno of reading. */
#define CONFIG_ERROR_SIZE (PATH_MAX + 512)
int config_load(const char *path, struct config *c, char ret_error[static CONFIG_ERROR_SIZE])
	must_use;

uint32_t config_idle_timeout(const struct config *c);

const char *config_name(const struct config *c); /* the first, or "" */

#endif

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stddef.h>
#include <string.h>

#include "admin/hosts.h"
#include "admin/proxy.h"
#include "http_fields.h"
#include "lib/inifile.h"
#include "lib/text.h"

/* What a value's parser is given. On failure it returns a text: what is wrong with the value. */
struct key;
typedef const char *(*value_parser)(const struct key *k, const char *value, struct config *c);

struct key {
	const char *section, *name;
	value_parser parse;
	size_t offset; /* in struct config */
	uint64_t min, max;
	bool repeatable;
};

static void *field_of(const struct key *k, struct config *c)
{
	return (char *)c + k->offset;
}

static const char *parse_listen_key(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	if (c->listen_count == LISTEN_MAX)
		return "too many addresses to listen on (8 at most)";
	if (address_parse(value, &c->listen[c->listen_count]) < 0)
		return "not an address and port, as [::]:8443 or 192.0.2.1:8443";
	c->listen_count++;
	return NULL;
}

static const char *parse_name(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	size_t i = c->names.count;
	int r = addresses_add(&c->names, value);

	if (r == -EEXIST)
		return "names the same a second time";
	if (r == -E2BIG)
		return "more than eight";
	for (; r == 0 && i < c->names.count; i++)
		r = address_name_ok(c->names.at[i]) ? 0 : -EINVAL;
	return r < 0 ? "not a host name and port, as muster.example.org:8443" : NULL;
}

/* max: size of the field. */
static const char *parse_path(const struct key *k, const char *value, struct config *c)
{
	if (value[0] != '/')
		return "not an absolute path";
	if (strlen(value) >= k->max)
		return "too long a path";
	strcpy(field_of(k, c), value);
	return NULL;
}

/* What is wrong is told without libpq's words, which would quote it: there may be a password in it. */
static const char *parse_store(const struct key *k, const char *value, struct config *c)
{
	PQconninfoOption *options = PQconninfoParse(value, NULL);
	bool password = false;

	(void)k;
	for (const PQconninfoOption *o = options; o && o->keyword; o++)
		password = password || (o->val && (strcmp(o->keyword, "password") == 0 ||
							  strcmp(o->keyword, "sslpassword") == 0));
	bool known = options && db_driver_of(value) == &db_postgresql;
	PQconninfoFree(options);
	if (!known)
		return "not what libpq takes, as postgresql://muster@db.example.org/muster";
	if (password)
		return "a password belongs into StorePasswordFile=";
	if (strlen(value) >= sizeof(c->store))
		return "too long";
	strcpy(c->store, value);
	return NULL;
}

static const char *parse_duration(const struct key *k, const char *value, struct config *c)
{
	uint64_t seconds;

	if (text_duration(value, &seconds) < 0)
		return "not a duration, as 90s, 15m or 24h";
	if (seconds < k->min || seconds > k->max)
		return "too short or too long a duration (muster-server.conf(5) tells the bounds)";
	*(uint32_t *)field_of(k, c) = (uint32_t)seconds;
	return NULL;
}

static const char *parse_count(const struct key *k, const char *value, struct config *c)
{
	uint64_t number;

	if (text_number(value, k->min, k->max, &number) < 0)
		return "not a number within the bounds that muster-server.conf(5) tells";
	*(uint32_t *)field_of(k, c) = (uint32_t)number;
	return NULL;
}

static const char *parse_connections(const struct key *k, const char *value, struct config *c)
{
	c->connections_given = true;
	return parse_count(k, value, c);
}

static const char *parse_number(const struct key *k, const char *value, struct config *c)
{
	if (text_number(value, k->min, k->max, field_of(k, c)) < 0)
		return "not a number within the bounds that muster-server.conf(5) tells";
	return NULL;
}

static const char *parse_size(const struct key *k, const char *value, struct config *c)
{
	if (text_size(value, k->min, k->max, field_of(k, c)) < 0)
		return "not a size, as 64M or 2G, within the bounds that muster-server.conf(5) "
		       "tells";
	return NULL;
}

static const char *parse_outlet(const struct key *k, const char *value, struct config *c)
{
	if (!text_printable(value, strlen(value)))
		return "not printable text";
	if (c->outlet_file[0] != '\0' || c->outlet_command[0] != '\0')
		return "OutletFile= and OutletCommand= exclude each other";
	return parse_path(k, value, c);
}

static const char *parse_yes(const struct key *k, const char *value, struct config *c)
{
	bool yes = strcmp(value, "yes") == 0;

	if (!yes && strcmp(value, "no") != 0)
		return "neither yes nor no";
	*(bool *)field_of(k, c) = yes;
	return NULL;
}

static const char *parse_monitor(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	c->monitor = (struct listen_address){};
	if (strcmp(value, "none") == 0 || address_parse(value, &c->monitor) == 0)
		return NULL;
	return "not an address and port, as 127.0.0.1:9443, nor none";
}

static const char *parse_dashboard(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	c->dashboard = (struct listen_address){};
	c->dashboard_given = true;
	if (strcmp(value, "none") == 0 || address_parse(value, &c->dashboard) == 0)
		return NULL;
	return "not an address and port, as 127.0.0.1:8080, and not none";
}

static const char *parse_host(const struct key *k, const char *value, struct config *c)
{
	uint16_t port;

	(void)k;
	if (c->host_count == HOSTS_MAX)
		return "too many names (16 at most)";
	if (host_split(value, c->hosts[c->host_count], &port) < 0 || port != 0)
		return "not a host name without a port, as muster.example.org";
	c->host_count++;
	return NULL;
}

static const char *parse_proxy(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	if (c->proxy_count == PROXIES_MAX)
		return "too many proxies (16 at most)";
	if (network_parse(value, &c->proxies[c->proxy_count]) < 0)
		return "not an address or network, as 192.0.2.1 or 2001:db8::/32";
	c->proxy_count++;
	return NULL;
}

static const char *parse_proxy_header(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	if (strcasecmp(value, "X-Forwarded") != 0 && strcasecmp(value, "Forwarded") != 0)
		return "neither X-Forwarded nor Forwarded";
	c->proxy_header = strcasecmp(value, "Forwarded") == 0 ? PROXY_FORWARDED : PROXY_X_FORWARDED;
	return NULL;
}

/* A header that something else is meant by already can't name a user as well. */
static const char *parse_trusted_header(const struct key *k, const char *value, struct config *c)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-";
	size_t len = strlen(value);

	(void)k;
	if (strcmp(value, "off") == 0)
		return NULL;
	if (len == 0 || len >= HEADER_NAME_SIZE || strspn(value, letters) != len ||
		http_field_taken(value))
		return "not a header's name of its own, as X-Remote-User, and not off";
	strcpy(c->trusted_header, value);
	return NULL;
}

static const char *parse_clones(const struct key *k, const char *value, struct config *c)
{
	(void)k;
	c->clones_suspend = strcmp(value, "suspend") == 0;
	return c->clones_suspend || strcmp(value, "alert") == 0 ? NULL
								: "neither alert nor suspend";
}

#define FIELD(member) offsetof(struct config, member)
static const struct key keys[] = {
	{ "server", "Listen", parse_listen_key, 0, 0, 0, true },
	{ "server", "Name", parse_name, 0, 0, 0, true },
	{ "server", "State", parse_path, FIELD(state), 0, FOLDER_SIZE, false },
	{ "server", "Store", parse_store, 0, 0, 0, false },
	{ "server", "StorePasswordFile", parse_path, FIELD(store_password_file), 0, FOLDER_SIZE,
		false },
	{ "server", "StoreTimeout", parse_duration, FIELD(store_timeout), 1, 20, false },
	{ "server", "Control", parse_path, FIELD(control), 0, CONTROL_SIZE, false },
	{ "server", "Clients", parse_path, FIELD(clients), 0, FOLDER_SIZE, false },
	{ "server", "Heartbeat", parse_duration, FIELD(heartbeat), 1, HEARTBEAT_MAX, false },
	{ "server", "Workers", parse_count, FIELD(workers), 1, WORKERS_MAX, false },
	{ "limits", "Connections", parse_connections, FIELD(connections), 1, 1000000, false },
	{ "limits", "ConnectionsPerSource", parse_count, FIELD(connections_per_source), 1, 1000000,
		false },
	{ "limits", "HandshakeTimeout", parse_duration, FIELD(handshake_timeout), 1, 300, false },
	{ "limits", "RequestTimeout", parse_duration, FIELD(request_timeout), 1, 3600, false },
	{ "limits", "IdleTimeout", parse_duration, FIELD(idle_timeout), 1, 604800, false },
	{ "limits", "WrongTokensPerSource", parse_count, FIELD(wrong_tokens_per_source), 1, 1000000,
		false },
	{ "limits", "WrongTokens", parse_count, FIELD(wrong_tokens), 1, 1000000, false },
	{ "dial", "Every", parse_duration, FIELD(dial_every), 10, 604800, false },
	{ "dial", "AtOnce", parse_count, FIELD(dial_at_once), 1, 10000, false },
	{ "messages", "Keep", parse_duration, FIELD(messages_keep), 60, UINT32_MAX, false },
	{ "messages", "PerClient", parse_number, FIELD(messages.messages), 1, 1000000000, false },
	{ "messages", "SizePerClient", parse_size, FIELD(messages.bytes), 1 << 20, 1ull << 40,
		false },
	{ "messages", "OutletFile", parse_outlet, FIELD(outlet_file), 0, OUTLET_SIZE, false },
	{ "messages", "OutletCommand", parse_outlet, FIELD(outlet_command), 0, OUTLET_SIZE, false },
	{ "clients", "Clones", parse_clones, 0, 0, 0, false },
	{ "webhooks", "AllowLocal", parse_yes, FIELD(webhooks_local), 0, 0, false },
	{ "webhooks", "AllowHttp", parse_yes, FIELD(webhooks_http), 0, 0, false },
	{ "webhooks", "CaFile", parse_path, FIELD(webhooks_ca), 0, CA_FILE_SIZE, false },
	{ "dashboard", "Listen", parse_dashboard, 0, 0, 0, false },
	{ "dashboard", "MetricsListen", parse_monitor, 0, 0, 0, false },
	{ "dashboard", "Host", parse_host, 0, 0, 0, true },
	{ "dashboard", "TrustedProxy", parse_proxy, 0, 0, 0, true },
	{ "dashboard", "ProxyHeader", parse_proxy_header, 0, 0, 0, false },
	{ "dashboard", "TrustedHeader", parse_trusted_header, 0, 0, 0, false },
	{ "dashboard", "SessionIdle", parse_duration, FIELD(session_idle), 60, 2592000, false },
	{ "dashboard", "SessionMax", parse_duration, FIELD(session_max), 60, 31536000, false },
};

/* Beside the program: PREFIX/sbin/muster-server goes with PREFIX/lib/muster/clients, a build
 * folder's program with the clients of the same build. */
static void default_clients(char ret[static FOLDER_SIZE])
{
	char program[FOLDER_SIZE - 32];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[len > 0 ? len : 0] = '\0';
	char *slash = strrchr(program, '/');
	if (slash == NULL)
		slash = program;
	*slash = '\0';
	char *folder = strrchr(program, '/');
	bool installed =
		folder != NULL && (strcmp(folder, "/sbin") == 0 || strcmp(folder, "/bin") == 0);
	if (installed)
		*folder = '\0';
	snprintf(ret, FOLDER_SIZE, "%s%s", program, installed ? "/lib/muster/clients" : "/clients");
}

void config_defaults(struct config *ret)
{
	*ret = (struct config){
		.listen_count = 1,
		.state = "/var/lib/muster",
		.control = "/run/muster/control.sock",
		.store_timeout = 2,
		.heartbeat = 60,
		.workers = 1,
		.connections = 20000,
		.connections_per_source = 1000,
		.handshake_timeout = 10,
		.request_timeout = 30,
		.wrong_tokens_per_source = 10,
		.wrong_tokens = 100,
		.dial_every = 3600,
		.dial_at_once = 256,
		.messages_keep = 30 * 86400,
		.messages = { .messages = 100000, .bytes = 64u << 20 },
		.session_idle = 2 * 3600,
		.session_max = 16 * 3600,
	};
	if (address_parse("[::]:8443", &ret->listen[0]) < 0 ||
		address_parse("127.0.0.1:8080", &ret->dashboard) < 0)
		abort();
	default_clients(ret->clients);
}

const char *config_name(const struct config *c)
{
	return c->names.count > 0 ? c->names.at[0] : "";
}

uint32_t config_idle_timeout(const struct config *c)
{
	return c->idle_timeout > 0 ? c->idle_timeout : IDLE_BEATS * c->heartbeat + IDLE_SLACK;
}

struct reading {
	struct inifile file;
	struct config *config;
	bool seen[COUNT(keys)];
};

static bool section_known(const char *section)
{
	size_t i = 0;

	while (i < COUNT(keys) && strcmp(keys[i].section, section) != 0)
		i++;
	return i < COUNT(keys);
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void take_value(struct reading *r, const struct key *k, const char *value)
{
	bool *seen = &r->seen[k - keys];

	if (*seen && !k->repeatable) {
		inifile_wrong(&r->file, "%s= is given a second time", k->name);
		return;
	}
	if (!*seen && k->parse == parse_listen_key) /* instead of the default */
		r->config->listen_count = 0;
	*seen = true;
	const char *mistake = k->parse(k, value, r->config);
	if (mistake != NULL && k->parse == parse_store) /* there may be a password in it */
		inifile_wrong(&r->file, "%s=: %s", k->name, mistake);
	else if (mistake != NULL)
		inifile_wrong(&r->file, "%s=%s: %s", k->name, value, mistake);
}

static void on_value(void *userdata, const char *section, const char *name, const char *value)
{
	struct reading *r = userdata;
	const struct key *k = find_key(section, name);

	if (k != NULL)
		take_value(r, k, value);
	else if (section[0] == '\0')
		inifile_wrong(&r->file, "%s= stands before the first [section]", name);
	else if (!section_known(section))
		inifile_wrong(&r->file, "there is no section [%s]", section);
	else
		inifile_wrong(&r->file, "there is no %s= in section [%s]", name, section);
}

int config_load(const char *path, struct config *c, char ret_error[static CONFIG_ERROR_SIZE])
{
	struct config copy = *c;
	struct reading r = { .config = &copy };

	r.file = (struct inifile){
		.value = on_value, .userdata = &r, .why = ret_error, .why_size = CONFIG_ERROR_SIZE
	};
	int error = inifile_read(&r.file, path);
	if (error < 0)
		return error;
	*c = copy;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The server's own account of its clients and tokens, held against what it acknowledged. */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "swarm.h"

#define PAGE 1000

static size_t on_data(char *data, size_t size, size_t count, void *userdata)
{
	return buffer_append(userdata, data, size * count) < 0 ? 0 : size * count;
}

static CURL *request(const struct swarm *s, const char *path, struct buffer *answer)
{
	CURL *curl = curl_easy_init();
	char url[256];

	snprintf(url, sizeof url, "http://muster/api/v1%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, s->control);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	return curl;
}

/* What is asked for, or what comes of sending body (NULL: nothing is sent). */
static json_t *ask(const struct swarm *s, const char *path, const char *body)
{
	struct buffer text = { .limit = 16u << 20 };
	CURL *curl = request(s, path, &text);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	json_t *ret = NULL;

	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		ret = json_loadb((const char *)text.data, text.len, 0, NULL);
	else
		fprintf(stderr, "muster-swarm: %s: %s\n", path, curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	buffer_clear(&text);
	return ret;
}

static json_t *get(const struct swarm *s, const char *path)
{
	return ask(s, path, NULL);
}

/* ---- members by their keys */

static const struct member *sorting; /* qsort() hands nothing on */

static int by_key(const void *a, const void *b)
{
	return memcmp(sorting[*(const uint32_t *)a].public_key,
		sorting[*(const uint32_t *)b].public_key, PUBLIC_KEY_SIZE);
}

/* The swarm's members in the order of their keys. */
static uint32_t *sorted(const struct swarm *s)
{
	uint32_t *ret = calloc(s->agents, sizeof *ret);

	for (size_t i = 0; ret && i < s->agents; i++)
		ret[i] = (uint32_t)i;
	sorting = s->members + s->first;
	if (ret)
		qsort(ret, s->agents, sizeof *ret, by_key);
	return ret;
}

static const struct member *find(
	const struct swarm *s, const uint32_t *order, const uint8_t key[static PUBLIC_KEY_SIZE])
{
	size_t low = 0, high = s->agents;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct member *m = &s->members[s->first + order[middle]];
		int c = memcmp(key, m->public_key, PUBLIC_KEY_SIZE);

		if (c == 0)
			return m;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* ---- clients */

struct account {
	const struct swarm *s;
	const uint32_t *order;
	uint64_t since;     /* last_hello must be as late; 0: needn't be there */
	size_t clients;     /* all that the server has */
	size_t of_swarm;    /* of these, those of the swarm that are as they were acknowledged */
	size_t connected;   /* of these, the ones connected now */
	size_t wrong;       /* id or TLS key differ from what was acknowledged */
	size_t not_greeted; /* whose last HELLO is too old or missing */
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static uint64_t time_of(const json_t *object, const char *name)
{
	struct tm tm = {};

	return strptime(text_of(object, name), "%Y-%m-%dT%H:%M:%SZ", &tm) ? (uint64_t)timegm(&tm)
									  : 0;
}

static void count_client(struct account *a, const json_t *c)
{
	uint8_t key[PUBLIC_KEY_SIZE];
	char id[CLIENT_ID_TEXT_SIZE], pin[PIN_TEXT_SIZE];
	const struct member *m = NULL;

	a->clients++;
	if (identity_public_from_text(text_of(c, "key"), key) == 0)
		m = find(a->s, a->order, key);
	if (!m)
		return;
	sodium_bin2hex(id, sizeof id, m->client_id, CLIENT_ID_SIZE);
	pin_format(m->pin, pin);
	if (strcmp(id, text_of(c, "id")) != 0 || strcmp(pin, text_of(c, "tls_pin")) != 0 ||
		strcmp(text_of(c, "state"), "enrolled") != 0) {
		a->wrong++;
		return;
	}
	a->of_swarm++;
	a->connected += json_is_true(json_object_get(c, "connected"));
	a->not_greeted += time_of(c, "last_hello") < a->since;
}

static int count_clients(struct account *a)
{
	char path[128], next[CLIENT_ID_TEXT_SIZE] = "";

	do {
		scoped(json_decrefp) json_t *page = NULL;
		const json_t *c;
		size_t i;

		snprintf(path, sizeof path, "/clients?limit=%d%s%s", PAGE, *next ? "&after=" : "",
			next);
		page = get(a->s, path);
		if (!page)
			return -EIO;
		json_array_foreach (json_object_get(page, "clients"), i, c)
			count_client(a, c);
		snprintf(next, sizeof next, "%s", text_of(page, "next"));
	} while (*next);
	return 0;
}

/* The uses spent of all tokens. */
static int count_uses(const struct swarm *s, size_t *ret)
{
	scoped(json_decrefp) json_t *tokens = get(s, "/tokens?limit=1000");
	const json_t *t;
	size_t i;

	*ret = 0;
	json_array_foreach (json_object_get(tokens, "tokens"), i, t)
		*ret += (size_t)json_integer_value(json_object_get(t, "used"));
	return tokens ? 0 : -EIO;
}

static int take_account(const struct swarm *s, uint64_t since, struct account *ret)
{
	scoped(freep) uint32_t *order = sorted(s);
	int r;

	*ret = (struct account){ .s = s, .order = order, .since = since };
	r = order ? count_clients(ret) : -ENOMEM;
	ret->order = NULL;
	return r;
}

int ask_enrolled(const struct swarm *s)
{
	struct account a;
	size_t uses = 0, expected = s->board->well;
	int r = take_account(s, 0, &a);

	if (r == 0)
		r = count_uses(s, &uses);
	if (r < 0)
		return r;
	printf("clients %zu\nuses %zu\nclients_missing %zd\nclients_wrong %zu\n", a.clients, uses,
		(ssize_t)(expected - a.of_swarm), a.wrong);
	return uses == a.clients && a.of_swarm >= expected && a.wrong == 0 ? 0 : -EBADMSG;
}

int ask_connected(const struct swarm *s, uint64_t since)
{
	struct account a;
	int r = take_account(s, since, &a);

	if (r < 0)
		return r;
	printf("clients_connected %zu\nclients_wrong %zu\nclients_not_greeted %zu\n", a.connected,
		a.wrong, a.not_greeted);
	return a.connected == s->agents && a.wrong == 0 && a.not_greeted == 0 ? 0 : -EBADMSG;
}

/* ---- configurations and messages */

int ask_push(const struct swarm *s, const char *name)
{
	scoped(freep) char *content = malloc(s->size), *text = NULL, *body = NULL;
	size_t size = sodium_base64_encoded_len(s->size, sodium_base64_VARIANT_ORIGINAL);
	scoped(json_decrefp) json_t *answer = NULL;

	text = malloc(size);
	if (!content || !text)
		return -ENOMEM;
	for (size_t i = 0; i < s->size; i++)
		content[i] = (char)('a' + i % 26);
	sodium_bin2base64(text, size, (const unsigned char *)content, s->size,
		sodium_base64_VARIANT_ORIGINAL);
	if (asprintf(&body, "{\"name\":\"%s\",\"selector\":\"*\",\"content\":\"%s\"}", name, text) <
		0)
		return -ENOMEM;
	answer = ask(s, "/configs", body);
	return answer ? 0 : -EIO;
}

int ask_holders(const struct swarm *s, const char *name, size_t *ret)
{
	char path[384], next[256] = ""; /* where a page ends: the server's own words */

	*ret = 0;
	do {
		scoped(json_decrefp) json_t *page = NULL;
		const json_t *c;
		size_t i;

		snprintf(path, sizeof path, "/configs/%s/status?limit=%d%s%s", name, PAGE,
			*next ? "&after=" : "", next);
		page = get(s, path);
		if (!page)
			return -EIO;
		json_array_foreach (json_object_get(page, "clients"), i, c)
			*ret += strcmp(text_of(c, "state"), "current") == 0;
		snprintf(next, sizeof next, "%s", text_of(page, "next"));
	} while (*next);
	return 0;
}

int ask_rollout(const struct swarm *s)
{
	scoped(json_decrefp) json_t *answer = NULL;
	char body[128];

	snprintf(body, sizeof body, "{\"selector\":\"*\",\"at_once\":%u}", s->parallel);
	answer = ask(s, "/rollouts", body);
	return answer ? 0 : -EIO;
}

int ask_updated(const struct swarm *s, size_t *ret)
{
	scoped(json_decrefp) json_t *answer = get(s, "/rollouts/current");
	const json_t *counts = json_object_get(answer, "counts");

	*ret = (size_t)json_integer_value(json_object_get(counts, "done"));
	return answer ? 0 : -EIO;
}

/* Each text begins with its agent's number and its own number among that agent's. */
static bool count_message(const struct swarm *s, unsigned *counts, const char *text)
{
	size_t agent;
	unsigned number;

	return sscanf(text, "%zu %u", &agent, &number) == 2 && agent < s->agents &&
	       number == counts[agent]++;
}

int ask_messages(const struct swarm *s)
{
	scoped(freep) unsigned *counts = calloc(s->agents, sizeof *counts);
	char path[96], next[24] = "0";
	size_t found = 0, wrong = 0;

	while (counts && *next) {
		scoped(json_decrefp) json_t *page = NULL;
		const json_t *m;
		size_t i;

		snprintf(path, sizeof path, "/messages?limit=%d&after=%s", PAGE, next);
		page = get(s, path);
		if (!page)
			return -EIO;
		json_array_foreach (json_object_get(page, "messages"), i, m)
			count_message(s, counts, text_of(m, "text")) ? found++ : wrong++;
		snprintf(next, sizeof next, "%s", text_of(page, "next"));
	}
	printf("messages %zu\nmessages_wrong %zu\n", found, wrong);
	return found == s->agents * s->messages && wrong == 0 ? 0 : -EBADMSG;
}

/* ---- as a person at the dashboard does */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

#define BROWSE_MAX      100000u
#define BROWSE_PAUSE_US 2000

/* One connection that is kept, one request at a time. */
int run_browse(struct swarm *s)
{
	struct buffer text = { .limit = 16u << 20 };
	scoped(freep) uint32_t *times = calloc(BROWSE_MAX, sizeof *times);
	CURL *curl = request(s, s->path, &text);
	uint64_t until = now_us() + s->seconds * 1000000ull;
	size_t count = 0;
	CURLcode code = CURLE_OK;

	while (times && code == CURLE_OK && count < BROWSE_MAX && now_us() < until) {
		uint64_t began = now_us();

		text.len = 0;
		code = curl_easy_perform(curl);
		times[count++] = (uint32_t)(now_us() - began);
		usleep(BROWSE_PAUSE_US);
	}
	curl_easy_cleanup(curl);
	buffer_clear(&text);
	if (!times || code != CURLE_OK)
		return -EIO;
	qsort(times, count, sizeof *times, by_size);
	printf("requests %zu\np50_ms %.2f\np99_ms %.2f\nmax_ms %.2f\n", count,
		times[count / 2] / 1e3, times[count * 99 / 100] / 1e3, times[count - 1] / 1e3);
	return 0;
}

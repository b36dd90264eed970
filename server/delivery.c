/* SPDX-License-Identifier: MIT */
#include "delivery.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#define CONNECT_MS 10000l
#define WHOLE_MS   30000l
#define ANSWER_MAX 65536u

struct delivery {
	struct multi *multi;
	CURL *curl;
	struct curl_slist *headers;
	char *body;
	size_t answered; /* bytes of the answer's body */
	struct delivery_rules rules;
	bool refused; /* an address that may not be */
	char error[CURL_ERROR_SIZE];
	delivery_done done;
	void *userdata;
};

/* ---- where to */

/* What IPv4 addresses mean also counts when they are written as IPv6 ones. */
static bool ipv4_ok(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

static uint32_t ipv4_in(const struct in6_addr *a, size_t at)
{
	return (uint32_t)a->s6_addr[at] << 24 | (uint32_t)a->s6_addr[at + 1] << 16 |
	       (uint32_t)a->s6_addr[at + 2] << 8 | a->s6_addr[at + 3];
}

static bool ipv6_ok(const struct in6_addr *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a) || memcmp(a, nat64, 12) == 0)
		return ipv4_ok(ipv4_in(a, 12));
	if (a->s6_addr[0] == 0x20 && a->s6_addr[1] == 0x02) /* 6to4 */
		return ipv4_ok(ipv4_in(a, 2));
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	       !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_MULTICAST(a);
}

bool delivery_address_ok(const struct sockaddr *address, const struct delivery_rules *rules)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (rules->local)
		return address->sa_family == AF_INET || address->sa_family == AF_INET6;
	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		return ipv4_ok(ntohl(v4.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		return ipv6_ok(&v6.sin6_addr);
	default:
		return false;
	}
}

static const char *refuse_parts(CURLU *u, const struct delivery_rules *rules)
{
	static const CURLUPart unwanted[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
		CURLUPART_FRAGMENT };
	char *part = NULL;
	bool https;

	for (size_t i = 0; i < COUNT(unwanted); i++)
		if (curl_url_get(u, unwanted[i], &part, 0) == CURLUE_OK) {
			curl_free(part);
			return "it must have no user, password or fragment";
		}
	if (curl_url_get(u, CURLUPART_SCHEME, &part, 0) != CURLUE_OK)
		return "it has no scheme";
	https = strcmp(part, "https") == 0;
	if (!https && (strcmp(part, "http") != 0 || !rules->plain)) {
		curl_free(part);
		return rules->plain ? "it must be https:// or http://" : "it must be https://";
	}
	curl_free(part);
	return NULL;
}

const char *delivery_refuses(const char *url, const struct delivery_rules *rules)
{
	CURLU *u = curl_url();
	const char *why = "it is no URL";

	if (u && !strpbrk(url, " \"<>\\^`{|}") &&
		curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		why = refuse_parts(u, rules);
	curl_url_cleanup(u);
	return why;
}

/* Here and not where the URL was taken: a name may mean another address by now. */
static curl_socket_t open_socket(
	void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct delivery *d = userdata;

	if (purpose == CURLSOCKTYPE_IPCXN && delivery_address_ok(&address->addr, &d->rules))
		return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	d->refused = true;
	return CURL_SOCKET_BAD;
}

/* ---- what */

void delivery_sign(const struct delivery_spec *spec, char ret[static DELIVERY_SIGNATURE_SIZE])
{
	crypto_auth_hmacsha256_state h;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	char head[160];
	int len =
		snprintf(head, sizeof(head), "%s.%llu.", spec->id, (unsigned long long)spec->time);

	crypto_auth_hmacsha256_init(&h, spec->secret, sizeof(spec->secret));
	crypto_auth_hmacsha256_update(&h, (const uint8_t *)head, (unsigned long long)len);
	crypto_auth_hmacsha256_update(&h, (const uint8_t *)spec->body, strlen(spec->body));
	crypto_auth_hmacsha256_final(&h, mac);
	sodium_memzero(&h, sizeof(h));
	memcpy(ret, "v1,", 3);
	sodium_bin2base64(ret + 3, DELIVERY_SIGNATURE_SIZE - 3, mac, sizeof(mac),
		sodium_base64_VARIANT_ORIGINAL);
}

void delivery_secret_text(const uint8_t secret[static DELIVERY_SECRET_SIZE],
	char ret[static DELIVERY_SECRET_TEXT_SIZE])
{
	memcpy(ret, "whsec_", 6);
	sodium_bin2base64(ret + 6, DELIVERY_SECRET_TEXT_SIZE - 6, secret, DELIVERY_SECRET_SIZE,
		sodium_base64_VARIANT_ORIGINAL);
}

static printf_like(2) int add_header(struct delivery *d, const char *format, ...)
{
	char line[256];
	struct curl_slist *longer;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	longer = curl_slist_append(d->headers, line);
	if (!longer)
		return -ENOMEM;
	d->headers = longer;
	return 0;
}

static int add_headers(struct delivery *d, const struct delivery_spec *spec)
{
	char signature[DELIVERY_SIGNATURE_SIZE];
	int r = add_header(d, "Content-Type: application/json");

	delivery_sign(spec, signature);
	if (r == 0)
		r = add_header(d, "webhook-id: %s", spec->id);
	if (r == 0)
		r = add_header(d, "webhook-timestamp: %llu", (unsigned long long)spec->time);
	if (r == 0)
		r = add_header(d, "webhook-signature: %s", signature);
	return r == 0 ? add_header(d, "Expect:") : r;
}

/* ---- the attempt */

/* What is answered beyond the status interests nobody; who has much to say is cut off. */
static size_t on_data(char *data, size_t size, size_t count, void *userdata)
{
	struct delivery *d = userdata;

	(void)data;
	d->answered += size * count;
	return d->answered > ANSWER_MAX ? 0 : size * count;
}

static void tell(struct delivery *d, CURLcode code)
{
	char text[DELIVERY_ERROR_SIZE];
	long status = 0;

	curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, &status);
	if (d->answered > ANSWER_MAX) /* cut off by us */
		code = CURLE_OK;
	if (code == CURLE_OK && status >= 200 && status < 300) {
		d->done(d->userdata, NULL, false);
		return;
	}
	if (d->refused && code != CURLE_OK)
		snprintf(text, sizeof(text),
			"its address is this machine's or link-local: not allowed (AllowLocal=)");
	else if (code != CURLE_OK)
		snprintf(text, sizeof(text), "%.199s",
			d->error[0] ? d->error : curl_easy_strerror(code));
	else
		snprintf(text, sizeof(text), "it answered with status %ld%s", status,
			status >= 300 && status < 400 ? ": redirects are not followed" : "");
	d->done(d->userdata, text, code == CURLE_OK && status == 410);
}

static void on_done(void *userdata, CURL *curl, CURLcode code)
{
	char *mine = NULL;

	(void)userdata;
	if (curl_easy_getinfo(curl, CURLINFO_PRIVATE, &mine) == CURLE_OK && mine)
		tell((struct delivery *)mine, code);
}

int delivery_multi(sd_event *loop, struct multi **ret)
{
	return multi_new(loop, on_done, NULL, ret);
}

static CURLcode prepare(struct delivery *d, const struct delivery_spec *spec)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS },
		{ CURLOPT_TIMEOUT_MS, WHOLE_MS },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_POSTFIELDSIZE, (long)strlen(spec->body) },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		/* A name that nobody finds out may take a minute. Its thread ends by itself then; without
		 * this the loop would wait for it. */
		{ CURLOPT_QUICK_EXIT, 1 },
	};
	const struct {
		CURLoption option;
		const void *value;
	} pointers[] = {
		{ CURLOPT_URL, spec->url },
		{ CURLOPT_POSTFIELDS, d->body },
		{ CURLOPT_HTTPHEADER, d->headers },
		{ CURLOPT_PROTOCOLS_STR, d->rules.plain ? "https,http" : "https" },
		{ CURLOPT_PROXY, "" },
		{ CURLOPT_USERAGENT, "muster/" MUSTER_VERSION },
		{ CURLOPT_PRIVATE, d },
		{ CURLOPT_WRITEDATA, d },
		{ CURLOPT_OPENSOCKETDATA, d },
		{ CURLOPT_ERRORBUFFER, d->error },
	};
	CURLcode r = curl_easy_setopt(d->curl, CURLOPT_WRITEFUNCTION, on_data);

	if (r == CURLE_OK)
		r = curl_easy_setopt(d->curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	for (size_t i = 0; r == CURLE_OK && i < COUNT(numbers); i++)
		r = curl_easy_setopt(d->curl, numbers[i].option, numbers[i].value);
	for (size_t i = 0; r == CURLE_OK && i < COUNT(pointers); i++)
		r = curl_easy_setopt(d->curl, pointers[i].option, pointers[i].value);
	if (r == CURLE_OK && d->rules.ca_file && *d->rules.ca_file)
		r = curl_easy_setopt(d->curl, CURLOPT_CAINFO, d->rules.ca_file);
	return r;
}

int delivery_start(struct multi *m, const struct delivery_spec *spec,
	const struct delivery_rules *rules, delivery_done done, void *userdata,
	struct delivery **ret)
{
	struct delivery *d = calloc(1, sizeof(*d));
	int r = -ENOMEM;

	if (!d)
		return r;
	*d = (struct delivery){ .rules = *rules, .done = done, .userdata = userdata };
	d->body = strdup(spec->body);
	d->curl = curl_easy_init();
	if (d->body && d->curl)
		r = add_headers(d, spec);
	if (r == 0 && prepare(d, spec) != CURLE_OK)
		r = -EINVAL;
	if (r == 0)
		r = multi_add(m, d->curl);
	if (r < 0) {
		delivery_free(d);
		return r;
	}
	d->multi = m;
	*ret = d;
	return 0;
}

struct delivery *delivery_free(struct delivery *d)
{
	if (!d)
		return NULL;
	if (d->multi)
		multi_remove(d->multi, d->curl);
	curl_easy_cleanup(d->curl);
	curl_slist_free_all(d->headers);
	free(d->body);
	free(d);
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/* What proxies and others say of a request, and what of it is believed. */
#include "unit.h"

#include <arpa/inet.h>

#include "server/admin/proxy.h"

static struct source source(const char *text)
{
	struct network n;

	assert_int_equal(network_parse(text, &n), 0);
	assert_int_equal(n.bits, 128);
	return (struct source){ n.address };
}

static struct config proxies(void)
{
	static const char *const listed[] = { "127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48" };
	struct config c = {};

	for (size_t i = 0; i < COUNT(listed); i++)
		assert_int_equal(network_parse(listed[i], &c.proxies[c.proxy_count++]), 0);
	return c;
}

static struct approach judge(const struct config *c, const char *peer, const struct http_request *q)
{
	struct source s = source(peer);
	struct approach a;

	proxy_judge(c, &s, q, &a);
	return a;
}

static void networks_are_addresses_with_bits(void **state)
{
	static const char *const bad[] = { "", "/", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1",
		"1.2.3.4/24", "10.0.0.0/7x", "10.0.0.0 /8", "::1/129", "2001:db8::1/32",
		"localhost", "1.2.3.4/8/8", "[::1]", "1.2.3.4:80" };
	static const char *const in[][2] = { { "0.0.0.0/0", "192.0.2.1" },
		{ "10.0.0.0/8", "10.255.0.1" }, { "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.128/25", "192.0.2.200" }, { "::/0", "::1" },
		{ "2001:db8::/33", "2001:db8:7fff::1" } };
	static const char *const out[][2] = { { "0.0.0.0/0", "::1" }, { "10.0.0.0/8", "11.0.0.1" },
		{ "192.0.2.1", "192.0.2.2" }, { "192.0.2.128/25", "192.0.2.127" },
		{ "2001:db8::/33", "2001:db8:8000::1" }, { "::1", "127.0.0.1" } };
	struct network n;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (network_parse(bad[i], &n) != -EINVAL)
			fail_msg("'%s' is no network", bad[i]);
	for (size_t i = 0; i < COUNT(in); i++) {
		struct source s = source(in[i][1]);

		assert_int_equal(network_parse(in[i][0], &n), 0);
		assert_true(network_has(&n, &s));
	}
	for (size_t i = 0; i < COUNT(out); i++) {
		struct source s = source(out[i][1]);

		assert_int_equal(network_parse(out[i][0], &n), 0);
		assert_false(network_has(&n, &s));
	}
}

static void the_rightmost_that_is_not_listed_is_the_client(void **state)
{
	static const struct {
		const char *peer, *list, *client;
	} rows[] = {
		/* from who isn't listed nothing is believed */
		{ "192.0.2.9", "198.51.100.1", "192.0.2.9" },
		{ "192.0.2.9", "127.0.0.1", "192.0.2.9" },
		{ "::1", "198.51.100.1", "::1" },
		/* the nearest proxy's word, and those before it */
		{ "127.0.0.1", NULL, "127.0.0.1" },
		{ "127.0.0.1", "", "127.0.0.1" },
		{ "127.0.0.1", "198.51.100.1", "198.51.100.1" },
		{ "127.0.0.1", "203.0.113.5, 198.51.100.1", "198.51.100.1" },
		{ "127.0.0.1", "127.0.0.1,198.51.100.1", "198.51.100.1" },
		{ "127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1" },
		{ "127.0.0.1", "203.0.113.5,198.51.100.1,10.1.2.3, 10.4.5.6", "198.51.100.1" },
		{ "127.0.0.1", "10.1.2.3, 10.4.5.6", "10.1.2.3" },
		{ "2001:db8:1::7", "2001:db8:2::1", "2001:db8:2::1" },
		{ "10.0.0.1", "[2001:db8:2::1]:4711", "2001:db8:2::1" },
		{ "10.0.0.1", "198.51.100.1:4711", "198.51.100.1" },
		/* what is malformed ends it, at who has passed it on */
		{ "127.0.0.1", "198.51.100.1, unknown", "127.0.0.1" },
		{ "127.0.0.1", "198.51.100.1,", "127.0.0.1" },
		{ "127.0.0.1", "198.51.100.1, ,10.1.1.1", "10.1.1.1" },
		{ "127.0.0.1", "198.51.100.1 203.0.113.5", "127.0.0.1" },
		{ "127.0.0.1", "198.51.100.256", "127.0.0.1" },
		{ "127.0.0.1", "0x7f.1", "127.0.0.1" },
		{ "127.0.0.1", "\"198.51.100.1\"", "127.0.0.1" },
		{ "127.0.0.1", "for=198.51.100.1", "127.0.0.1" },
		{ "127.0.0.1", "localhost, 10.1.1.1", "10.1.1.1" },
		/* what somebody sends can't hide what the proxy adds */
		{ "127.0.0.1", "\", 198.51.100.1", "198.51.100.1" },
		{ "127.0.0.1", "x;y=\"a, 198.51.100.1", "198.51.100.1" },
	};
	struct config c = proxies();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_request q = { .x_forwarded_for = rows[i].list,
			.forwarded = "for=203.0.113.77;proto=https;host=evil.example" };
		struct approach a = judge(&c, rows[i].peer, &q);
		struct source expected = source(rows[i].client);

		if (!source_equal(&a.source, &expected))
			fail_msg("from %s: '%s'", rows[i].peer, rows[i].list);
		assert_false(a.https);
		assert_string_equal(a.host, "");
	}
}

static void forwarded_is_understood_where_it_is_meant(void **state)
{
	static const struct {
		const char *peer, *list, *client;
		bool https;
		const char *host;
	} rows[] = {
		{ "192.0.2.9", "for=198.51.100.1;proto=https;host=x", "192.0.2.9", false, "h" },
		{ "127.0.0.1", NULL, "127.0.0.1", false, "h" },
		{ "127.0.0.1", "for=198.51.100.1", "198.51.100.1", false, "h" },
		{ "127.0.0.1", "For=\"[2001:db8:2::1]:4711\";Proto=HTTPS;Host=\"a.b:8\"",
			"2001:db8:2::1", true, "a.b:8" },
		{ "127.0.0.1", "for=203.0.113.5;proto=https, for=198.51.100.1", "198.51.100.1",
			false, "h" },
		{ "127.0.0.1", "for=198.51.100.1, for=10.1.1.1;proto=https", "198.51.100.1", true,
			"h" },
		{ "127.0.0.1", "for=unknown", "127.0.0.1", false, "h" },
		{ "127.0.0.1", "for=_hidden", "127.0.0.1", false, "h" },
		{ "127.0.0.1", "for=198.51.100.1;for=203.0.113.5", "127.0.0.1", false, "h" },
		{ "127.0.0.1", "for = 198.51.100.1", "127.0.0.1", false, "h" },
		{ "127.0.0.1", "for=\"198.51.100.1", "127.0.0.1", false, "h" },
		{ "127.0.0.1", "by=\"x\\\"y\";for=198.51.100.1", "198.51.100.1", false, "h" },
		{ "127.0.0.1", "for=\", for=198.51.100.1", "198.51.100.1", false, "h" },
		{ "127.0.0.1", "for=\"x, for=198.51.100.1", "198.51.100.1", false, "h" },
		{ "127.0.0.1", "proto=https;proto=http;for=198.51.100.1", "198.51.100.1", false,
			"h" },
		{ "127.0.0.1", "198.51.100.1", "127.0.0.1", false, "h" },
	};
	struct config c = proxies();

	(void)state;
	c.proxy_header = PROXY_FORWARDED;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_request q = { .forwarded = rows[i].list,
			.host = "h",
			.x_forwarded_for = "203.0.113.66",
			.x_forwarded_proto = "https",
			.x_forwarded_host = "evil.example" };
		struct approach a = judge(&c, rows[i].peer, &q);
		struct source expected = source(rows[i].client);

		if (!source_equal(&a.source, &expected) || a.https != rows[i].https ||
			strcmp(a.host, rows[i].host) != 0)
			fail_msg("from %s: '%s': %d '%s'", rows[i].peer, rows[i].list, a.https,
				a.host);
	}
}

static void scheme_and_host_are_the_nearest_proxys(void **state)
{
	struct config c = proxies();
	struct http_request q = { .host = "h",
		.x_forwarded_proto = "https",
		.x_forwarded_host = "evil.example, muster.example" };
	struct approach a;

	(void)state;
	a = judge(&c, "192.0.2.1", &q);
	assert_false(a.https || a.by_proxy);
	assert_string_equal(a.host, "h");
	a = judge(&c, "127.0.0.1", &q);
	assert_true(a.https && a.by_proxy);
	assert_string_equal(a.host, "muster.example");
	q.x_forwarded_proto = "https,http";
	q.x_forwarded_host = NULL;
	a = judge(&c, "127.0.0.1", &q);
	assert_false(a.https);
	assert_string_equal(a.host, "h");
	q.x_forwarded_proto = "wss";
	assert_false(judge(&c, "127.0.0.1", &q).https);
	c.proxy_count = 0;
	q.x_forwarded_proto = "https";
	assert_false(judge(&c, "127.0.0.1", &q).https);
}

/* Not by IP: no network has it, and 0.0.0.0 or :: in a list is no way to be it. */
static void who_comes_without_an_address_is_no_proxy(void **state)
{
	struct config c = {};
	struct source none = {};
	struct http_request q = { .x_forwarded_for = "198.51.100.1" };
	struct approach a;

	(void)state;
	assert_int_equal(network_parse("::/0", &c.proxies[c.proxy_count++]), 0);
	proxy_judge(&c, &none, &q, &a);
	assert_false(a.by_proxy);
	assert_true(source_equal(&a.source, &none));
}

UNIT(it(networks_are_addresses_with_bits), it(the_rightmost_that_is_not_listed_is_the_client),
	it(forwarded_is_understood_where_it_is_meant), it(scheme_and_host_are_the_nearest_proxys),
	it(who_comes_without_an_address_is_no_proxy))

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "server/address.h"

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "", ":", ":1", "a:1", "1.2.3:1", "1.2.3.4",
		"1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4: 1", "::1:1", "[::1]", "[::1]1",
		"[::1:1", "::1]:1", "[]:1", "[1.2.3.4]:1", "[::1%lo]:1", "localhost:1",
		" 1.2.3.4:1", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1" };
	struct listen_address a;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(address_parse(bad[i], &a), -EINVAL);
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = { "", ":", "a", "a:", "a:0", "a:65536", ":1", "-a:1",
		".a:1", "a b:1", "a'b:1", "a_b:1", "[::1:1", "[]:1", "[a]:1", "::1:1" };
	char name[300];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(address_name_ok(bad[i]));
	memset(name, 'a', 254);
	strcpy(name + 254, ":1");
	assert_false(address_name_ok(name));
	assert_true(address_name_ok(name + 1));
	assert_true(address_name_ok("[2001:db8::1]:65535"));
}

static void a_port_alone_is_every_address(void **state)
{
	struct listen_address a;

	(void)state;
	assert_int_equal(address_parse("8443", &a), 0);
	assert_int_equal(a.address.ss_family, AF_INET6);
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a.address;
	assert_int_equal(ntohs(v6->sin6_port), 8443);
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr));
}

static void addresses_are_the_same_when_all_of_them_is(void **state)
{
	static const char *const texts[] = { "8443", "8444", "0.0.0.0:8443", "[::1]:8443",
		"127.0.0.1:8443", "127.0.0.2:8443" };
	struct listen_address a, b, none = {};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t j = 0; j < COUNT(texts); j++) {
			assert_int_equal(address_parse(texts[i], &a), 0);
			assert_int_equal(address_parse(texts[j], &b), 0);
			assert_int_equal(address_same(&a, &b), i == j);
			assert_false(address_same(&a, &none));
		}
	assert_true(address_same(&none, &none));
}

static void a_socket_tells_where_it_listens(void **state)
{
	char text[ADDRESS_TEXT_SIZE], same[ADDRESS_TEXT_SIZE];
	struct listen_address a;
	int fd = -1, second = -1;

	(void)state;
	assert_int_equal(address_parse("127.0.0.1:0", &a), 0);
	assert_int_equal(address_listen(&a, 1, &fd), 0);
	uint16_t port = address_of_socket(fd, text);
	assert_int_not_equal(port, 0);
	snprintf(same, sizeof(same), "127.0.0.1:%u", port);
	assert_string_equal(text, same);
	assert_int_equal(address_parse(text, &a), 0);
	assert_int_equal(address_listen(&a, 1, &second), -EADDRINUSE);
	assert_int_equal(second, -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(a_port_alone_is_every_address),
		cmocka_unit_test(addresses_are_the_same_when_all_of_them_is),
		cmocka_unit_test(a_socket_tells_where_it_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

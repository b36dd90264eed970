/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <zlib.h>

#include "server/admin/embed.h"
#include "server/admin/installer.h"
#include "server/server.h"

extern const char installer_script[];
extern const size_t installer_script_len;

#define ALL "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+/=.:;[]~\n"

static int fill(const char *template, const struct installer_value *values, size_t count, char *ret,
	size_t size)
{
	struct buffer out = {};
	int r = installer_fill(template, strlen(template), values, count, &out);

	assert_true(out.len < size);
	if (out.len > 0)
		memcpy(ret, out.data, out.len);
	ret[out.len] = '\0';
	buffer_clear(&out);
	return r;
}

static void values_come_as_single_quoted_words(void **state)
{
	const struct installer_value values[] = { { "@A@", "one", 3, ALL },
		{ "@BB@", "two\nlines", 9, ALL }, { "@C@", "", 0, ALL } };
	char text[256];

	(void)state;
	assert_int_equal(fill("#!/bin/sh\n#@ @A@ is left out\na=@A@ b=@BB@\nc=@C@ d=$@ @X@ @@A@",
				 values, COUNT(values), text, sizeof(text)),
		0);
	assert_string_equal(text, "#!/bin/sh\na='one' b='two\nlines'\nc='' d=$@ @X@ @'one'");
}

static void a_value_is_not_looked_at_for_names(void **state)
{
	const struct installer_value values[] = { { "@A@", "@B@", 3, "@B" },
		{ "@B@", "x", 1, ALL } };
	char text[64];

	(void)state;
	assert_int_equal(fill("@A@@B@", values, COUNT(values), text, sizeof(text)), 0);
	assert_string_equal(text, "'@B@''x'");
}

static void a_quote_is_never_allowed(void **state)
{
	const struct installer_value value = { "@A@", "a'b", 3, "ab'" };
	char text[64];

	(void)state;
	assert_int_equal(fill("@A@", &value, 1, text, sizeof(text)), -EINVAL);
}

/* ---- the real template */

static const char *const names[] = { "@SERVER@", "@PINS@", "@SERVER_KEY@", "@RELEASE_KEY@",
	"@MIN_SERIAL@", "@VERSION@", "@TOKEN@", "@ENROL_SUMS@", "@EMBED@" };

static void every_place_of_the_template_is_filled(void **state)
{
	struct installer_value values[COUNT(names)];
	struct buffer out = {};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		values[i] = (struct installer_value){ names[i], "x", 1, ALL };
	assert_int_equal(
		installer_fill(installer_script, installer_script_len, values, COUNT(values), &out),
		0);
	for (size_t i = 0; i + 2 < out.len; i++)
		if (out.data[i] == '@' && out.data[i + 1] >= 'A' && out.data[i + 1] <= 'Z' &&
			memchr(out.data + i + 1, '@', 20))
			fail_msg("left: %.20s", (char *)out.data + i);
	assert_memory_equal(out.data, "#!/bin/sh\n", 10);
	buffer_clear(&out);
}

static int run(const char *command, const struct buffer *input)
{
	FILE *pipe = popen(command, "we");

	assert_non_null(pipe);
	assert_int_equal(fwrite(input->data, 1, input->len, pipe), input->len);
	return pclose(pipe);
}

/* Any value that is let through, at any place: the script is one, and does no more than before. */
static void hostile_values_are_refused_or_mean_nothing(void **state)
{
	static const char *const hostile[] = { "'", "''", "'; touch /tmp/owned; '", "\"", "`id`",
		"$(id)", "${IFS}", "$((1))", "\\", "\\'", "a\nb", "\n", "\r\n", "x\r", "; id",
		"| id", "& id", "> /etc/passwd", "< /dev/zero", "#", "!", "!!", "*", "?", "[a]",
		"~", "~root", "{a,b}", "\t", "\x1b[31m", "\x7f", "\x80", "\xff\xfe", "\xe2\x80\xae",
		"%0a", "%s%n", "-rf", "--", "@TOKEN@", "@EMBED@", "=", "a=b", "EOF", "}", "{ main",
		"$'\\n'", "\v", "\001", "((", "))", "a b", " ", "'\\''", "'\"'\"'",
		"x'y\"z`w$v\\u" };
	struct installer_value values[COUNT(names)];
	size_t taken = 0;

	(void)state;
	for (size_t place = 0; place < COUNT(names); place++)
		for (size_t h = 0; h < COUNT(hostile); h++) {
			struct buffer out = {};
			int r;

			for (size_t i = 0; i < COUNT(names); i++)
				values[i] = (struct installer_value){ names[i], "x", 1, ALL };
			values[place].text = hostile[h];
			values[place].len = strlen(hostile[h]);
			r = installer_fill(installer_script, installer_script_len, values,
				COUNT(values), &out);
			if (r == 0 && h % 3 == place % 3) { /* a process each: not all of them */
				taken++;
				assert_int_equal(run("exec sh -n", &out), 0);
			}
			if (r < 0)
				assert_int_equal(r, -EINVAL);
			buffer_clear(&out);
		}
	assert_true(taken > 0);
}

/* ---- a server's script */

static void server_of(struct server *s, struct release_file *f, const char *name)
{
	struct minisign_key *key = NULL;

	*s = (struct server){};
	s->config.names.count = 1;
	snprintf(s->config.names.at[0], ADDRESSES_ONE_SIZE, "%s", name);
	assert_int_equal(identity_generate(&s->keys.identity), 0);
	assert_int_equal(minisign_generate(&key), 0);
	minisign_public(key, &s->keys.release_public);
	minisign_free(key);
	snprintf(s->release.manifest.version, sizeof(s->release.manifest.version), "0.1.0~rc1");
	s->release.manifest.serial = 7;
	s->release.manifest_text = (char *)(uintptr_t) "";
	snprintf(f->path, sizeof(f->path), "linux/x86_64/muster-enrol");
	s->release.files[0] = f;
	s->release.count = 1;
}

static int render(const char *name, bool embed, struct buffer *out)
{
	static const uint8_t token[TOKEN_SIZE] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct release_file f = {};
	struct server s;
	int r;

	server_of(&s, &f, name);
	r = installer_render(&s, token, embed, out);
	identity_free(s.keys.identity);
	return r;
}

static bool has(const struct buffer *b, const char *text)
{
	return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

static void a_servers_script_has_its_values_and_is_clean(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(render("muster.example:8443", false, &out), 0);
	assert_true(has(&out, "server='muster.example:8443'\n"));
	assert_true(has(&out, "min_serial='7'\n"));
	assert_true(has(&out, "version='0.1.0~rc1'\n"));
	assert_true(has(&out, "token='0123456789abcdef'\n"));
	assert_int_equal(run("exec sh -n", &out), 0);
	assert_int_equal(run("exec bash -n", &out), 0);
	assert_int_equal(run("exec shellcheck -", &out), 0);
	buffer_clear(&out);
	assert_int_equal(render("[2001:db8::1]:8443", false, &out), 0);
	buffer_clear(&out);
	assert_int_equal(render("[2001:db8::1]:8443 a:1 b:2", false, &out), 0);
	assert_true(has(&out, "server='[2001:db8::1]:8443 a:1 b:2'\n"));
	assert_int_equal(run("exec shellcheck -", &out), 0);
	buffer_clear(&out);
	assert_int_equal(render("muster.example:8443", true, &out), -EAGAIN);
	buffer_clear(&out);
}

static void a_name_with_other_characters_makes_no_script(void **state)
{
	static const char *const bad[] = { "a'b:1", "a\tb:1", "a;id:1", "$(id):1", "a\nb:1",
		"a%0d:1", "a/b:1", "a\\b:1", "\"a:1", "a@b:1", "\xc3\xa9:1" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buffer out = {};

		assert_int_equal(render(bad[i], false, &out), -EINVAL);
		buffer_clear(&out);
	}
}

/* ---- what travels inside */

static struct release_file *file_of(size_t size)
{
	struct release_file *f = calloc(1, sizeof(*f));
	char name[] = "/tmp/muster-test-XXXXXX";
	uint8_t *bytes = malloc(size + 1);

	assert_non_null(f);
	f->fd = mkstemp(name);
	assert_true(f->fd >= 0);
	unlink(name);
	randombytes_buf(bytes, size / 2);
	memset(bytes + size / 2, 7, size - size / 2);
	assert_int_equal(write(f->fd, bytes, size), size);
	crypto_hash_sha256(f->sha256, bytes, size);
	f->size = size;
	f->users = 1;
	snprintf(f->path, sizeof(f->path), "linux/x86_64/muster-enrol");
	free(bytes);
	return f;
}

static void check_unpacked(const struct release_file *f, const char *text, size_t len)
{
	uint8_t *packed = malloc(len + 1), *plain = malloc(f->size + 100), hash[32];
	size_t packed_len = 0;
	z_stream z = {};

	assert_int_equal(sodium_base642bin(packed, len + 1, text, len, NULL, &packed_len, NULL,
				 sodium_base64_VARIANT_ORIGINAL),
		0);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = packed;
	z.avail_in = (uInt)packed_len;
	z.next_out = plain;
	z.avail_out = (uInt)f->size + 100;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	crypto_hash_sha256(hash, plain, z.total_out);
	assert_memory_equal(hash, f->sha256, 32);
	inflateEnd(&z);
	free(packed);
	free(plain);
}

static void it_unpacks_to_the_same_bytes(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 1000000 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct release r = { .count = 1, .files[0] = file_of(sizes[i]) };
		struct embed *e = NULL;
		const char *text;
		size_t len = 0, steps = 0;
		int more;

		assert_int_equal(embed_new(&e), 0);
		assert_null(embed_text(e, r.files[0], &len));
		while ((more = embed_step(e, &r)) > 0)
			steps++;
		assert_int_equal(more, 0);
		assert_true(steps > sizes[i] / 65536);
		text = embed_text(e, r.files[0], &len);
		assert_non_null(text);
		assert_int_equal(strcspn(text, "\n"), len);
		check_unpacked(r.files[0], text, len);
		assert_int_equal(r.files[0]->users, 1);
		embed_free(e);
		release_file_done(r.files[0]);
	}
}

static void work_that_is_given_up_lets_the_file_go(void **state)
{
	struct release r = { .count = 1, .files[0] = file_of(1000000) };
	struct embed *e = NULL;

	(void)state;
	assert_int_equal(embed_new(&e), 0);
	assert_int_equal(embed_step(e, &r), 1);
	assert_int_equal(embed_step(e, &r), 1);
	assert_int_equal(r.files[0]->users, 2);
	embed_free(e);
	assert_int_equal(r.files[0]->users, 1);
	release_file_done(r.files[0]);
}

static void a_truncated_file_is_an_error(void **state)
{
	struct release r = { .count = 1, .files[0] = file_of(100000) };
	struct embed *e = NULL;
	int more;

	(void)state;
	assert_int_equal(ftruncate(r.files[0]->fd, 70000), 0);
	assert_int_equal(embed_new(&e), 0);
	while ((more = embed_step(e, &r)) > 0)
		;
	assert_int_equal(more, -EIO);
	embed_free(e);
	release_file_done(r.files[0]);
}

static void only_muster_enrol_of_linux_is_taken(void **state)
{
	static const struct {
		const char *path, *arch;
	} paths[] = {
		{ "linux/x86_64/muster-enrol", "x86_64" },
		{ "linux/aarch64/muster-enrol", "aarch64" },
		{ "linux/x86_64/muster-agent", NULL },
		{ "linux//muster-enrol", NULL },
		{ "linux/a/b/muster-enrol", NULL },
		{ "macos/x86_64/muster-enrol", NULL },
		{ "linux/x86_64/muster-enrol.sig", NULL },
		{ "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/muster-enrol", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct release_file f = {};
		char arch[ARCH_SIZE];

		snprintf(f.path, sizeof(f.path), "%s", paths[i].path);
		assert_int_equal(embed_arch(&f, arch), paths[i].arch != NULL);
		if (paths[i].arch)
			assert_string_equal(arch, paths[i].arch);
	}
}

UNIT(it(values_come_as_single_quoted_words), it(a_value_is_not_looked_at_for_names),
	it(a_quote_is_never_allowed), it(every_place_of_the_template_is_filled),
	it(hostile_values_are_refused_or_mean_nothing),
	it(a_servers_script_has_its_values_and_is_clean),
	it(a_name_with_other_characters_makes_no_script), it(it_unpacks_to_the_same_bytes),
	it(work_that_is_given_up_lets_the_file_go), it(a_truncated_file_is_an_error),
	it(only_muster_enrol_of_linux_is_taken))

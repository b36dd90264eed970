/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/inifile.h"

#define X97                                                                                        \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxx"
#define COMMENT "#" X97 X97 "xxx" /* as long as a line may be */

static char path[] = "/tmp/muster-inifile-XXXXXX";
static char seen[4096], why[256];

/* "section.name=value;", one behind the other; refuses the value "wrong". */
static void note(void *userdata, const char *section, const char *name, const char *value)
{
	size_t used = strlen(seen);

	snprintf(seen + used, sizeof seen - used, "%s.%s=%s;", section, name, value);
	if (strcmp(value, "wrong") == 0)
		inifile_wrong(userdata, "%s is wrong", name);
}

static int read_file(const char *name, bool continued)
{
	struct inifile f = { .value = note,
		.userdata = &f,
		.continued = continued,
		.why = why,
		.why_size = sizeof why };

	*seen = *why = '\0';
	return inifile_read(&f, name);
}

static int read_bytes_of(const char *text, size_t len, bool continued)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return read_file(path, continued);
}

static int read_text(const char *text)
{
	return read_bytes_of(text, strlen(text), false);
}

static void assert_refused(int r, unsigned line, const char *what)
{
	char expected[128];

	snprintf(expected, sizeof expected, "%s:%u: %s", path, line, what);
	if (r != -EBADMSG || strncmp(why, expected, strlen(expected)) != 0)
		fail_msg("%d, '%s', not '%s'", r, why, expected);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void what_is_no_line_of_it_is_refused(void **state)
{
	(void)state;
	assert_refused(read_text("[a]\nb=1\nrubbish\nc=2\n"), 3, "neither");
	assert_refused(read_text("[a\nb=1\n"), 1, "neither");
	assert_refused(read_text("[a]\nb=1\n c=2\n"), 3, "the line starts with a blank");
	assert_refused(read_text("[a]\n\tb=1"), 2, "the line starts with a blank");
}

static void a_line_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(strlen(COMMENT), INIFILE_LINE_MAX);
	assert_refused(read_text("[a]\n" COMMENT "x\n"), 2, "the line is longer");
	assert_refused(read_text(COMMENT "x"), 1, "the line is longer");
	assert_int_equal(read_text(COMMENT "\n" COMMENT "\n"), 0);
	assert_int_equal(read_text(COMMENT), 0);
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = "[a]\nb=1\0\nc=2\n";

	(void)state;
	assert_refused(read_bytes_of(text, sizeof text - 1, false), 2, "the line");
	assert_refused(read_bytes_of(text, sizeof text - 1, true), 2, "the line");
}

static void a_long_file_is_refused(void **state)
{
	char *text = malloc(INIFILE_MAX + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < INIFILE_MAX; i++)
		text[i] = i % 64 == 63 ? '\n' : '#';
	assert_int_equal(read_bytes_of(text, INIFILE_MAX, false), 0);
	text[INIFILE_MAX] = '#';
	assert_refused(read_bytes_of(text, INIFILE_MAX + 1, false), INIFILE_MAX / 64 + 1,
		"the file is longer");
	free(text);
}

static void the_first_mistake_counts(void **state)
{
	(void)state;
	assert_refused(read_text("[a]\nb=wrong\nrubbish\n"), 2, "b is wrong");
	assert_string_equal(seen, "a.b=wrong;");
	assert_refused(read_text("[a]\nrubbish\nb=wrong\nc=1\n"), 2, "neither");
}

static void what_can_not_be_read_is_told(void **state)
{
	(void)state;
	assert_int_equal(read_file("/nonexistent/x", false), -ENOENT);
	assert_string_equal(why, "cannot read '/nonexistent/x': No such file or directory");
	assert_int_equal(read_file("/", false), -EIO);
}

static void values_come_in_their_order(void **state)
{
	(void)state;
	assert_int_equal(read_text("x=0\n# y=1\n[a]\nb = 1 2 ; three\n\n  \n[c]\r\nb=\nb=2"), 0);
	assert_string_equal(seen, ".x=0;a.b=1 2;c.b=;c.b=2;");
	assert_int_equal(read_text(""), 0);
	assert_string_equal(seen, "");
}

static void a_value_may_go_on_where_that_is_meant(void **state)
{
	static const char text[] = "[a]\nb=1\n 2\n\t3\n";

	(void)state;
	assert_int_equal(read_bytes_of(text, strlen(text), true), 0);
	assert_string_equal(seen, "a.b=1;a.b=2;a.b=3;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		it(what_is_no_line_of_it_is_refused),
		it(a_line_that_does_not_fit_is_refused),
		it(a_nul_byte_is_refused),
		it(a_long_file_is_refused),
		it(the_first_mistake_counts),
		it(what_can_not_be_read_is_told),
		it(values_come_in_their_order),
		it(a_value_may_go_on_where_that_is_meant),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/apply.h"
#include "agent/hook.h"
#include "lib/file.h"
#include "tests/unit/folder.h"

static void a_result_is_read_as_written(void **state)
{
	struct apply_result r = { .signature = { 1, 2, 3 }, .code = NACK_APPLY }, again;
	char path[96];

	(void)state;
	begin();
	snprintf(path, sizeof path, "%s/result", folder);
	assert_int_equal(apply_result_read(path, &again), -ENOENT);
	assert_int_equal(apply_result_write(path, &r), 0);
	assert_int_equal(apply_result_read(path, &again), 0);
	assert_memory_equal(&again, &r, sizeof r);
	memset(r.text, 'x', sizeof r.text - 1);
	assert_int_equal(apply_result_write(path, &r), 0);
	assert_int_equal(apply_result_read(path, &again), 0);
	assert_memory_equal(&again, &r, sizeof r);
	end();
}

static void what_is_no_result_is_refused(void **state)
{
	struct apply_result r = { .text = "well" }, again;
	char path[96], *text;
	size_t len;

	(void)state;
	begin();
	snprintf(path, sizeof path, "%s/result", folder);
	assert_int_equal(apply_result_write(path, &r), 0);
	assert_int_equal(file_read(path, 4096, &text, &len), 0);
	for (size_t size = 0; size < len; size++) {
		assert_int_equal(file_write_atomic(path, text, size, 0644), 0);
		assert_int_equal(apply_result_read(path, &again), -EBADMSG);
	}
	text[len - 3] = '\x1b';
	assert_int_equal(file_write_atomic(path, text, len, 0644), 0);
	assert_int_equal(apply_result_read(path, &again), -EBADMSG);
	free(text);
	end();
}

/* In /tmp, which others may write to, nothing is root's alone. */
static void a_hook_where_others_write_is_none(void **state)
{
	char path[96];

	(void)state;
	begin();
	snprintf(path, sizeof path, "%s/hook", folder);
	assert_int_equal(hook_find(path), 0);
	assert_int_equal(file_write_atomic(path, "#!/bin/sh\n", 10, 0755), 0);
	assert_int_equal(hook_find(path), -EPERM);
	end();
}

static int run_script(const char *script, char said[static HOOK_SAID_SIZE])
{
	char path[96];
	struct hook_run h = { .program = path,
		.file = "/the/file",
		.action = "apply",
		.name = "web",
		.revision = 7 };
	int r;

	begin();
	snprintf(path, sizeof path, "%s/hook", folder);
	assert_int_equal(file_write_atomic(path, script, strlen(script), 0755), 0);
	r = hook_run(&h, said);
	end();
	return r;
}

static void a_hook_is_told_what_it_is_for_and_heard(void **state)
{
	char said[HOOK_SAID_SIZE];

	(void)state;
	assert_int_equal(run_script("#!/bin/sh\n"
				    "echo $1 $# $MUSTER_ACTION $MUSTER_CONFIG\n"
				    "echo $MUSTER_REVISION >&2\n",
				 said),
		0);
	assert_string_equal(said, "/the/file 1 apply web | 7");
	assert_int_equal(run_script("#!/bin/sh\nexit 3\n", said), 1);
	assert_string_equal(said, "exit code 3");
	assert_int_equal(run_script("#!/bin/sh\nkill -9 $$\n", said), 1);
	assert_string_equal(said, "ended by signal 9");
	assert_int_equal(run_script("#!/nowhere\n", said), 1);
	assert_non_null(strstr(said, "cannot run"));
}

static void of_many_words_the_last_are_kept(void **state)
{
	char said[HOOK_SAID_SIZE];

	(void)state;
	assert_int_equal(run_script("#!/bin/sh\n"
				    "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); "
				    "done\nprintf '\\033[2Jend\\n'; exit 1\n",
				 said),
		1);
	assert_non_null(strstr(said, "line 4999 | "));
	assert_null(strstr(said, "line 4000"));
	assert_null(strchr(said, '\x1b'));
	assert_non_null(strstr(said, "end"));
}

UNIT(it(a_result_is_read_as_written), it(what_is_no_result_is_refused),
	it(a_hook_where_others_write_is_none), it(a_hook_is_told_what_it_is_for_and_heard),
	it(of_many_words_the_last_are_kept))

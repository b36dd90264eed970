/* SPDX-License-Identifier: MIT */
/* A folder of the test's own, from begin() to end(). */
#ifndef MUSTER_UNIT_FOLDER_H
#define MUSTER_UNIT_FOLDER_H

#include <ftw.h>

#include "tests/unit/unit.h"

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static void begin(void)
{
	strcpy(folder, "/tmp/muster-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
}

static void end(void)
{
	assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif

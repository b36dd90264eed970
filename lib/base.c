/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "lib/base.h"

void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void freep(void *pointer)
{
	void **p = pointer;
	int saved = errno;

	free(*p);
	*p = NULL;
	errno = saved;
}

void fclosep(FILE **file)
{
	int saved = errno;

	if (*file)
		fclose(*file);
	*file = NULL;
	errno = saved;
}

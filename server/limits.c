/* SPDX-License-Identifier: MIT */
#include "limits.h"

#include <sys/resource.h>

#include "log.h"

uint32_t limits_connections(uint32_t wanted, uint64_t files)
{
	if (files >= (uint64_t)wanted + LIMITS_SPARE_FILES)
		return wanted;
	uint64_t room = files > LIMITS_SPARE_FILES ? files - LIMITS_SPARE_FILES : 0;
	uint64_t least = wanted < LIMITS_SPARE_FILES ? wanted : LIMITS_SPARE_FILES;
	return (uint32_t)(room > least ? room : least);
}

void limits_apply(struct config *c, bool told)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	uint32_t possible = limits_connections(c->connections, files.rlim_cur);
	if (possible < c->connections && c->connections_given && !told)
		log_warning("only %u connections at once are possible here, not %u: the system "
			    "allows %llu open files (LimitNOFILE= of the unit)",
			possible, c->connections, (unsigned long long)files.rlim_cur);
	c->connections = possible;
}

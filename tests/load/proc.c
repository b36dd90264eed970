/* SPDX-License-Identifier: MIT */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static uint64_t thread_cpu(pid_t pid, const char *thread)
{
	scoped(fclosep) FILE *file = NULL;
	char path[128];
	uint64_t on_cpu = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, thread);
	file = fopen(path, "re");
	return file && fscanf(file, "%" SCNu64, &on_cpu) == 1 ? on_cpu : 0;
}

int proc_cpu(pid_t pid, uint64_t *ret)
{
	scoped(closedirp) DIR *dir = NULL;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	*ret = 0;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			*ret += thread_cpu(pid, e->d_name);
	return 0;
}

int proc_memory(pid_t pid, uint64_t *ret_resident, uint64_t *ret_private)
{
	scoped(fclosep) FILE *file = NULL;
	char path[64], line[128];
	uint64_t kib;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	*ret_resident = *ret_private = 0;
	while (fgets(line, sizeof line, file)) {
		if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			*ret_resident = kib;
		if (sscanf(line, "Private_Clean: %" SCNu64, &kib) == 1 ||
			sscanf(line, "Private_Dirty: %" SCNu64, &kib) == 1)
			*ret_private += kib;
	}
	return 0;
}

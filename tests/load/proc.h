/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a process: the processor time and memory it has used. */
#ifndef MUSTER_LOAD_PROC_H
#define MUSTER_LOAD_PROC_H

#include <sys/types.h>

#include "lib/base.h"

/* Nanoseconds on a processor, of all its threads that live; /proc/PID/task/TID/schedstat. */
int proc_cpu(pid_t pid, uint64_t *ret) must_use;

/* KiB, of /proc/PID/smaps_rollup: what it holds, and what of that no other process does. */
int proc_memory(pid_t pid, uint64_t *ret_resident, uint64_t *ret_private) must_use;

#endif

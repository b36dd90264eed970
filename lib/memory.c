/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"

#define MUCH (4352u * 1024) /* resident, of a program at rest */

void memory_prepare(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 32 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 32 * 1024);
	(void)mallopt(M_TOP_PAD, 0);
}

static void drop(uintptr_t start, uintptr_t end)
{
	/* Without the first, one touch may map two megabytes. */
	(void)madvise((void *)start, end - start, MADV_NOHUGEPAGE);
	(void)madvise((void *)start, end - start, MADV_DONTNEED);
}

/* Of one program or library. Segments that can be written hold relocations and data: they must
 * stay. */
static int drop_unwritable(struct dl_phdr_info *info, size_t size, void *userdata)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)userdata;
	if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) /* the kernel's own */
		return 0;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t end =
			(info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);

		if (p->p_type == PT_LOAD && (p->p_flags & PF_W) == 0 && start < end)
			drop(start, end);
	}
	return 0;
}

/* In bytes; 0: not known. proc_pid_statm(5) */
static size_t resident(void)
{
	char text[128];
	scoped(closep) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	size_t pages = 0;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	return sscanf(text, "%*u %zu", &pages) == 1 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void memory_give_back(void)
{
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop_unwritable, NULL);
}

void memory_rest(void)
{
	if (resident() > MUCH)
		(void)dl_iterate_phdr(drop_unwritable, NULL);
}

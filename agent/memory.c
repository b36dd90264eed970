/* SPDX-License-Identifier: MIT */
#include "agent/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void memory_prepare(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 32 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 32 * 1024);
	(void)mallopt(M_TOP_PAD, 0);
}

/* Segments that can be written hold relocations and data: they must stay. */
static int drop_unwritable(struct dl_phdr_info *info, size_t size, void *userdata)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)userdata;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t end =
			(info->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);

		if (p->p_type != PT_LOAD || (p->p_flags & PF_W) || start >= end)
			continue;
		/* Only hints: where they aren't taken, pages stay mapped. Without the first, one
		 * touch may map two megabytes. */
		(void)madvise((void *)start, end - start, MADV_NOHUGEPAGE);
		(void)madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 1; /* the first is the program itself */
}

void memory_rest(void)
{
	(void)dl_iterate_phdr(drop_unwritable, NULL);
}

void memory_give_back(void)
{
	(void)malloc_trim(0);
	memory_rest();
}

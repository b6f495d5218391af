// Counts a thread's allocations by standing in front of glibc's allocator, which the whole process then reaches through here.
#include "AllocationCounter.h"

#include <errno.h>
#include <stddef.h>

#if defined(__GLIBC__)

#include <malloc.h>

static __thread uint64_t count;
static __thread int64_t live;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t number, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *pointer);

// The word before a block holds its size.
static int64_t size_of(void *pointer) { return pointer ? (int64_t)(malloc_usable_size(pointer) + sizeof(size_t)) : 0; }

static void *counted(void *pointer) {
  count += 1;
  live += size_of(pointer);
  return pointer;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }

void *calloc(size_t number, size_t size) { return counted(__libc_calloc(number, size)); }

void *realloc(void *pointer, size_t size) {
  int64_t old = size_of(pointer);
  void *moved = __libc_realloc(pointer, size);
  count += 1;
  // What could not be moved is still there, unless it was to be given back.
  if (moved || size == 0) live += size_of(moved) - old;
  return moved;
}

void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  void *pointer = counted(__libc_memalign(alignment, size));
  if (!pointer) return ENOMEM;
  *result = pointer;
  return 0;
}

void free(void *pointer) {
  live -= size_of(pointer);
  __libc_free(pointer);
}

uint64_t allocation_count(void) { return count; }
int64_t live_heap_bytes(void) { return live; }

#else

uint64_t allocation_count(void) { return 0; }
int64_t live_heap_bytes(void) { return 0; }

#endif

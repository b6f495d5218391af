#include "CProcess.h"

#ifdef __GLIBC__
#include <malloc.h>

void sotto_free_large_blocks(void) { mallopt(M_MMAP_THRESHOLD, 128 * 1024); }
void sotto_give_back_memory(void) { malloc_trim(0); }
#else
void sotto_free_large_blocks(void) {}
void sotto_give_back_memory(void) {}
#endif

#ifdef __linux__
#include <sys/prctl.h>

int sotto_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
#else
int sotto_forbid_dumps(void) { return 0; }
#endif

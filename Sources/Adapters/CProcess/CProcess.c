#include "CProcess.h"

#ifdef __linux__
#include <sys/prctl.h>

int sotto_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
#else
int sotto_forbid_dumps(void) { return 0; }
#endif

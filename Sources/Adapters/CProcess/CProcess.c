#include "CProcess.h"

#include <sys/stat.h>

#ifdef __linux__
#include <sys/prctl.h>

int sotto_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
#else
int sotto_forbid_dumps(void) { return 0; }
#endif

int sotto_file_mode(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? (int)status.st_mode : -1;
}

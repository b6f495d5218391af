#include "CFaultyVFS.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { DISK_COUNT = 32, PATH_LENGTH = 512 };

typedef struct {
  int is_used;
  char path[PATH_LENGTH];
  int kinds, nth, lasts, code, percent;
  int failure_count;
  long long log_room;
  long operations[5];
  int lies, records;
  faulty_event *events;
  long event_count, event_room;
} Disk;

typedef struct {
  sqlite3_file base;
  int disk, kind;
} File;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Disk disks[DISK_COUNT];
static sqlite3_vfs *below;
static sqlite3_vfs shim;
static sqlite3_io_methods methods;

// The real file lies behind ours, aligned like anything.
enum { HEAD = (sizeof(File) + 15) / 16 * 16 };

static sqlite3_file *real(sqlite3_file *file) { return (sqlite3_file *)((char *)file + HEAD); }

static int find_disk(const char *path) {
  if (!path) return -1;
  for (int i = 0; i < DISK_COUNT; i++) {
    size_t count = strlen(disks[i].path);
    if (disks[i].is_used && strncmp(path, disks[i].path, count) == 0 && path[count] == '/') return i;
  }
  return -1;
}

static int ends_with(const char *path, const char *suffix) {
  size_t count = strlen(path), end = strlen(suffix);
  return count >= end && strcmp(path + count - end, suffix) == 0;
}

static void note(Disk *disk, int kind, int file, long long offset, const void *bytes, long long byte_count) {
  if (!disk->records) return;
  if (disk->event_count == disk->event_room) {
    disk->event_room = disk->event_room ? 2 * disk->event_room : 1024;
    disk->events = realloc(disk->events, (size_t)disk->event_room * sizeof(faulty_event));
    if (!disk->events) abort();
  }
  unsigned char *copy = 0;
  if (bytes && byte_count > 0) {
    copy = malloc((size_t)byte_count);
    if (!copy) abort();
    memcpy(copy, bytes, (size_t)byte_count);
  }
  disk->events[disk->event_count++] = (faulty_event){kind, file, offset, byte_count, copy};
}

// Whether an operation fails now; to be called with the lock held.
static int fails(Disk *disk, int kind) {
  for (int bit = 0; bit < 5; bit++)
    if (kind == 1 << bit) disk->operations[bit]++;
  if (!(disk->kinds & kind)) return 0;
  if (disk->nth > 1) {
    disk->nth--;
    return 0;
  }
  if (!disk->lasts) disk->kinds = 0;
  disk->failure_count++;
  return disk->code;
}

static int file_close(sqlite3_file *file) { return real(file)->pMethods ? real(file)->pMethods->xClose(real(file)) : SQLITE_OK; }

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
  File *mine = (File *)file;
  pthread_mutex_lock(&lock);
  int code = fails(&disks[mine->disk], FAULTY_READ);
  pthread_mutex_unlock(&lock);
  return code ? code : real(file)->pMethods->xRead(real(file), bytes, count, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
  File *mine = (File *)file;
  Disk *disk = &disks[mine->disk];
  pthread_mutex_lock(&lock);
  int code = fails(disk, FAULTY_WRITE);
  if (!code && disk->log_room && mine->kind == 1 && offset + count > disk->log_room) {
    disk->failure_count++;
    code = SQLITE_FULL;
  }
  int written = code ? (int)((long long)count * disk->percent / 100) : count;
  int result = written > 0 ? real(file)->pMethods->xWrite(real(file), bytes, written, offset) : SQLITE_OK;
  if (result == SQLITE_OK && written > 0) note(disk, FAULTY_WROTE, mine->kind, offset, bytes, written);
  pthread_mutex_unlock(&lock);
  return code ? code : result;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
  File *mine = (File *)file;
  Disk *disk = &disks[mine->disk];
  pthread_mutex_lock(&lock);
  int code = fails(disk, FAULTY_TRUNCATE);
  int result = code ? code : real(file)->pMethods->xTruncate(real(file), size);
  if (result == SQLITE_OK) note(disk, FAULTY_TRUNCATED, mine->kind, size, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}

static int file_sync(sqlite3_file *file, int flags) {
  (void)flags;
  File *mine = (File *)file;
  Disk *disk = &disks[mine->disk];
  pthread_mutex_lock(&lock);
  int code = fails(disk, FAULTY_SYNC);
  note(disk, code ? FAULTY_SYNC_FAILED : disk->lies ? FAULTY_LIED : FAULTY_SYNCED, mine->kind, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  return code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) { return real(file)->pMethods->xFileSize(real(file), size); }
static int file_lock(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int file_unlock(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int file_is_locked(sqlite3_file *file, int *result) {
  return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
static int file_control(sqlite3_file *file, int operation, void *argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
static int file_sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int file_characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
static int file_map(sqlite3_file *file, int page, int size, int extends, void volatile **result) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extends, result);
}
static int file_map_lock(sqlite3_file *file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void file_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int file_unmap(sqlite3_file *file, int deletes) { return real(file)->pMethods->xShmUnmap(real(file), deletes); }

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags, int *result) {
  (void)vfs;
  pthread_mutex_lock(&lock);
  int index = find_disk(path);
  int refuses = index >= 0 && (flags & SQLITE_OPEN_READWRITE) && fails(&disks[index], FAULTY_OPEN);
  pthread_mutex_unlock(&lock);
  if (index < 0) return below->xOpen(below, path, file, flags, result);
  if (refuses) {
    // As SQLite does it: what cannot be written is opened to be read, if it is there.
    if (flags & SQLITE_OPEN_WAL) {
      file->pMethods = 0;
      return SQLITE_CANTOPEN;
    }
    flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  }
  File *mine = (File *)file;
  memset(file, 0, (size_t)shim.szOsFile);
  int code = below->xOpen(below, path, real(file), flags, result);
  if (code != SQLITE_OK) {
    file->pMethods = 0;
    return code;
  }
  mine->disk = index;
  mine->kind = ends_with(path, "-wal") ? 1 : ends_with(path, ".sqlite") ? 0 : 2;
  file->pMethods = &methods;
  return SQLITE_OK;
}

int faulty_install(void) {
  pthread_mutex_lock(&lock);
  int code = SQLITE_OK;
  if (!below) {
    below = sqlite3_vfs_find(0);
    if (below) {
      shim = *below;
      shim.zName = "faulty";
      shim.szOsFile = below->szOsFile + HEAD;
      shim.pNext = 0;
      shim.xOpen = vfs_open;
      methods = (sqlite3_io_methods){
          .iVersion = 2,
          .xClose = file_close,
          .xRead = file_read,
          .xWrite = file_write,
          .xTruncate = file_truncate,
          .xSync = file_sync,
          .xFileSize = file_size,
          .xLock = file_lock,
          .xUnlock = file_unlock,
          .xCheckReservedLock = file_is_locked,
          .xFileControl = file_control,
          .xSectorSize = file_sector_size,
          .xDeviceCharacteristics = file_characteristics,
          .xShmMap = file_map,
          .xShmLock = file_map_lock,
          .xShmBarrier = file_barrier,
          .xShmUnmap = file_unmap,
      };
      code = sqlite3_vfs_register(&shim, 1);
    } else {
      code = SQLITE_ERROR;
    }
  }
  pthread_mutex_unlock(&lock);
  return code;
}

int faulty_disk_add(const char *directory) {
  pthread_mutex_lock(&lock);
  int found = -1;
  for (int i = 0; i < DISK_COUNT && found < 0; i++) {
    if (disks[i].is_used || strlen(directory) >= PATH_LENGTH) continue;
    memset(&disks[i], 0, sizeof(Disk));
    strcpy(disks[i].path, directory);
    disks[i].is_used = 1;
    found = i;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

void faulty_disk_remove(int disk) {
  pthread_mutex_lock(&lock);
  for (long i = 0; i < disks[disk].event_count; i++) free((void *)disks[disk].events[i].bytes);
  free(disks[disk].events);
  memset(&disks[disk], 0, sizeof(Disk));
  pthread_mutex_unlock(&lock);
}

void faulty_disk_plan(int disk, int kinds, int nth, int lasts, int code, int percent) {
  pthread_mutex_lock(&lock);
  disks[disk].kinds = kinds;
  disks[disk].nth = nth;
  disks[disk].lasts = lasts;
  disks[disk].code = code;
  disks[disk].percent = percent;
  pthread_mutex_unlock(&lock);
}

void faulty_disk_mend(int disk) {
  faulty_disk_plan(disk, 0, 0, 0, 0, 0);
  faulty_disk_bound_log(disk, 0);
}

void faulty_disk_bound_log(int disk, long long byte_count) {
  pthread_mutex_lock(&lock);
  disks[disk].log_room = byte_count;
  pthread_mutex_unlock(&lock);
}

int faulty_disk_failure_count(int disk) {
  pthread_mutex_lock(&lock);
  int count = disks[disk].failure_count;
  pthread_mutex_unlock(&lock);
  return count;
}

long faulty_disk_operation_count(int disk, int kinds) {
  pthread_mutex_lock(&lock);
  long count = 0;
  for (int bit = 0; bit < 5; bit++)
    if (kinds & 1 << bit) count += disks[disk].operations[bit];
  pthread_mutex_unlock(&lock);
  return count;
}

void faulty_disk_lie(int disk, int lies) {
  pthread_mutex_lock(&lock);
  disks[disk].lies = lies;
  pthread_mutex_unlock(&lock);
}

void faulty_disk_record(int disk) {
  pthread_mutex_lock(&lock);
  disks[disk].records = 1;
  pthread_mutex_unlock(&lock);
}

long faulty_disk_event_count(int disk) {
  pthread_mutex_lock(&lock);
  long count = disks[disk].event_count;
  pthread_mutex_unlock(&lock);
  return count;
}

int faulty_disk_event(int disk, long index, faulty_event *event) {
  pthread_mutex_lock(&lock);
  int is_there = index >= 0 && index < disks[disk].event_count;
  if (is_there) *event = disks[disk].events[index];
  pthread_mutex_unlock(&lock);
  return is_there ? 0 : -1;
}

/* Loaded into a gate under test in front of the C library: every call on files below the watched directories is counted,
 * and, as the plan says, recorded, failed, torn, or the last thing that the process does. The gate itself knows nothing of it.
 *
 * $DISK_FAULTS is a directory: `plan` holds one line (`NUMBER ACTION OP PART NTH`, a new number begins to count anew), `fired`
 * is written when it came true, and what happens is appended to `trace` where that is there at the start.
 * $DISK_FAULTS_BELOW names the watched directories by parts of their paths, with colons between them.
 *
 * A record of the trace is `B id op offset length path\tpath\n` and so many bytes before the call, `E id result\n` behind it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 4096
#define PLAIN 0600

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_on;
static int trace = -1;
static char home[256], below[512];
static char *names[FILES];
static long next_id;
static struct plan { long number, nth, seen; char action[32], op[32], part[128]; } plan;

static int real_open(const char *path, int flags, int mode) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode); }

static void in_home(char *path, const char *name) { snprintf(path, 300, "%s/%s", home, name); }

__attribute__((constructor)) static void begin(int argc, char **argv) {
    const char *dir = getenv("DISK_FAULTS"), *parts = getenv("DISK_FAULTS_BELOW");
    if (!dir || !parts || argc < 2 || (strcmp(argv[1], "up") && strcmp(argv[1], "serve"))) return;
    snprintf(home, sizeof home, "%s", dir);
    snprintf(below, sizeof below, "%s", parts);
    char path[300];
    in_home(path, "trace");
    trace = real_open(path, O_WRONLY | O_APPEND, 0);
    is_on = 1;
}

static int is_watched(const char *path) {
    if (!is_on || !path || path[0] != '/') return 0;
    char parts[sizeof below], *rest = parts, *part;
    memcpy(parts, below, sizeof parts);
    while ((part = strsep(&rest, ":"))) if (strstr(path, part)) return 1;
    return 0;
}

static const char *name_of(int fd) { return is_on && fd >= 0 && fd < FILES ? names[fd] : 0; }

static void put(int fd, const void *bytes, size_t len) {
    if (syscall(SYS_write, fd, bytes, len) != (long)len) abort();
}

/* The plan of this moment; counting goes on while its number stays. */
static void read_plan(void) {
    char path[300], text[256] = {0};
    in_home(path, "plan");
    int file = real_open(path, O_RDONLY, 0);
    if (file < 0) { plan.number = 0; return; }
    long len = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    struct plan found = {0};
    if (len <= 0 || sscanf(text, "%ld %31s %31s %127s %ld", &found.number, found.action, found.op, found.part, &found.nth) != 5) { plan.number = 0; return; }
    if (found.number != plan.number) plan = found;
}

/* `part` is anywhere in the path; with a `$` behind it, at its end. */
static int is_part(const char *part, const char *path) {
    size_t len = strlen(part), of = strlen(path);
    if (!strcmp(part, "-")) return 1;
    if (part[len - 1] != '$') return strstr(path, part) != 0;
    return of >= len - 1 && !strncmp(path + of - (len - 1), part, len - 1);
}

/* What the plan wants of this call: its action, or nothing. */
static const char *wanted(const char *op, const char *path) {
    read_plan();
    if (!plan.number || (strcmp(plan.op, "any") && strcmp(plan.op, op)) || !is_part(plan.part, path)) return 0;
    plan.seen++;
    if (plan.nth && plan.seen != plan.nth) return 0;
    char file[300], line[700];
    in_home(file, "fired");
    int fired = real_open(file, O_WRONLY | O_CREAT | O_APPEND, PLAIN);
    if (fired >= 0) {
        put(fired, line, (size_t)snprintf(line, sizeof line, "%ld %s %s\n", plan.number, op, path));
        syscall(SYS_close, fired);
    }
    return plan.action;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

struct call { const char *op, *path, *other; const void *bytes; size_t len; long offset; };
typedef long (*real_call)(const struct call *call, void *with);

/* One call with all that may become of it. */
static long run(struct call call, real_call real, void *with) {
    pthread_mutex_lock(&lock);
    const char *action = wanted(call.op, call.path);
    long id = ++next_id;
    if (action && !strcmp(action, "kill-before")) die();
    if (action && !strncmp(action, "fail-", 5)) {
        pthread_mutex_unlock(&lock);
        errno = atoi(action + 5);
        return -1;
    }
    if (trace >= 0) {
        size_t len = call.bytes ? call.len : 0;
        char *record = malloc(len + 1024);
        size_t at = (size_t)snprintf(record, 1024, "B %ld %s %ld %zu %s\t%s\n", id, call.op, call.offset, len, call.path, call.other ? call.other : "");
        if (len) memcpy(record + at, call.bytes, len);
        put(trace, record, at + len);
        free(record);
    }
    if (action && !strcmp(action, "kill-torn")) { call.len /= 2; real(&call, with); die(); }
    pthread_mutex_unlock(&lock);
    long result = real(&call, with);
    int kept = errno;
    if (action && !strcmp(action, "kill-after")) die();
    if (trace >= 0) {
        char record[64];
        put(trace, record, (size_t)snprintf(record, sizeof record, "E %ld %ld\n", id, result));
    }
    errno = kept;
    return result;
}

static long real_write(const struct call *call, void *with) { return syscall(SYS_write, *(int *)with, call->bytes, call->len); }
static long real_pwrite(const struct call *call, void *with) { return syscall(SYS_pwrite64, *(int *)with, call->bytes, call->len, call->offset); }
static long real_fsync(const struct call *call, void *with) { (void)call; return syscall(SYS_fsync, *(int *)with); }
static long real_fdatasync(const struct call *call, void *with) { (void)call; return syscall(SYS_fdatasync, *(int *)with); }
static long real_ftruncate(const struct call *call, void *with) { return syscall(SYS_ftruncate, *(int *)with, call->offset); }
static long real_rename(const struct call *call, void *with) { (void)with; return syscall(SYS_renameat2, AT_FDCWD, call->path, AT_FDCWD, call->other, 0); }
static long real_link(const struct call *call, void *with) { return syscall(SYS_linkat, AT_FDCWD, call->path, AT_FDCWD, call->other, *(int *)with); }
static long real_unlink(const struct call *call, void *with) { (void)with; return syscall(SYS_unlinkat, AT_FDCWD, call->path, 0); }
static long real_mkdir(const struct call *call, void *with) { return syscall(SYS_mkdirat, AT_FDCWD, call->path, *(int *)with); }
static long real_openat(const struct call *call, void *with) { return real_open(call->path, ((int *)with)[0], ((int *)with)[1]); }

ssize_t write(int fd, const void *bytes, size_t len) {
    const char *name = name_of(fd);
    if (!name) return syscall(SYS_write, fd, bytes, len);
    struct stat stat;
    long at = fcntl(fd, F_GETFL) & O_APPEND && !fstat(fd, &stat) ? stat.st_size : lseek(fd, 0, SEEK_CUR);
    return run((struct call){"write", name, 0, bytes, len, at}, real_write, &fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) {
    const char *name = name_of(fd);
    if (!name) return syscall(SYS_pwrite64, fd, bytes, len, offset);
    return run((struct call){"write", name, 0, bytes, len, offset}, real_pwrite, &fd);
}
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) { return pwrite64(fd, bytes, len, offset); }

int fsync(int fd) {
    const char *name = name_of(fd);
    return name ? (int)run((struct call){.op = "sync", .path = name}, real_fsync, &fd) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    const char *name = name_of(fd);
    return name ? (int)run((struct call){.op = "sync", .path = name}, real_fdatasync, &fd) : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate64(int fd, off64_t len) {
    const char *name = name_of(fd);
    return name ? (int)run((struct call){.op = "truncate", .path = name, .offset = len}, real_ftruncate, &fd) : (int)syscall(SYS_ftruncate, fd, len);
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

int rename(const char *from, const char *to) {
    struct call call = {.op = "rename", .path = from, .other = to};
    return is_watched(to) || is_watched(from) ? (int)run(call, real_rename, 0) : (int)real_rename(&call, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    struct call call = {.op = "link", .path = from, .other = to};
    return is_watched(to) ? (int)run(call, real_link, &flags) : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlink(const char *path) {
    struct call call = {.op = "unlink", .path = path};
    return is_watched(path) ? (int)run(call, real_unlink, 0) : (int)real_unlink(&call, 0);
}

int mkdir(const char *path, mode_t mode) {
    struct call call = {.op = "mkdir", .path = path};
    int with = (int)mode;
    return is_watched(path) ? (int)run(call, real_mkdir, &with) : (int)real_mkdir(&call, &with);
}

/* Recorded with 1 for "made if it is not there" and 2 for "emptied". */
int open64(const char *path, int flags, ...) {
    int with[2] = {flags, 0};
    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        with[1] = va_arg(rest, int);
        va_end(rest);
    }
    struct call call = {.op = "open", .path = path, .offset = (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0)};
    if (!is_watched(path)) return (int)real_openat(&call, with);
    int fd = (int)run(call, real_openat, with);
    if (fd >= 0 && fd < FILES) names[fd] = strdup(path);
    return fd;
}
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return open64(path, flags, mode);
}

int close(int fd) {
    if (is_on && fd >= 0 && fd < FILES && names[fd]) {
        char *name = names[fd];
        names[fd] = 0;
        free(name);
    }
    return (int)syscall(SYS_close, fd);
}

/* What a disk does wrong, for any process that preloads this library.
 *
 * CHAOS_ROOT     only files below this directory are concerned
 * CHAOS_CONTROL  a file of `struct control`, mapped by every process, so that faults begin and end as it is written
 * CHAOS_JOURNAL  gets a line per operation that decides what a power cut leaves, if given:
 *                "S device inode size" a file or directory was synced, "R old<TAB>new" renamed,
 *                "D path" made, "X" something removed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    int32_t write_errno; /* every write fails with it, while it is not 0 */
    int32_t write_after; /* so many writes still succeed */
    int32_t sync_errno;  /* one fsync fails with it, as Linux reports a failed write once for each open file */
    int32_t sync_after;  /* so many syncs still succeed */
    int32_t change_errno; /* every rename, mkdir and unlink fails with it, while it is not 0 */
    int32_t read_errno;  /* every read fails with it, while it is not 0 */
    int32_t delay_us;    /* every write and sync takes so much longer */
    int32_t hits;        /* how often something has failed */
};

static struct control none;
static struct control *control = &none;
static const char *root;
static size_t root_length;
static int journal = -1;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("CHAOS_CONTROL");
    const char *lines = getenv("CHAOS_JOURNAL");
    root = getenv("CHAOS_ROOT");
    root_length = root ? strlen(root) : 0;
    if (path) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *place = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (place != MAP_FAILED)
            control = place;
        syscall(SYS_close, fd);
    }
    if (lines) {
        int fd = syscall(SYS_openat, AT_FDCWD, lines, O_WRONLY | O_APPEND | O_CLOEXEC);
        journal = fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the way of what counts descriptors */
        syscall(SYS_close, fd);
    }
}

static int below_root(const char *path) { return root_length && path && !strncmp(path, root, root_length); }

static int concerned(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return below_root(path);
}

static void note(const char *format, ...) {
    char line[9000];
    va_list arguments;
    if (journal < 0)
        return;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    syscall(SYS_write, journal, line, size);
}

static int fails(int error) {
    if (!error)
        return 0;
    __sync_add_and_fetch(&control->hits, 1);
    errno = error;
    return 1;
}

static void dawdle(void) {
    if (control->delay_us)
        usleep(control->delay_us);
}

/* True where the write must fail; the first one that does is cut short instead, as on a disk that is full now. */
static int write_fails(int fd, size_t *size) {
    if (!control->write_errno && !control->delay_us)
        return 0;
    if (!concerned(fd))
        return 0;
    dawdle();
    if (!control->write_errno)
        return 0;
    int left = __sync_sub_and_fetch(&control->write_after, 1);
    if (left > 0)
        return 0;
    if (left == 0 && control->write_errno == ENOSPC && *size > 1) {
        *size /= 2;
        return 0;
    }
    return fails(control->write_errno);
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) \
        next = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    NEXT(write);
    return fd > 2 && write_fails(fd, &size) ? -1 : next(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    NEXT(pwrite);
    return write_fails(fd, &size) ? -1 : next(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    NEXT(pwrite64);
    return write_fails(fd, &size) ? -1 : next(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
    NEXT(writev);
    size_t size = 1;
    return write_fails(fd, &size) ? -1 : next(fd, parts, number);
}

ssize_t read(int fd, void *data, size_t size) {
    NEXT(read);
    if (control->read_errno && fd > 2 && concerned(fd) && fails(control->read_errno))
        return -1;
    return next(fd, data, size);
}

static int synced(int fd, int (*next)(int)) {
    if (journal < 0 && !control->sync_errno && !control->delay_us)
        return next(fd);
    if (!concerned(fd))
        return next(fd);
    dawdle();
    int error = control->sync_errno;
    if (error && __sync_sub_and_fetch(&control->sync_after, 1) <= 0 &&
        __sync_bool_compare_and_swap(&control->sync_errno, error, 0) && fails(error))
        return -1;
    struct stat before;
    fstat(fd, &before); /* what grows meanwhile may not be on the disk */
    int result = next(fd);
    if (!result)
        note("S %lu %lu %ld\n", (unsigned long)before.st_dev, (unsigned long)before.st_ino, (long)before.st_size);
    return result;
}

int fsync(int fd) {
    NEXT(fsync);
    return synced(fd, next);
}

int fdatasync(int fd) {
    NEXT(fdatasync);
    return synced(fd, next);
}

int rename(const char *old, const char *new) {
    NEXT(rename);
    if (!below_root(new))
        return next(old, new);
    if (fails(control->change_errno))
        return -1;
    struct stat present;
    int replaces = !lstat(new, &present);
    int result = next(old, new);
    if (!result)
        replaces ? note("X\n") : note("R %s\t%s\n", old, new);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir);
    if (!below_root(path))
        return next(path, mode);
    if (fails(control->change_errno))
        return -1;
    int result = next(path, mode);
    if (!result)
        note("D %s\n", path);
    return result;
}

int unlink(const char *path) {
    NEXT(unlink);
    if (!below_root(path))
        return next(path);
    if (fails(control->change_errno))
        return -1;
    int result = next(path);
    if (!result)
        note("X\n");
    return result;
}

int unlinkat(int fd, const char *path, int flags) {
    NEXT(unlinkat);
    if (!(fd == AT_FDCWD ? below_root(path) : concerned(fd)))
        return next(fd, path, flags);
    if (fails(control->change_errno))
        return -1;
    int result = next(fd, path, flags);
    if (!result)
        note("X\n");
    return result;
}

int rmdir(const char *path) {
    NEXT(rmdir);
    int result = next(path);
    if (!result && below_root(path))
        note("X\n");
    return result;
}

int statvfs(const char *path, struct statvfs *found) {
    NEXT(statvfs);
    int result = next(path, found);
    if (!result && control->write_errno == ENOSPC && below_root(path))
        found->f_bavail = found->f_bfree = 0;
    return result;
}

int statvfs64(const char *path, struct statvfs64 *found) {
    NEXT(statvfs64);
    int result = next(path, found);
    if (!result && control->write_errno == ENOSPC && below_root(path))
        found->f_bavail = found->f_bfree = 0;
    return result;
}

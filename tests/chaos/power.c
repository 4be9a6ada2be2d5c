/* Preloaded: of every file under POWER_ROOT it keeps, in POWER_SHADOW and by inode, what the file held when it was last
 * synced. It emulates a disk that has written nothing else yet: what was written and not synced is nowhere. Kept as a
 * whole file at each fsync, fdatasync and msync, under a lock, so that several processes may write one file.
 *
 * The disk itself is not waited for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_ours(const char *path) {
    const char *root = getenv("POWER_ROOT");
    return root && getenv("POWER_SHADOW") && !strncmp(path, root, strlen(root));
}

static void shadow_of(ino_t inode, const char *end, char *to) {
    snprintf(to, PATH_MAX, "%s/%llu%s", getenv("POWER_SHADOW"), (unsigned long long)inode, end);
}

static int copy(int from, int to) {
    static __thread char octets[1 << 16];
    ssize_t got;
    for (off_t at = 0; (got = pread(from, octets, sizeof octets, at)) > 0; at += got)
        if (write(to, octets, got) != got) return -1;
    return got < 0 ? -1 : 0;
}

/* Keep what the file holds now. The descriptor itself is read: to close another of the same file would end the locks
 * that SQLite holds on it. */
static int keep(int file, const char *path) {
    char lock_name[PATH_MAX], draft[PATH_MAX], name[PATH_MAX];
    struct stat found;
    if (fstat(file, &found)) return -1;
    if (!S_ISREG(found.st_mode)) return 0;
    shadow_of(0, ".lock", lock_name), shadow_of(found.st_ino, ".new", draft), shadow_of(found.st_ino, "", name);
    int lock = open(lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), from = file, status = -1;
    if (lock < 0) return -1;
    if (!flock(lock, LOCK_EX)) {
        if ((fcntl(file, F_GETFL) & O_ACCMODE) == O_WRONLY) from = open(path, O_RDONLY | O_CLOEXEC);
        int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (from >= 0 && to >= 0 && !copy(from, to) && !close(to)) status = rename(draft, name);
        if (from != file && from >= 0) close(from);
    }
    close(lock);
    return status;
}

static int synced(int file, const char *real) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (is_ours(path)) return keep(file, path);
    return ((int (*)(int))dlsym(RTLD_NEXT, real))(file);
}

int fsync(int file) { return synced(file, "fsync"); }

int fdatasync(int file) { return synced(file, "fdatasync"); }

/* The only mapping that is synced is a worker's journal: the file is looked for by where it is mapped. */
int msync(void *address, size_t length, int flags) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128], path[PATH_MAX];
    unsigned long long start;
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%llx-%*x %*s %*s %*s %*s %4095[^\n]", &start, path) == 2 && (void *)start == address && is_ours(path)) {
            int file = open(path, O_RDONLY | O_CLOEXEC), status = file < 0 ? -1 : keep(file, path);
            if (file >= 0) close(file);
            fclose(maps);
            return status;
        }
    if (maps) fclose(maps);
    return ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync"))(address, length, flags);
}

/* An inode that is given away must not bring back what another file held. */
static void forget(const char *path) {
    char name[PATH_MAX], real[PATH_MAX];
    struct stat found;
    if (!realpath(path, real) || !is_ours(real) || stat(real, &found) || found.st_nlink > 1) return;
    shadow_of(found.st_ino, "", name);
    remove(name);
}

int unlink(const char *path) {
    forget(path);
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}

int rename(const char *from, const char *to) {
    forget(to);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

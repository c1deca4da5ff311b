/* Loaded before libc: makes the n-th call of one kind on files of a certain path fail, once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int calls;

static int strikes(const char *kind, int file) {
    const char *wanted = getenv("FAULT_KIND"), *path = getenv("FAULT_PATH");
    char link[64], name[4096];
    if (!wanted || strcmp(kind, wanted)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    if (!strstr(name, path)) return 0;
    return ++calls == atoi(getenv("FAULT_AT"));
}

static ssize_t put(int file, const void *from, size_t size, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    if (strikes("write", file)) { errno = EIO; return -1; }
    if (strikes("full", file)) { errno = ENOSPC; return -1; }
    if (strikes("short", file)) size -= size / 2;
    return real(file, from, size, at);
}

ssize_t pwrite64(int file, const void *from, size_t size, off64_t at) { return put(file, from, size, at); }
ssize_t pwrite(int file, const void *from, size_t size, off_t at) { return put(file, from, size, at); }

static ssize_t get(int file, void *to, size_t size, off64_t at) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    if (strikes("read", file)) { errno = EIO; return -1; }
    return real(file, to, size, at);
}

ssize_t pread64(int file, void *to, size_t size, off64_t at) { return get(file, to, size, at); }
ssize_t pread(int file, void *to, size_t size, off_t at) { return get(file, to, size, at); }

static int synced(const char *name, int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    if (strikes("sync", file)) { errno = EIO; return -1; }
    return real(file);
}

int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }

int flock(int file, int how) {
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    if (strikes("ENOLCK", file)) { errno = ENOLCK; return -1; }
    if (strikes("EOPNOTSUPP", file)) { errno = EOPNOTSUPP; return -1; }
    return real(file, how);
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) { fprintf(file, "%d", calls); fclose(file); }
}

/* tests/bench/loop.c - the timed loops of the benchmarks.
 *
 * An interpreter's own cost would drown calls of a few microseconds, so each
 * loop is here; tests/bench/run decides what is compared with what. Prints
 * nanoseconds a call (read: a byte) as a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char block[1 << 20];

/* The files of a directory are named f0, f1, ... */
static void name_of(char *path, size_t size, const char *dir, long i)
{
	snprintf(path, size, "%s/f%ld", dir, i);
}

static void read_whole(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		fail(path);
	while ((n = read(fd, block, sizeof(block))) > 0)
		;
	if (n < 0)
		fail(path);
	close(fd);
}

/* PATH TIMES: whole reads by 1 MiB; ns a byte */
static double do_read(char **arg)
{
	long i, times = strtol(arg[1], NULL, 10);
	int64_t sum = 0, start = now_ns();

	for (i = 0; i < times; i++) {
		int fd = open(arg[0], O_RDONLY);
		ssize_t n;

		if (fd < 0)
			fail(arg[0]);
		while ((n = read(fd, block, sizeof(block))) > 0)
			sum += n;
		if (n < 0)
			fail(arg[0]);
		close(fd);
	}
	return (double)(now_ns() - start) / (double)(sum ? sum : 1);
}

/* DIR COUNT: open, read, close of f0 ...; ns a file */
static double do_small(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	int64_t start = now_ns();
	char path[4096];

	for (i = 0; i < n; i++) {
		name_of(path, sizeof(path), arg[0], i);
		read_whole(path);
	}
	return (double)(now_ns() - start) / (double)n;
}

/* PATH COUNT: open and close of one file; ns a time */
static double do_open(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	int64_t start = now_ns();

	for (i = 0; i < n; i++) {
		int fd = open(arg[0], O_RDONLY);

		if (fd < 0)
			fail(arg[0]);
		close(fd);
	}
	return (double)(now_ns() - start) / (double)n;
}

/* DIR COUNT SIZE: create, write, close; ns a file */
static double do_create(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	size_t size = strtoul(arg[2], NULL, 10);
	int64_t start = now_ns();
	char path[4096];

	for (i = 0; i < n; i++) {
		int fd;

		name_of(path, sizeof(path), arg[0], i);
		/* no two alike: the same content is kept once */
		memcpy(block, &i, sizeof(i));
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, block, size) != (ssize_t)size ||
		    close(fd) < 0)
			fail(path);
	}
	return (double)(now_ns() - start) / (double)n;
}

/* DIR COUNT: ns a file */
static double do_unlink(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	int64_t start = now_ns();
	char path[4096];

	for (i = 0; i < n; i++) {
		name_of(path, sizeof(path), arg[0], i);
		if (unlink(path) < 0)
			fail(path);
	}
	return (double)(now_ns() - start) / (double)n;
}

/* A file's bytes, in memory. */
static const char *load(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE,
		 fd, 0);
	if (p == MAP_FAILED)
		fail(path);
	close(fd);
	*ret_size = (size_t)st.st_size;
	return p;
}

/* Writes it all, in blocks; ns until close returned, and, durable, until
 * fsync did. */
static double write_all(char **arg, int durable)
{
	size_t size, off, n, piece = strtoul(arg[2], NULL, 10);
	const char *p = load(arg[0], &size);
	int64_t start = now_ns();
	int fd = open(arg[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		fail(arg[1]);
	for (off = 0; off < size; off += n) {
		n = size - off < piece ? size - off : piece;
		if (write(fd, p + off, n) != (ssize_t)n)
			fail(arg[1]);
	}
	if ((durable && fsync(fd) < 0) || close(fd) < 0)
		fail(arg[1]);
	return (double)(now_ns() - start);
}

/* FROM TO BLOCK: writes FROM's bytes to TO; ns in all */
static double do_write(char **arg)
{
	return write_all(arg, 0);
}

/* The same until it is durable. */
static double do_durable(char **arg)
{
	return write_all(arg, 1);
}

/* DIR COUNT SIZE: create, write, fsync, close; ns a file */
static double do_commit(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	size_t size = strtoul(arg[2], NULL, 10);
	int64_t sum = 0, start;
	char path[4096];

	for (i = 0; i < n; i++) {
		int fd;

		name_of(path, sizeof(path), arg[0], i);
		memcpy(block, &i, sizeof(i));
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, block, size) != (ssize_t)size)
			fail(path);
		start = now_ns();
		if (fsync(fd) < 0)
			fail(path);
		sum += now_ns() - start;
		close(fd);
	}
	return (double)sum / (double)n;
}

/* PATH COUNT SIZE: appends to one file, fdatasync each time; ns a time */
static double do_append(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	size_t size = strtoul(arg[2], NULL, 10);
	int fd = open(arg[0], O_WRONLY | O_CREAT | O_APPEND, 0644);
	int64_t sum = 0, start;

	if (fd < 0)
		fail(arg[0]);
	for (i = 0; i < n; i++) {
		if (write(fd, block, size) != (ssize_t)size)
			fail(arg[0]);
		start = now_ns();
		if (fdatasync(fd) < 0)
			fail(arg[0]);
		sum += now_ns() - start;
	}
	close(fd);
	return (double)sum / (double)n;
}

/* DIR FANOUT COUNT: makes that many empty files, FANOUT a directory; ns a
 * file */
static double do_tree(char **arg)
{
	long i, fanout = strtol(arg[1], NULL, 10);
	long n = strtol(arg[2], NULL, 10);
	int64_t start = now_ns();
	char path[4096];
	int fd;

	for (i = 0; i < n; i++) {
		if (i % fanout == 0) {
			snprintf(path, sizeof(path), "%s/d%ld", arg[0],
				 i / fanout);
			if (mkdir(path, 0755) < 0)
				fail(path);
		}
		snprintf(path, sizeof(path), "%s/d%ld/file-%ld", arg[0],
			 i / fanout, i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || close(fd) < 0)
			fail(path);
	}
	return (double)(now_ns() - start) / (double)n;
}

/* PATH COUNT: 4 KiB anywhere in the file; ns a time */
static double do_random(char **arg)
{
	long i, n = strtol(arg[1], NULL, 10);
	int fd = open(arg[0], O_RDONLY);
	uint64_t x = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */
	struct stat st;
	int64_t start;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(arg[0]);
	start = now_ns();
	for (i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (pread(fd, block, 4096,
			  (off_t)(x % (uint64_t)(st.st_size / 4096)) * 4096) !=
		    4096)
			fail(arg[0]);
	}
	close(fd);
	return (double)(now_ns() - start) / (double)n;
}

static long walked;

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_NS || type == FTW_DNR)
		fail(path);
	walked++;
	return 0;
}

/* DIR: lstat of all there is, as find does; ns a file */
static double do_walk(char **arg)
{
	int64_t start = now_ns();

	walked = 0;
	if (nftw(arg[0], visit, 64, FTW_PHYS) < 0)
		fail(arg[0]);
	return (double)(now_ns() - start) / (double)walked;
}

/* FILE: lstat of each path that a line of FILE names; ns a path */
static double do_stat(char **arg)
{
	FILE *f = fopen(arg[0], "r");
	int64_t sum = 0, start;
	char path[4096];
	struct stat st;
	long n = 0;

	if (!f)
		fail(arg[0]);
	while (fgets(path, sizeof(path), f)) {
		path[strcspn(path, "\n")] = '\0';
		start = now_ns();
		if (lstat(path, &st) < 0)
			fail(path);
		sum += now_ns() - start;
		n++;
	}
	fclose(f);
	return (double)sum / (double)(n ? n : 1);
}

static const struct loop {
	const char *name;
	int args;
	double (*run)(char **arg);
} loops[] = {
	{"read", 2, do_read},	    {"small", 2, do_small},
	{"open", 2, do_open},	    {"create", 3, do_create},
	{"unlink", 2, do_unlink},   {"write", 3, do_write},
	{"durable", 3, do_durable}, {"commit", 3, do_commit},
	{"append", 3, do_append},   {"tree", 3, do_tree},
	{"random", 2, do_random},   {"walk", 1, do_walk},
	{"stat", 1, do_stat},
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 2654435761u >> 13);
	for (i = 0; argc > 1 && i < sizeof(loops) / sizeof(*loops); i++)
		if (!strcmp(argv[1], loops[i].name) &&
		    argc - 2 == loops[i].args) {
			printf("%.4f\n", loops[i].run(argv + 2));
			return 0;
		}
	fprintf(stderr, "loop: read PATH TIMES | small DIR COUNT | "
			"open PATH COUNT | create DIR COUNT SIZE | "
			"unlink DIR COUNT | write FROM TO BLOCK | "
			"durable FROM TO BLOCK | commit DIR COUNT SIZE | "
			"append PATH COUNT SIZE | tree DIR FANOUT COUNT | "
			"random PATH COUNT | walk DIR | stat FILE\n");
	return 2;
}

/* tests/bench/loop.c - the timed loops of the benchmarks.
 *
 * An interpreter's own cost would drown calls of a few microseconds, so each
 * loop is here; tests/bench/run decides what is compared with what. Prints
 * nanoseconds a call (read: a byte) as a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static const struct loop {
	const char *name;
	int args;
	double (*run)(char **arg);
} loops[] = {
	{"read", 2, do_read},	  {"small", 2, do_small},
	{"open", 2, do_open},	  {"create", 3, do_create},
	{"unlink", 2, do_unlink},
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
			"open PATH "
			"COUNT | create DIR COUNT SIZE | unlink DIR COUNT\n");
	return 2;
}

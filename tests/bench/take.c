/* tests/bench/take.c - what taking bytes in costs by itself: a bare loop that
 * cuts, hashes and compresses.
 *
 *	take FILE THREADS [OUT]
 *
 * Prints the nanoseconds it took. The file is in memory before the clock runs.
 * With OUT what was compressed is also appended to that file, which is on the
 * disk (fdatasync) when the clock stops. Without an index, without an order.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cas/chunker.h"
#include "cas/codec.h"
#include "core/addr.h"
#include "core/clock.h"

static struct {
	pthread_mutex_t lock;
	struct chunker chunker;
	struct cutter cutter;
	const uint8_t *p;
	size_t n, off;
	int out; /* -1: none */
	uint64_t end;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .out = -1};

static void fail(const char *what)
{
	fprintf(stderr, "take: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The next piece; 0: no more. Cutting is a matter of one at a time. */
static size_t next_piece(const uint8_t **ret)
{
	size_t len = 0;

	pthread_mutex_lock(&all.lock);
	if (all.off < all.n) {
		*ret = all.p + all.off;
		if (cutter_next(&all.cutter, &all.chunker, *ret,
				all.n - all.off, true, &len) == PIECE_HOLE)
			*ret = NULL;
		all.off += len;
	}
	pthread_mutex_unlock(&all.lock);
	return len;
}

static void append(const void *p, size_t n)
{
	uint64_t at = __atomic_fetch_add(&all.end, n, __ATOMIC_RELAXED);

	if (pwrite(all.out, p, n, (off_t)at) != (ssize_t)n)
		fail("write");
}

static void *work(void *arg)
{
	struct codec_pool *pool = arg;
	struct codec *codec = codec_take(pool);
	enum codec_id id;
	struct addr a;
	const uint8_t *p = NULL;
	const void *to;
	size_t n, stored;

	while (codec && (n = next_piece(&p))) {
		if (!p)
			continue;
		addr_of(OBJ_CHUNK, p, n, &a);
		if (codec_encode(codec, p, n, &id, &to, &stored) < 0)
			fail("compress");
		if (all.out >= 0)
			append(to, stored);
	}
	codec_give(pool, codec);
	return NULL;
}

static void load(const char *path)
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
	all.p = p;
	all.n = (size_t)st.st_size;
	close(fd);
}

int main(int argc, char **argv)
{
	struct codec_pool *pool = codec_pool_new();
	pthread_t threads[64];
	long count, i;
	int64_t start;

	if (argc < 3 || argc > 4 || !pool) {
		fprintf(stderr, "usage: take FILE THREADS [OUT]\n");
		return 2;
	}
	count = strtol(argv[2], NULL, 10);
	count = MIN(MAX(count, 1L), (long)ARRAY_LEN(threads));
	load(argv[1]);
	chunker_init(&all.chunker);
	start = clock_mono_ns();
	if (argc == 4) {
		all.out = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (all.out < 0)
			fail(argv[3]);
	}
	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, work, pool))
			fail("pthread_create");
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (all.out >= 0 && fdatasync(all.out) < 0)
		fail("fdatasync");
	printf("%" PRId64 "\n", clock_mono_ns() - start);
	codec_pool_free(pool);
	return 0;
}

/* tests/bench/splice.c - what inserting and deleting bytes in the middle of a
 * large content costs, through cas/blob_splice.h.
 *
 *	splice STORE SIZE COUNT
 *
 * Makes the store, and in it a content of that size: noise of up to 64 MiB,
 * over and over. Prints the median nanoseconds of COUNT insertions of 77 bytes,
 * and of as many deletions, each at another offset of the same content.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cas/blob_splice.h"
#include "core/clock.h"

static void check(const char *what, int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "splice: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void make(struct store *s, uint64_t size, struct addr *ret)
{
	size_t n = (size_t)MIN(size, MIB(64)), i, part;
	uint8_t *p = malloc(n);
	struct blob_edit e = {0};
	struct blob *b;
	uint64_t have;

	for (i = 0; p && i < n; i += part) {
		part = MIN(n - i, (size_t)256);
		if (getrandom(p + i, part, 0) < 0)
			check("getrandom", -errno);
	}
	check("put", p ? blob_put(s, p, n, ret) : -ENOMEM);
	free(p);
	for (have = n; have < size; have += e.insert) {
		check("open", blob_open(s, ret, &b));
		e.off = have;
		e.insert = MIN(have, size - have);
		e.from = b;
		check("splice", blob_splice(s, b, &e, 1, ret, NULL));
		blob_close(b);
	}
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int64_t median(struct blob *b, struct store *s, unsigned count,
		      bool insert)
{
	int64_t *ns = calloc(count, sizeof(*ns)), start, result;
	struct blob_edit e = {0};
	uint8_t bytes[77];
	struct addr a;
	unsigned i;

	if (!ns)
		check("median", -ENOMEM);
	for (i = 0; i < count; i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		e.off = blob_size(b) / (count + 1) * (i + 1) + i;
		e.bytes = insert ? bytes : NULL;
		e.insert = insert ? sizeof(bytes) : 0;
		e.remove = insert ? 0 : sizeof(bytes);
		start = clock_mono_ns();
		check("splice", blob_splice(s, b, &e, 1, &a, NULL));
		ns[i] = clock_mono_ns() - start;
	}
	qsort(ns, count, sizeof(*ns), by_value);
	result = ns[count / 2];
	free(ns);
	return result;
}

int main(int argc, char **argv)
{
	struct err err = {""};
	struct store *s;
	struct blob *b;
	unsigned count;
	struct addr a;

	if (argc != 4) {
		fprintf(stderr, "usage: splice STORE SIZE COUNT\n");
		return 2;
	}
	count = (unsigned)strtoul(argv[3], NULL, 10);
	if (store_open(argv[1], STORE_CREATE, &s, &err) < 0) {
		fprintf(stderr, "splice: %s\n", err.msg);
		return 1;
	}
	make(s, strtoull(argv[2], NULL, 10), &a);
	check("open", blob_open(s, &a, &b));
	printf("%" PRId64 "\n", median(b, s, count, true));
	printf("%" PRId64 "\n", median(b, s, count, false));
	blob_close(b);
	check("close", store_close(s));
	return 0;
}

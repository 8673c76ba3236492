/* CSV: the same records however the bytes are cut; what was accepted is written
 * so that it is read as the same records. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "recipes/csv.h"

static int put_record(void *ctx, const struct csv_record *r)
{
	struct buf *b = ctx;
	size_t i;

	REQUIRE(r->n >= 1 && r->line >= 1);
	for (i = 0; i < r->n; i++) {
		if (i)
			buf_u8(b, ',');
		csv_put(b, ',', r->fields[i], r->n == 1);
	}
	buf_u8(b, '\n');
	return 0;
}

static int pass(const uint8_t *data, size_t size, size_t piece, struct buf *ret)
{
	CLEANUP(csv_freep) struct csv *c = NULL;
	size_t n;
	int rc = csv_new(',', put_record, ret, &c);

	for (; size && rc >= 0; data += n, size -= n) {
		n = MIN(piece, size);
		rc = csv_feed(c, data, n, NULL);
	}
	return rc < 0 ? rc : csv_end(c, NULL);
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	       (!a->len || !memcmp(a->data, b->data, a->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf whole = BUF_INIT, cut = BUF_INIT;
	CLEANUP_BUF struct buf again = BUF_INIT;
	int rc = pass(data, size, SIZE_MAX, &whole);

	REQUIRE(rc == 0 || rc == -EILSEQ || rc == -E2BIG);
	REQUIRE(pass(data, size, 1, &cut) == rc);
	if (rc < 0)
		return 0;
	REQUIRE(same(&whole, &cut));
	REQUIRE(pass(whole.data, whole.len, 5, &again) == 0);
	REQUIRE(same(&whole, &again));
	return 0;
}

#include "cas/blob_spans.h"

#include <errno.h>
#include <limits.h>

#include "cas/blob_reader.h"

static const uint8_t zeros[KIB(64)];

static int add(struct blob_spans *s, const void *p, size_t n,
	       const struct cached *held, bool ended)
{
	if (s->count == BLOB_SPANS_MAX)
		return -E2BIG;
	s->iov[s->count] = (struct iovec){
		.iov_base = (void *)(uintptr_t)p,
		.iov_len = n,
	};
	s->held[s->count] = held;
	s->ended[s->count] = ended;
	s->count++;
	return 0;
}

static int add_hole(struct blob_spans *s, size_t n)
{
	size_t piece;
	int rc = 0;

	for (; n && !rc; n -= piece) {
		piece = MIN(n, sizeof(zeros));
		rc = add(s, zeros, piece, NULL, false);
	}
	return rc;
}

static int add_chunk(struct blob_spans *s, const struct addr *a, uint64_t size,
		     uint64_t off, size_t n)
{
	const struct cached *c;
	int rc = blob_chunk(s->store, a, size, &c);

	if (rc)
		return rc;
	rc = add(s, (const char *)c->data + off, n, c, off + n == size);
	if (rc)
		cache_put(store_chunk_cache(s->store), c);
	return rc;
}

/* From offset off of the node's content, at most n bytes; how many. */
static ssize_t add_leaf(struct blob_spans *s, const struct node *leaf, size_t n,
			uint64_t off)
{
	const struct node_entry *e;
	size_t done = 0, len;
	uint64_t start;
	uint32_t i;
	int rc;

	for (i = node_find(leaf, off); done < n && i < leaf->count; i++) {
		e = &leaf->e[i];
		start = off + done - node_start(leaf, i);
		len = (size_t)MIN((uint64_t)(n - done), e->size - start);
		rc = node_is_hole(e)
			     ? add_hole(s, len)
			     : add_chunk(s, &e->addr, e->size, start, len);
		if (rc)
			return rc;
		done += len;
	}
	return (ssize_t)done;
}

static int add_all(struct blob *b, size_t n, uint64_t off, struct blob_spans *s)
{
	const struct cached *leaf;
	uint64_t base;
	size_t done;
	ssize_t got;
	int rc;

	if (!b->node)
		return add_chunk(s, &b->root, b->size, off, n);
	for (done = 0; done < n; done += (size_t)got) {
		rc = blob_leaf(b, off + done, &leaf, &base);
		if (rc)
			return rc;
		got = add_leaf(s, leaf->data, n - done, off + done - base);
		blob_put_node(b->s, leaf);
		if (got < 0)
			return (int)got;
	}
	return 0;
}

int blob_spans(struct blob *b, size_t n, uint64_t off, struct blob_spans *ret)
{
	int rc;

	ret->store = b->s;
	ret->count = 0;
	if (off >= b->size)
		return 0;
	n = (size_t)MIN((uint64_t)n, b->size - off);
	rc = add_all(b, MIN(n, (size_t)INT_MAX), off, ret);
	if (rc)
		blob_spans_done(ret);
	return rc;
}

void blob_spans_done(struct blob_spans *s)
{
	struct cache *chunks = store_chunk_cache(s->store);
	int i;

	for (i = 0; i < s->count; i++)
		(s->ended[i] ? cache_drop : cache_put)(chunks, s->held[i]);
	s->count = 0;
}

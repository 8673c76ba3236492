#include "cas/node.h"

#include "cas/chunker.h"

bool node_cuts(uint32_t count, const struct addr *a)
{
	if (count >= NODE_MAX)
		return true;
	/* fan-out 128 on average; a hole's address says nothing */
	return count >= 2 && !(get_le32(a->b) & 127) && !addr_is_zero(a);
}

void node_begin(struct buf *b)
{
	static const uint8_t header[NODE_HEADER_LEN];

	buf_reset(b);
	buf_add(b, header, sizeof(header));
}

void node_add(struct buf *b, const struct addr *a, uint64_t size)
{
	buf_add(b, a->b, ADDR_LEN);
	buf_u64(b, size);
}

void node_end(struct buf *b, uint32_t height, uint32_t count)
{
	if (b->failed)
		return;
	put_le32(b->data, height);
	put_le32(b->data + 4, count);
}

/* What FastCDC and the rule of holes leave possible at height 1. */
static bool leaf_possible(const struct node *n, uint32_t i)
{
	const struct node_entry *e = &n->e[i];
	const struct node_entry *before = i ? e - 1 : NULL;

	if (node_is_hole(e))
		return e->size > HOLE_MORE_THAN &&
		       !(before && node_is_hole(before));
	if (e->size > CHUNK_MAX)
		return false;
	/* only the last chunk of a segment is that short */
	return !before || node_is_hole(before) || before->size > CHUNK_MIN;
}

static bool entry_possible(const struct node *n, uint32_t i)
{
	const struct node_entry *e = &n->e[i];

	if (!e->size)
		return false;
	if (i + 1 < n->count && node_cuts(i + 1, &e->addr))
		return false;
	return n->height == 1 ? leaf_possible(n, i) : !node_is_hole(e);
}

int node_decode(const void *p, size_t len, struct node **ret)
{
	CLEANUP_FREE struct node *n = NULL;
	struct cur c = cur_of(p, len);
	uint32_t height = cur_u32(&c), count = cur_u32(&c), i;
	const void *a;

	if (c.bad || !height || height > NODE_HEIGHT_MAX || !count ||
	    count > NODE_MAX ||
	    len != NODE_HEADER_LEN + (size_t)count * NODE_ENTRY_LEN)
		return -EBADMSG;
	n = calloc(1, sizeof(*n) + count * sizeof(n->e[0]));
	if (!n)
		return -ENOMEM;
	n->height = height;
	n->count = count;
	for (i = 0; i < count; i++) {
		a = cur_bytes(&c, ADDR_LEN);
		memcpy(n->e[i].addr.b, a, ADDR_LEN);
		n->e[i].size = cur_u64(&c);
		if (!entry_possible(n, i) ||
		    n->e[i].size > BLOB_SIZE_MAX - n->size)
			return -EBADMSG;
		n->size += n->e[i].size;
		n->e[i].end = n->size;
	}
	*ret = steal(&n);
	return 0;
}

uint32_t node_find(const struct node *n, uint64_t off)
{
	uint32_t lo = 0, hi = n->count - 1, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (off < n->e[mid].end)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

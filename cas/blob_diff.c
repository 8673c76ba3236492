#include "cas/blob_diff.h"

#include <errno.h>

#include "cas/blob_reader.h"
#include "core/map.h"

/* Both trees are opened level by level, from the higher one down. On each level
 * what stands in both lists is struck out; what is left is opened into the list
 * of the level below. As nodes are cut by what their children's addresses say,
 * the lists meet again behind each difference. */

struct part {
	struct addr addr;
	uint64_t off, size;
	uint32_t height; /* 0: a chunk or hole */
	bool common;
};

struct parts {
	struct part *list;
	size_t n, cap;
};

static void parts_done(struct parts *p)
{
	free(p->list);
	*p = (struct parts){0};
}

static int parts_add(struct parts *p, const struct part *part)
{
	struct part *more;
	size_t cap;

	if (p->n == p->cap) {
		cap = p->cap ? p->cap * 2 : 64;
		more = reallocarray(p->list, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->list = more;
		p->cap = cap;
	}
	p->list[p->n++] = *part;
	return 0;
}

/* --- what is in both -------------------------------------------------------
 */

#define PART_KEY (ADDR_LEN + sizeof(uint64_t))

/* A hole is its length; an address says the rest. */
static void part_key(const struct part *p, uint8_t key[PART_KEY])
{
	memcpy(key, p->addr.b, ADDR_LEN);
	memcpy(key + ADDR_LEN, &p->size, sizeof(p->size));
}

/* How many of each there are. */
static int count(struct map *m, const struct parts *p)
{
	uint8_t key[PART_KEY];
	uintptr_t n;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < p->n; i++) {
		part_key(&p->list[i], key);
		n = (uintptr_t)map_get(m, key, sizeof(key));
		rc = map_put(m, key, sizeof(key), (void *)(n + 1), NULL);
	}
	return rc;
}

/* Marks as many of each as are left of it, and counts those that were. */
static int strike(struct map *left, struct map *taken, struct parts *p)
{
	uint8_t key[PART_KEY];
	uintptr_t n, t;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < p->n; i++) {
		part_key(&p->list[i], key);
		n = (uintptr_t)map_get(left, key, sizeof(key));
		if (!n)
			continue;
		p->list[i].common = true;
		if (n > 1)
			rc = map_put(left, key, sizeof(key), (void *)(n - 1),
				     NULL);
		else
			map_del(left, key, sizeof(key));
		if (rc == 0 && taken) {
			t = (uintptr_t)map_get(taken, key, sizeof(key));
			rc = map_put(taken, key, sizeof(key), (void *)(t + 1),
				     NULL);
		}
	}
	return rc;
}

static int strike_common(struct parts *a, struct parts *b)
{
	CLEANUP(map_freep) struct map *in_a = map_new(), *both = map_new();
	int rc = in_a && both ? count(in_a, a) : -ENOMEM;

	if (rc == 0)
		rc = strike(in_a, both, b);
	return rc ? rc : strike(both, NULL, a);
}

/* --- a level down -----------------------------------------------------------
 */

static int add_children(const struct part *p, const struct node *n,
			struct parts *ret)
{
	struct part child;
	uint32_t i;
	int rc = 0;

	if (n->height != p->height || n->size != p->size)
		return -EBADMSG; /* not what its parent means */
	for (i = 0; rc == 0 && i < n->count; i++) {
		child = (struct part){
			.addr = n->e[i].addr,
			.off = p->off + node_start(n, i),
			.size = n->e[i].size,
			.height = n->height - 1,
		};
		rc = parts_add(ret, &child);
	}
	return rc;
}

static int open_part(struct store *s, const struct part *p, struct parts *ret)
{
	const struct cached *c;
	int rc = blob_node(s, &p->addr, &c);

	if (rc < 0)
		return rc;
	rc = add_children(p, c->data, ret);
	blob_put_node(s, c);
	return rc;
}

/* Opens what is left of those that are as high; the rest stays. */
static int descend(struct store *s, struct parts *p, uint32_t height)
{
	struct parts next = {0};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < p->n; i++) {
		if (p->list[i].common)
			continue;
		rc = p->list[i].height == height
			     ? open_part(s, &p->list[i], &next)
			     : parts_add(&next, &p->list[i]);
	}
	parts_done(p);
	*p = next;
	return rc;
}

static uint32_t highest(const struct parts *p)
{
	uint32_t h = 0;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!p->list[i].common)
			h = MAX(h, p->list[i].height);
	return h;
}

static int root(struct store *s, const struct addr *a, struct parts *ret,
		uint64_t *ret_size)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	struct part p = {.addr = *a};
	const struct node *n;
	int rc = blob_open(s, a, &b);

	if (rc < 0)
		return rc;
	n = b->node ? b->node->data : NULL;
	p.size = *ret_size = blob_size(b);
	p.height = n ? n->height : 0;
	return p.size ? parts_add(ret, &p) : 0;
}

/* --- the outcome
 * -------------------------------------------------------------- */

static int add_range(struct blob_side *s, uint64_t start, uint64_t end)
{
	struct blob_range *more;

	if (s->count && s->ranges[s->count - 1].end == start) {
		s->ranges[s->count - 1].end = end;
		return 0;
	}
	if (!(s->count & (s->count - 1))) { /* 0, 1, 2, 4, ...: full */
		more = reallocarray(s->ranges, s->count ? s->count * 2 : 1,
				    sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->ranges = more;
	}
	s->ranges[s->count++] = (struct blob_range){start, end};
	return 0;
}

static int make_side(const struct parts *p, struct blob_side *ret)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < p->n; i++) {
		const struct part *x = &p->list[i];

		if (x->common)
			continue;
		ret->bytes += x->size;
		ret->chunks++;
		rc = add_range(ret, x->off, x->off + x->size);
	}
	return rc;
}

int blob_diff(struct store *s, const struct addr *a, const struct addr *b,
	      struct blob_delta *ret)
{
	CLEANUP(parts_done) struct parts pa = {0}, pb = {0};
	struct blob_delta d = {0};
	uint32_t height;
	int rc = root(s, a, &pa, &d.a.size);

	if (rc == 0)
		rc = root(s, b, &pb, &d.b.size);
	if (rc == 0)
		rc = strike_common(&pa, &pb);
	while (rc == 0 && (height = MAX(highest(&pa), highest(&pb)))) {
		rc = descend(s, &pa, height);
		if (rc == 0)
			rc = descend(s, &pb, height);
		if (rc == 0)
			rc = strike_common(&pa, &pb);
	}
	if (rc == 0)
		rc = make_side(&pa, &d.a);
	if (rc == 0)
		rc = make_side(&pb, &d.b);
	if (rc < 0) {
		blob_delta_done(&d);
		return rc;
	}
	*ret = d;
	return 0;
}

void blob_delta_done(struct blob_delta *d)
{
	free(d->a.ranges);
	free(d->b.ranges);
	*d = (struct blob_delta){0};
}

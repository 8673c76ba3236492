/* A read walks from the root to the node of height 1 that holds its offset,
 * and copies out of that node's chunks. Nodes and chunks come from the caches
 * of the store, so that a sequential reader decodes each of them once, however
 * small its reads, and several readers of a file share the work.
 *
 * An object says what it is by its address alone; that it is the one its
 * parent means (kind, height, size) is checked here.
 */
#include "cas/blob_reader.h"

#include <errno.h>
#include <limits.h>

#include "core/map.h"
#include "core/objects_doom.h"

/* --- objects -------------------------------------------------------------- */

static int load(struct store *s, const struct addr *a, enum obj_kind want,
		struct buf *ret)
{
	enum obj_kind kind;
	int rc = store_get(s, a, &kind, ret);

	if (rc)
		return rc;
	return kind == want ? 0 : -EBADMSG;
}

static int load_chunk(void *ctx, const struct addr *a, void **ret,
		      size_t *ret_len)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc = load(ctx, a, OBJ_CHUNK, &b);

	if (rc)
		return rc;
	*ret_len = b.len;
	*ret = steal(&b.data);
	return 0;
}

static int load_node(void *ctx, const struct addr *a, void **ret,
		     size_t *ret_len)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct node *n;
	int rc = load(ctx, a, OBJ_NODE, &b);

	if (!rc)
		rc = node_decode(b.data, b.len, &n);
	if (rc)
		return rc;
	*ret_len = sizeof(*n) + n->count * sizeof(n->e[0]);
	*ret = n;
	return 0;
}

static int get_node(struct store *s, const struct addr *a,
		    const struct cached **ret)
{
	return cache_get(store_node_cache(s), a, load_node, s, ret);
}

int blob_node(struct store *s, const struct addr *a, const struct cached **ret)
{
	return get_node(s, a, ret);
}

void blob_put_node(struct store *s, const struct cached *n)
{
	cache_put(store_node_cache(s), n);
}

int blob_child(struct store *s, const struct node *parent, uint32_t i,
	       const struct cached **ret)
{
	const struct node_entry *e = &parent->e[i];
	const struct cached *c;
	const struct node *n;
	int rc = get_node(s, &e->addr, &c);

	if (rc)
		return rc;
	n = c->data;
	if (n->height != parent->height - 1 || n->size != e->size) {
		blob_put_node(s, c);
		return -EBADMSG;
	}
	*ret = c;
	return 0;
}

/* --- opening -------------------------------------------------------------- */

/* A single child is what the last node of a level may have, never the root:
 * but for a hole, which is no object. */
static bool root_valid(const struct node *n)
{
	return n->count > 1 || (n->height == 1 && node_is_hole(&n->e[0]));
}

/* It may be taken away under the reader, unless collection has yet to look
 * who keeps it (which we do by now). */
static int check_doomed(struct blob *b)
{
	enum collection state;
	int rc = objects_collection(store_objects(b->s), &state);

	return rc ? rc : state == COLLECTION_FINAL ? -ENOENT : 0;
}

static int open_root(struct blob *b)
{
	struct object_loc loc;
	struct addr empty;
	int rc;

	blob_empty_addr(&empty);
	if (addr_eq(&b->root, &empty))
		return 0; /* there is nothing that could be missing */
	rc = store_find(b->s, &b->root, &loc);
	if (rc)
		return rc;
	if (loc.doomed) {
		rc = check_doomed(b);
		if (rc)
			return rc;
	}
	if (loc.kind == OBJ_CHUNK) {
		b->size = loc.raw;
		return 0;
	}
	if (loc.kind != OBJ_NODE)
		return -EINVAL;
	rc = get_node(b->s, &b->root, &b->node);
	if (rc)
		return rc;
	b->size = ((const struct node *)b->node->data)->size;
	return root_valid(b->node->data) ? 0 : -EBADMSG;
}

int blob_open(struct store *s, const struct addr *a, struct blob **ret)
{
	CLEANUP(blob_closep) struct blob *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	b->s = s;
	b->root = *a;
	store_keep(s, a); /* before it is looked up */
	rc = open_root(b);
	if (!rc)
		*ret = steal(&b);
	return rc;
}

void blob_close(struct blob *b)
{
	if (!b)
		return;
	blob_put_node(b->s, b->node);
	store_release(b->s, &b->root);
	free(b);
}

uint64_t blob_size(const struct blob *b)
{
	return b->size;
}

void blob_addr(const struct blob *b, struct addr *ret)
{
	*ret = b->root;
}

/* --- reading -------------------------------------------------------------- */

int blob_leaf(struct blob *b, uint64_t off, const struct cached **ret,
	      uint64_t *ret_base)
{
	const struct cached *c = cache_hold(store_node_cache(b->s), b->node);
	const struct cached *child;
	const struct node *n;
	uint64_t base = 0;
	uint32_t i;
	int rc;

	while (n = c->data, n->height > 1) {
		i = node_find(n, off - base);
		rc = blob_child(b->s, n, i, &child);
		base += node_start(n, i);
		blob_put_node(b->s, c);
		if (rc)
			return rc;
		c = child;
	}
	*ret = c;
	*ret_base = base;
	return 0;
}

int blob_chunk(struct store *s, const struct addr *a, uint64_t size,
	       const struct cached **ret)
{
	const struct cached *c;
	int rc = cache_get(store_chunk_cache(s), a, load_chunk, s, &c);

	if (!rc && c->len != size) {
		cache_put(store_chunk_cache(s), c);
		rc = -EBADMSG;
	}
	if (!rc)
		*ret = c;
	return rc;
}

/* n bytes from offset off of a chunk that has to be size bytes long. */
static int copy_chunk(struct store *s, const struct addr *a, uint64_t size,
		      uint64_t off, void *to, size_t n)
{
	const struct cached *c;
	int rc = blob_chunk(s, a, size, &c);

	if (rc)
		return rc;
	memcpy(to, (const char *)c->data + off, n);
	cache_put(store_chunk_cache(s), c);
	return 0;
}

/* From offset off of the node's content, at most n bytes; how many. */
static ssize_t read_leaf(struct store *s, const struct node *leaf, char *to,
			 size_t n, uint64_t off)
{
	const struct node_entry *e;
	uint64_t start;
	size_t done = 0, len;
	uint32_t i;
	int rc;

	for (i = node_find(leaf, off); done < n && i < leaf->count; i++) {
		e = &leaf->e[i];
		start = off + done - node_start(leaf, i);
		len = (size_t)MIN((uint64_t)(n - done), e->size - start);
		rc = 0;
		if (node_is_hole(e))
			memset(to + done, 0, len);
		else
			rc = copy_chunk(s, &e->addr, e->size, start, to + done,
					len);
		if (rc)
			return rc;
		done += len;
	}
	return (ssize_t)done;
}

ssize_t blob_pread(struct blob *b, void *p, size_t n, uint64_t off)
{
	const struct cached *leaf;
	uint64_t base;
	size_t done;
	ssize_t got;
	int rc;

	if (off >= b->size)
		return 0;
	n = (size_t)MIN((uint64_t)n, b->size - off);
	n = MIN(n, (size_t)SSIZE_MAX);
	if (!b->node) {
		rc = copy_chunk(b->s, &b->root, b->size, off, p, n);
		return rc ? rc : (ssize_t)n;
	}
	for (done = 0; done < n; done += (size_t)got) {
		rc = blob_leaf(b, off + done, &leaf, &base);
		if (rc)
			return rc;
		got = read_leaf(b->s, leaf->data, (char *)p + done, n - done,
				off + done - base);
		blob_put_node(b->s, leaf);
		if (got < 0)
			return got;
	}
	return (ssize_t)n;
}

/* --- entries -------------------------------------------------------------- */

int blob_each(struct blob *b,
	      int (*fn)(void *ctx, const struct addr *a, uint64_t off,
			uint64_t size),
	      void *ctx)
{
	const struct cached *c;
	const struct node *n;
	uint64_t base, off = 0;
	uint32_t i;
	int rc = 0;

	if (!b->node)
		return fn(ctx, &b->root, 0, b->size);
	while (!rc && off < b->size) {
		rc = blob_leaf(b, off, &c, &base);
		if (rc)
			return rc;
		n = c->data;
		for (i = 0; !rc && i < n->count; i++)
			rc = fn(ctx, &n->e[i].addr, base + node_start(n, i),
				n->e[i].size);
		off = base + n->size;
		blob_put_node(b->s, c);
	}
	return rc;
}

int blob_entry(struct blob *b, uint64_t off, struct blob_entry *ret)
{
	const struct cached *c;
	const struct node *n;
	uint64_t base;
	uint32_t i;
	int rc;

	if (off >= b->size)
		return -ENXIO;
	if (!b->node) {
		*ret = (struct blob_entry){0, b->size, b->root};
		return 0;
	}
	rc = blob_leaf(b, off, &c, &base);
	if (rc)
		return rc;
	n = c->data;
	i = node_find(n, off - base);
	*ret = (struct blob_entry){base + node_start(n, i), base + n->e[i].end,
				   n->e[i].addr};
	blob_put_node(b->s, c);
	return 0;
}

struct counted {
	uint64_t holes;
	unsigned left;
};

static int count_hole(void *ctx, const struct addr *a, uint64_t off,
		      uint64_t size)
{
	struct counted *c = ctx;

	(void)off;
	if (addr_is_zero(a))
		c->holes += size;
	return !--c->left;
}

uint64_t blob_data(struct blob *b)
{
	struct counted c = {0, 1024};

	if (b->size <= CHUNK_MAX || blob_each(b, count_hole, &c) < 0)
		return b->size;
	return b->size - MIN(c.holes, b->size);
}

/* Nodes that have been gone through. A tree may hold one node many times, and
 * then as often as it likes what lies below: each is gone through once. Those
 * of height 1 are as small as an entry is to remember. */
static int first_time(struct map *seen, const struct addr *a)
{
	if (map_get(seen, a->b, ADDR_LEN))
		return 0;
	return map_put(seen, a->b, ADDR_LEN, seen, NULL) < 0 ? -ENOMEM : 1;
}

struct seek {
	struct store *s;
	bool hole;
	struct map *seen; /* nodes that have none of it */
};

/* In this node, from its offset off on: 1 and where, or 0. */
static int seek_node(struct seek *k, const struct node *n, uint64_t off,
		     uint64_t *ret_off)
{
	const struct cached *child;
	uint64_t start, within;
	uint32_t i;
	int rc;

	for (i = node_find(n, off); i < n->count; i++) {
		start = node_start(n, i);
		within = off > start ? off - start : 0;
		if (n->height == 1 || node_is_hole(&n->e[i])) {
			if (node_is_hole(&n->e[i]) != k->hole)
				continue;
			*ret_off = start + within;
			return 1;
		}
		rc = within || n->height < 3
			     ? 1
			     : first_time(k->seen, &n->e[i].addr);
		if (rc > 0)
			rc = blob_child(k->s, n, i, &child);
		else if (rc == 0)
			continue;
		if (rc < 0)
			return rc;
		rc = seek_node(k, child->data, within, ret_off);
		blob_put_node(k->s, child);
		*ret_off += rc > 0 ? start : 0;
		if (rc)
			return rc;
	}
	return 0;
}

int blob_seek(struct blob *b, uint64_t off, bool hole, uint64_t *ret_off)
{
	struct seek k = {.s = b->s, .hole = hole};
	uint64_t at = 0;
	int rc = 0;

	if (off >= b->size)
		return -ENXIO;
	if (b->node) {
		k.seen = map_new();
		rc = k.seen ? seek_node(&k, b->node->data, off, &at) : -ENOMEM;
		map_free(k.seen);
	} else if (!hole) {
		at = off;
		rc = 1;
	}
	if (rc < 0)
		return rc;
	if (!rc && !hole)
		return -ENXIO;
	*ret_off = rc ? at : b->size; /* the end of a file is a hole */
	return 0;
}

/* --- objects of a tree ---------------------------------------------------- */

static int walk(struct store *s, const struct node *n, struct map *seen,
		blob_walk_fn fn, void *ctx)
{
	enum obj_kind kind = n->height == 1 ? OBJ_CHUNK : OBJ_NODE;
	const struct node_entry *e;
	const struct cached *child;
	uint32_t i;
	int rc;

	for (i = 0; i < n->count; i++) {
		e = &n->e[i];
		if (node_is_hole(e))
			continue;
		rc = kind == OBJ_CHUNK ? 1 : first_time(seen, &e->addr);
		if (rc > 0)
			rc = fn(ctx, kind, &e->addr, e->size);
		else if (rc == 0)
			continue;
		if (rc < 0)
			return rc;
		if (rc || kind == OBJ_CHUNK)
			continue;
		rc = blob_child(s, n, i, &child);
		if (rc)
			return rc;
		rc = walk(s, child->data, seen, fn, ctx);
		blob_put_node(s, child);
		if (rc)
			return rc;
	}
	return 0;
}

int blob_walk(struct store *s, const struct addr *a, blob_walk_fn fn, void *ctx)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	struct map *seen;
	int rc = blob_open(s, a, &b);

	if (rc)
		return rc;
	rc = fn(ctx, b->node ? OBJ_NODE : OBJ_CHUNK, a, b->size);
	if (rc < 0)
		return rc;
	if (rc || !b->node)
		return 0;
	seen = map_new();
	rc = seen ? walk(s, b->node->data, seen, fn, ctx) : -ENOMEM;
	map_free(seen);
	return rc;
}

static int is_there(void *ctx, enum obj_kind kind, const struct addr *a,
		    uint64_t size)
{
	struct object_loc loc;

	return size ? store_find(ctx, a, &loc) : 0;
}

int blob_complete(struct store *s, const struct addr *a)
{
	int rc = blob_walk(s, a, is_there, s);

	if (rc == -ENOENT)
		return 0;
	return rc ? rc : 1;
}

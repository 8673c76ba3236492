/* What a content needs: its nodes or pages, and chunks. Contents share parts,
 * and versions of a file most of them, so what was found out about a node is
 * kept, and nothing is walked twice. A chunk is asked for in the index, and
 * among the bad ones.
 */
#include "cas/fsck_internal.h"

#include <errno.h>

#include "cas/dir_page.h"
#include "cas/node.h"

#define DEPTH_MAX 1024 /* directories nest 200 deep, each of some pages */

/* In f->nodes: that it is known, and the bits. */
static const char known[4];

struct walk {
	struct fsck *f;
	bool must;
	struct buf *list; /* collects what is bad, or NULL */
	struct map *listed;
	unsigned depth;
};

static int need(struct walk *w, const struct addr *a);

static int list_bad(struct walk *w, const struct addr *a)
{
	int rc;

	if (!w->list || map_get(w->listed, a->b, ADDR_LEN))
		return 0;
	rc = map_put(w->listed, a->b, ADDR_LEN, w, NULL);
	if (rc < 0)
		return rc;
	buf_add(w->list, a->b, ADDR_LEN);
	return buf_err(w->list);
}

static int need_node(struct walk *w, const struct buf *b)
{
	CLEANUP_FREE struct node *n = NULL;
	int rc = node_decode(b->data, b->len, &n), bits = 0;
	uint32_t i;

	if (rc == -EBADMSG)
		return NEED_DAMAGED;
	for (i = 0; rc >= 0 && i < n->count; i++) {
		if (node_is_hole(&n->e[i]))
			continue;
		rc = need(w, &n->e[i].addr);
		if (rc > 0)
			bits |= rc;
	}
	return rc < 0 ? rc : bits;
}

static int need_page(struct walk *w, const struct buf *b)
{
	struct dir_child child;
	struct dir_page page;
	struct dir_entry e;
	int rc, bits = 0;

	if (dir_page_open(b->data, b->len, &page) < 0)
		return NEED_DAMAGED;
	for (;;) {
		rc = page.height ? dir_page_next_child(&page, &child)
				 : dir_page_next(&page, &e);
		if (rc <= 0)
			break;
		if (page.height)
			rc = need(w, &child.addr);
		else if (!addr_is_zero(&e.addr))
			rc = need(w, &e.addr);
		else
			rc = 0;
		if (rc < 0)
			return rc;
		bits |= rc;
	}
	return rc == -EBADMSG ? bits | NEED_DAMAGED : rc < 0 ? rc : bits;
}

static int need_inner(struct walk *w, const struct addr *a, enum obj_kind kind)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *was = map_get(w->f->nodes, a->b, ADDR_LEN);
	int rc;

	if (was && (was == known || !w->list))
		return (int)(was - known);
	if (was && map_get(w->listed, a->b, ADDR_LEN))
		return (int)(was - known); /* what is bad below is listed */
	if (w->depth >= DEPTH_MAX)
		return NEED_DAMAGED; /* no writer of ours nests so deep */
	rc = store_get(w->f->store, a, NULL, &b);
	if (rc == -ENOENT || rc == -EBADMSG || rc == -EIO)
		return NEED_DAMAGED; /* just now */
	if (rc < 0)
		return rc;
	w->depth++;
	rc = kind == OBJ_NODE ? need_node(w, &b) : need_page(w, &b);
	w->depth--;
	if (rc >= 0 && map_put(w->f->nodes, a->b, ADDR_LEN,
			       (void *)(uintptr_t)(known + rc), NULL) < 0)
		return -ENOMEM;
	if (rc > 0 && w->list &&
	    map_put(w->listed, a->b, ADDR_LEN, w, NULL) < 0)
		return -ENOMEM;
	return rc;
}

static int missing(struct walk *w, const struct addr *a)
{
	struct bad b = {.addr = *a, .missing = true, .kind = OBJ_CHUNK};
	int rc = 0;

	if (w->must)
		rc = fsck_add_bad(w->f, &b);
	if (!rc)
		rc = list_bad(w, a);
	return rc < 0 ? rc : NEED_MISSING;
}

static int need(struct walk *w, const struct addr *a)
{
	const struct bad *b = fsck_find_bad(w->f, a);
	struct object_loc loc;
	struct addr empty;
	int rc;

	if (b && !b->missing && !b->healed) {
		rc = list_bad(w, a);
		return rc < 0 ? rc : NEED_DAMAGED;
	}
	rc = store_find(w->f->store, a, &loc);
	if (rc == -ENOENT) {
		addr_of(OBJ_CHUNK, "", 0, &empty);
		return addr_eq(a, &empty) ? 0 : missing(w, a);
	}
	if (rc < 0)
		return rc;
	if (loc.kind == OBJ_NODE || loc.kind == OBJ_DIR)
		return need_inner(w, a, loc.kind);
	return 0;
}

int fsck_need(struct fsck *f, const struct addr *root, bool must)
{
	struct walk w = {.f = f, .must = must};
	int rc = need(&w, root);

	/* a part that was known to be incomplete was perhaps not noted then */
	if (rc > 0 && must && (rc & NEED_MISSING)) {
		CLEANUP_BUF struct buf list = BUF_INIT;

		w.list = &list;
		w.listed = map_new();
		if (!w.listed)
			return -ENOMEM;
		rc = need(&w, root);
		map_free(w.listed);
	}
	return rc;
}

int fsck_need_list(struct fsck *f, const struct addr *root, struct buf *ret)
{
	struct walk w = {.f = f, .list = ret, .listed = map_new()};
	int rc = w.listed ? need(&w, root) : -ENOMEM;

	map_free(w.listed);
	return rc < 0 ? rc : 0;
}

void fsck_need_forget(struct fsck *f)
{
	map_free(f->nodes);
	f->nodes = NULL;
}

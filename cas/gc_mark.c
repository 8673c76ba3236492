#include "cas/gc_mark.h"

#include <errno.h>

#include "cas/dir_page.h"
#include "cas/node.h"

struct marker {
	struct store *s;
	struct addrset *set;
	struct buf todo; /* addresses, marked, whose children are not */
	struct buf bytes;
	bool (*stop)(void *ctx);
	void *ctx;
	unsigned visits;
	struct addr damaged;
};

int marker_new(struct store *s, uint64_t expect, bool (*stop)(void *ctx),
	       void *ctx, struct marker **ret)
{
	CLEANUP(marker_freep) struct marker *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	m->s = s;
	m->stop = stop;
	m->ctx = ctx;
	rc = addrset_new(store_drafts_fd(s), expect, &m->set);
	if (!rc)
		*ret = steal(&m);
	return rc;
}

void marker_free(struct marker *m)
{
	if (!m)
		return;
	addrset_free(m->set);
	buf_done(&m->todo);
	buf_done(&m->bytes);
	free(m);
}

/* Marks it; it is on the list if it was not and may have children. */
static int visit(struct marker *m, const struct addr *a, bool leaf)
{
	int rc = addr_is_zero(a) ? 0 : addrset_add(m->set, a);

	if (rc <= 0 || leaf)
		return rc < 0 ? rc : 0;
	buf_add(&m->todo, a->b, ADDR_LEN);
	return buf_err(&m->todo);
}

static int visit_node(struct marker *m)
{
	struct node *n = NULL;
	uint32_t i;
	int rc = node_decode(m->bytes.data, m->bytes.len, &n);

	for (i = 0; !rc && i < n->count; i++)
		if (n->height > 1 && !store_has(m->s, &n->e[i].addr)) {
			m->damaged = n->e[i].addr;
			rc = -EUCLEAN;
		} else if (!node_is_hole(&n->e[i])) {
			rc = visit(m, &n->e[i].addr, n->height == 1);
		}
	free(n);
	return rc;
}

static int visit_page(struct marker *m)
{
	struct dir_entry entry;
	struct dir_child child;
	struct dir_page page;
	int rc = dir_page_open(m->bytes.data, m->bytes.len, &page);

	while (!rc) {
		rc = page.height ? dir_page_next_child(&page, &child)
				 : dir_page_next(&page, &entry);
		if (rc <= 0)
			return rc;
		rc = visit(m, page.height ? &child.addr : &entry.addr, false);
	}
	return rc;
}

static int visit_children(struct marker *m, const struct addr *a)
{
	struct object_loc loc;
	enum obj_kind kind;
	int rc = store_find(m->s, a, &loc);

	if (rc == -ENOENT)
		return 0; /* a root, or a chunk, which needs nothing */
	if (rc || (loc.kind != OBJ_NODE && loc.kind != OBJ_DIR))
		return rc;
	rc = store_get(m->s, a, &kind, &m->bytes);
	if (rc)
		return rc;
	return kind == OBJ_NODE ? visit_node(m) : visit_page(m);
}

int marker_add(struct marker *m, const struct addr *root)
{
	struct addr a;
	int rc = visit(m, root, false);

	while (!rc && m->todo.len) {
		m->todo.len -= ADDR_LEN;
		memcpy(a.b, m->todo.data + m->todo.len, ADDR_LEN);
		if (!(++m->visits & 63) && m->stop && m->stop(m->ctx))
			return -ECANCELED;
		rc = visit_children(m, &a);
		if (rc == -EBADMSG || rc == -ENOENT || rc == -EIO) {
			m->damaged = a;
			rc = -EUCLEAN;
		}
	}
	return rc;
}

bool marker_has(const struct marker *m, const struct addr *a)
{
	return addrset_has(m->set, a);
}

const struct addr *marker_damaged(const struct marker *m)
{
	return &m->damaged;
}

uint64_t marker_count(const struct marker *m)
{
	return addrset_count(m->set);
}

#include "core/ns_edits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ns_edits *ns_edits_new(void)
{
	CLEANUP(ns_edits_freep) struct ns_edits *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->by_name = map_new();
	e->by_ino = map_new();
	e->by_xattr = map_new();
	return e->by_name && e->by_ino && e->by_xattr ? steal(&e) : NULL;
}

void edits_forget(struct ns_edits *e)
{
	struct edit_file *f;
	size_t i;

	for (i = 0; i < e->n_files; i++) {
		f = e->list[i];
		buf_done(&f->target);
		free(f);
	}
	free(e->list);
	map_free(e->files);
	e->list = NULL;
	e->files = NULL;
	e->n_files = 0;
	buf_reset(&e->gone);
}

void ns_edits_free(struct ns_edits *e)
{
	struct edit_name *n;
	struct edit_inode *f;
	struct edit_xattr *x;

	if (!e)
		return;
	edits_forget(e);
	while (e->n_names && (n = e->names[--e->n_names])) {
		free(n->name);
		free(n);
	}
	while (e->n_inodes && (f = e->inodes[--e->n_inodes])) {
		free(f->target);
		free(f);
	}
	while (e->n_xattrs && (x = e->xattrs[--e->n_xattrs])) {
		free(x->name);
		free(x->value);
		free(x);
	}
	free(e->names);
	free(e->inodes);
	free(e->xattrs);
	map_free(e->by_name);
	map_free(e->by_ino);
	map_free(e->by_xattr);
	buf_done(&e->gone);
	free(e);
}

bool ns_edits_empty(const struct ns_edits *e)
{
	return !e->n_names && !e->n_inodes && !e->n_xattrs;
}

uint64_t ns_edits_number(struct ns_edits *e)
{
	return EDIT_NEW + e->numbers++;
}

/* A new element, zeroed, that the list and the map have. */
void *edits_add(void ***list, size_t *n, size_t size, struct map *map,
		const void *key, size_t len)
{
	void **more, *item;

	if (!(*n & (*n - 1))) { /* full at each power of two */
		more = reallocarray(*list, *n ? *n * 2 : 1, sizeof(*more));
		if (!more)
			return NULL;
		*list = more;
	}
	item = calloc(1, size);
	if (!item || map_put(map, key, len, item, NULL) < 0) {
		free(item);
		return NULL;
	}
	(*list)[(*n)++] = item;
	return item;
}

static int make_key(struct buf *b, uint64_t ino, const char *name, size_t len)
{
	buf_u64(b, ino);
	buf_add(b, name, len);
	return buf_err(b);
}

const struct edit_name *edits_name(const struct ns_edits *e, uint64_t dir,
				   const char *name, size_t len)
{
	CLEANUP_BUF struct buf key = BUF_INIT;

	return make_key(&key, dir, name, len) < 0
		       ? NULL
		       : map_get(e->by_name, key.data, key.len);
}

int ns_edits_find(const struct ns_edits *e, uint64_t dir, const char *name,
		  size_t len, uint64_t *ret_ino)
{
	const struct edit_name *n = edits_name(e, dir, name, len);

	if (!n)
		return 0;
	*ret_ino = n->ino;
	return 1;
}

int ns_edits_name(struct ns_edits *e, uint64_t dir, const char *name,
		  size_t len, uint64_t ino)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct edit_name *n;
	int rc = make_key(&key, dir, name, len);

	if (rc < 0)
		return rc;
	n = map_get(e->by_name, key.data, key.len);
	if (!n) {
		n = edits_add(&e->names, &e->n_names, sizeof(*n), e->by_name,
			      key.data, key.len);
		if (!n)
			return -ENOMEM;
		n->name = strndup(name, len);
		if (!n->name)
			return -ENOMEM;
		n->dir = dir;
		n->len = len;
	}
	n->ino = ino;
	return 0;
}

int ns_edits_inode(struct ns_edits *e, const struct ns_attr *a,
		   const char *target)
{
	CLEANUP_FREE char *copy = target ? strdup(target) : NULL;
	struct edit_inode *i = map_get_u64(e->by_ino, a->ino);

	if (target && !copy)
		return -ENOMEM;
	if (!i)
		i = edits_add(&e->inodes, &e->n_inodes, sizeof(*i), e->by_ino,
			      &a->ino, sizeof(a->ino));
	if (!i)
		return -ENOMEM;
	i->a = *a;
	free(i->target);
	i->target = steal(&copy);
	return 0;
}

int ns_edits_xattr(struct ns_edits *e, uint64_t ino, const char *name,
		   const void *value, size_t len)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	CLEANUP_FREE void *copy = value ? malloc(len + 1) : NULL;
	struct edit_xattr *x;
	int rc = make_key(&key, ino, name, strlen(name));

	if (rc < 0 || (value && !copy))
		return -ENOMEM;
	if (copy)
		memcpy(copy, value, len);
	x = map_get(e->by_xattr, key.data, key.len);
	if (!x) {
		x = edits_add(&e->xattrs, &e->n_xattrs, sizeof(*x), e->by_xattr,
			      key.data, key.len);
		if (!x)
			return -ENOMEM;
		x->ino = ino;
		x->name = strdup(name);
		if (!x->name)
			return -ENOMEM;
	}
	free(x->value);
	x->value = steal(&copy);
	x->len = len;
	return 0;
}

const uint64_t *ns_edits_gone(const struct ns_edits *e, size_t *ret_n)
{
	*ret_n = e->gone.len / sizeof(uint64_t);
	return (const uint64_t *)(const void *)e->gone.data;
}

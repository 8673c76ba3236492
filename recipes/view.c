#include "recipes/view.h"

#include <errno.h>
#include <string.h>

struct view_node *view_new(void)
{
	struct view_node *n = calloc(1, sizeof(*n));

	if (n)
		n->dir = true;
	return n;
}

void view_free(struct view_node *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->count; i++)
		view_free(n->children[i]);
	free(n->children);
	free(n->name);
	free(n);
}

static int compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int c = memcmp(a, b, MIN(alen, blen));

	return c ? c : (alen > blen) - (alen < blen);
}

/* Where the name is among the sorted children, or would be. */
static size_t place(const struct view_node *dir, const char *name, size_t len,
		    bool *ret_there)
{
	size_t lo = 0, hi = dir->count, mid;
	int c;

	*ret_there = false;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		c = compare(name, len, dir->children[mid]->name,
			    dir->children[mid]->len);
		if (!c) {
			*ret_there = true;
			return mid;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

const struct view_node *view_find(const struct view_node *dir, const char *name,
				  size_t len)
{
	bool there;
	size_t i = place(dir, name, len, &there);

	return there ? dir->children[i] : NULL;
}

static struct view_node *child(struct view_node *dir, const char *name,
			       size_t len)
{
	bool there;
	size_t i = place(dir, name, len, &there);

	return there ? dir->children[i] : NULL;
}

static struct view_node *add_child(struct view_node *dir, const char *name,
				   size_t len, bool is_dir)
{
	struct view_node **children, *n;
	bool there;
	size_t i;

	if (dir->count == dir->cap) {
		size_t cap = dir->cap ? dir->cap * 2 : 4;

		children = realloc(dir->children, cap * sizeof(*children));
		if (!children)
			return NULL;
		dir->children = children;
		dir->cap = cap;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->name = malloc(len + 1);
	if (!n->name) {
		free(n);
		return NULL;
	}
	memcpy(n->name, name, len);
	n->name[len] = '\0';
	n->len = len;
	n->dir = is_dir;
	i = place(dir, name, len, &there);
	memmove(&dir->children[i + 1], &dir->children[i],
		(dir->count - i) * sizeof(*dir->children));
	dir->children[i] = n;
	dir->count++;
	return n;
}

/* Descends to the directory of the path's last component, making what is
 * missing; the component itself is left in *path, *len. */
static int descend(struct view_node **dir, const char **path, size_t *len)
{
	struct view_node *n;
	const char *slash;
	size_t part;

	while ((slash = memchr(*path, '/', *len))) {
		part = (size_t)(slash - *path);
		if (part) {
			n = child(*dir, *path, part);
			if (!n)
				n = add_child(*dir, *path, part, true);
			if (!n)
				return -ENOMEM;
			if (!n->dir || n->tree)
				return -EEXIST;
			*dir = n;
		}
		*path += part + 1;
		*len -= part + 1;
	}
	return 0;
}

int view_add(struct view_node *root, const char *path, size_t len,
	     const struct addr *addr, uint64_t size, bool executable)
{
	struct view_node *dir = root, *n;
	int r = root->tree ? -EEXIST : descend(&dir, &path, &len);

	if (r < 0)
		return r;
	n = child(dir, path, len);
	if (n)
		return !n->dir && addr_eq(&n->addr, addr) &&
				       n->executable == executable
			       ? 0
			       : -EEXIST;
	n = add_child(dir, path, len, false);
	if (!n)
		return -ENOMEM;
	n->addr = *addr;
	n->size = size;
	n->executable = executable;
	return 0;
}

int view_add_tree(struct view_node *root, const char *path, size_t len,
		  const struct addr *addr)
{
	struct view_node *dir = root, *n = root;
	int r = root->tree ? -EEXIST : descend(&dir, &path, &len);

	if (r < 0)
		return r;
	if (len) {
		if (child(dir, path, len))
			return -EEXIST;
		n = add_child(dir, path, len, true);
		if (!n)
			return -ENOMEM;
	} else if (n->count) {
		return -EEXIST;
	}
	n->tree = true;
	n->addr = *addr;
	return 0;
}

const struct view_node *view_tree(const struct view_node *n, const char **path,
				  size_t *len)
{
	const char *slash;
	size_t part;

	while (n && !n->tree && *len) {
		slash = memchr(*path, '/', *len);
		part = slash ? (size_t)(slash - *path) : *len;
		n = view_find(n, *path, part);
		*path += part + !!slash;
		*len -= part + !!slash;
	}
	return n && n->tree ? n : NULL;
}

int view_add_dir(struct view_node *root, const char *path, size_t len)
{
	struct view_node *dir = root, *n;
	int r = root->tree ? -EEXIST : descend(&dir, &path, &len);

	if (r < 0 || !len)
		return r;
	n = child(dir, path, len);
	if (n)
		return n->dir && !n->tree ? 0 : -EEXIST;
	return add_child(dir, path, len, true) ? 0 : -ENOMEM;
}

void view_saw(const struct view_node *v)
{
	((struct view_node *)(uintptr_t)v)->seen = true;
}

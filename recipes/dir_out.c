#include "recipes/dir_out.h"

#include <errno.h>
#include <string.h>

#include "core/map.h"

/* A tree of entries. Children hang in a list below their directory, newest
 * first; a table finds an entry by its parent and name. */
struct entry {
	struct entry *parent, *children, *sibling;
	struct dir_entry e; /* name and target are owned */
	uint64_t number;    /* in keys */
	unsigned depth;
};

struct dir_out {
	struct store *store;
	struct map *by_name; /* parent's number, name */
	struct entry root;
	uint64_t numbers;
	struct buf key;
};

struct dir_out *dir_out_new(struct store *s)
{
	struct dir_out *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->store = s;
	d->root.e.type = DIR_DIR;
	d->by_name = map_new();
	if (!d->by_name) {
		free(d);
		return NULL;
	}
	return d;
}

static void free_entry(struct entry *n)
{
	free((void *)(uintptr_t)n->e.name);
	free((void *)(uintptr_t)n->e.target);
	free(n);
}

/* Depth is bounded by DIR_OUT_DEPTH_MAX. */
static void free_children(struct entry *n)
{
	struct entry *c, *next;

	for (c = n->children; c; c = next) {
		next = c->sibling;
		free_children(c);
		free_entry(c);
	}
}

void dir_out_free(struct dir_out *d)
{
	if (!d)
		return;
	free_children(&d->root);
	map_free(d->by_name);
	buf_done(&d->key);
	free(d);
}

/* --- entries ---------------------------------------------------------------
 */

static int make_key(struct dir_out *d, const struct entry *parent,
		    const char *name, size_t n)
{
	buf_reset(&d->key);
	buf_u64(&d->key, parent->number);
	buf_add(&d->key, name, n);
	return buf_err(&d->key);
}

static int add_entry(struct dir_out *d, struct entry *parent, const char *name,
		     size_t n, struct entry **ret)
{
	struct entry *e = calloc(1, sizeof(*e));
	int rc = e ? make_key(d, parent, name, n) : -ENOMEM;

	if (rc >= 0) {
		e->e.name = strndup(name, n);
		rc = e->e.name ? map_put(d->by_name, d->key.data, d->key.len, e,
					 NULL)
			       : -ENOMEM;
	}
	if (rc < 0) {
		if (e)
			free_entry(e);
		return rc;
	}
	e->e.name_len = n;
	e->parent = parent;
	e->number = ++d->numbers;
	e->depth = parent->depth + 1;
	e->sibling = parent->children;
	parent->children = e;
	*ret = e;
	return 0;
}

/* The entry of that name, which is made when there is none: its type is then
 * 0. */
static int get_entry(struct dir_out *d, struct entry *parent, const char *name,
		     size_t n, struct entry **ret)
{
	int rc = make_key(d, parent, name, n);

	if (rc < 0)
		return rc;
	*ret = map_get(d->by_name, d->key.data, d->key.len);
	return *ret ? 0 : add_entry(d, parent, name, n, ret);
}

static int check_name(const char *path, const char *name, size_t n,
		      const struct entry *parent, struct err *err)
{
	if (n == 2 && name[0] == '.' && name[1] == '.')
		return err_set(err, -EINVAL,
			       "`%s` would lead out of the directory", path);
	if (n > 255)
		return err_set(err, -EINVAL,
			       "`%s` has a name of more than 255 bytes", path);
	if (parent->depth == DIR_OUT_DEPTH_MAX)
		return err_set(err, -E2BIG,
			       "`%s` lies more than %d directories deep", path,
			       DIR_OUT_DEPTH_MAX);
	return 0;
}

static int step_into(struct entry *e, const char *path, struct err *err)
{
	if (!e->e.type)
		e->e.type = DIR_DIR;
	if (e->e.type == DIR_DIR)
		return 0;
	return err_set(err, -EEXIST,
		       "`%s` lies below something that is no directory", path);
}

/* The entry at a path, and the directories on the way. */
static int walk(struct dir_out *d, const char *path, struct entry **ret,
		struct err *err)
{
	struct entry *at = &d->root;
	const char *p = path;
	size_t n;
	int rc;

	for (;; p += n) {
		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n == 1 && *p == '.')
			continue;
		rc = check_name(path, p, n, at, err);
		if (rc >= 0)
			rc = step_into(at, path, err);
		if (rc >= 0)
			rc = get_entry(d, at, p, n, &at);
		if (rc < 0)
			return rc;
	}
	*ret = at;
	return 0;
}

/* An entry that can take another content than a directory. */
static int place(struct dir_out *d, const char *path, struct entry **ret,
		 struct err *err)
{
	int rc = walk(d, path, ret, err);

	if (rc < 0)
		return rc;
	if ((*ret)->e.type == DIR_DIR)
		return err_set(err, -EEXIST, "`%s` is a directory already",
			       path);
	free((void *)(uintptr_t)(*ret)->e.target);
	(*ret)->e = (struct dir_entry){.name = (*ret)->e.name,
				       .name_len = (*ret)->e.name_len};
	return 0;
}

int dir_out_file(struct dir_out *d, const char *path, const struct addr *a,
		 uint64_t size, bool executable, struct err *err)
{
	struct entry *e;
	int rc = place(d, path, &e, err);

	if (rc < 0)
		return rc;
	e->e.type = executable ? DIR_EXEC : DIR_FILE;
	e->e.addr = *a;
	e->e.size = size;
	return 0;
}

int dir_out_link(struct dir_out *d, const char *path, const char *target,
		 struct err *err)
{
	size_t n = strlen(target);
	struct entry *e;
	char *copy;
	int rc;

	if (!n || n > 4095)
		return err_set(err, -EINVAL,
			       "`%s` is a link to a path of %zu bytes", path,
			       n);
	rc = place(d, path, &e, err);
	if (rc < 0)
		return rc;
	copy = strdup(target);
	if (!copy)
		return -ENOMEM;
	e->e.type = DIR_LINK;
	e->e.target = copy;
	e->e.target_len = n;
	return 0;
}

int dir_out_dir(struct dir_out *d, const char *path, struct err *err)
{
	struct entry *e;
	int rc = walk(d, path, &e, err);

	if (rc < 0)
		return rc;
	if (e->e.type && e->e.type != DIR_DIR)
		return err_set(err, -EEXIST, "`%s` is no directory already",
			       path);
	e->e.type = DIR_DIR;
	return 0;
}

/* Nothing is made on the way. */
static const struct entry *look_up(struct dir_out *d, const char *path)
{
	const struct entry *at = &d->root;
	size_t n;

	for (; at; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			break;
		if (n == 1 && *path == '.')
			continue;
		if (make_key(d, at, path, n) < 0)
			return NULL;
		at = map_get(d->by_name, d->key.data, d->key.len);
	}
	return at;
}

int dir_out_same(struct dir_out *d, const char *path, const char *from,
		 struct err *err)
{
	const struct entry *e = look_up(d, from);

	if (!e || (e->e.type != DIR_FILE && e->e.type != DIR_EXEC &&
		   e->e.type != DIR_LINK))
		return err_set(err, -ENOENT,
			       "`%s` is the same file as `%s`, which is not "
			       "there",
			       path, from);
	if (e->e.type == DIR_LINK)
		return dir_out_link(d, path, e->e.target, err);
	return dir_out_file(d, path, &e->e.addr, e->e.size,
			    e->e.type == DIR_EXEC, err);
}

/* --- the object -------------------------------------------------------------
 */

static int finish(struct dir_out *d, struct entry *dir, struct addr *ret,
		  uint64_t *ret_count)
{
	CLEANUP(dir_writer_freep)
	struct dir_writer *w = dir_writer_new(d->store);
	struct entry *c;
	int rc = w ? 0 : -ENOMEM;

	for (c = dir->children; c && rc >= 0; c = c->sibling) {
		if (!c->e.type) /* a failure left it */
			continue;
		if (c->e.type == DIR_DIR)
			rc = finish(d, c, &c->e.addr, &c->e.size);
		if (rc >= 0)
			rc = dir_add(w, &c->e);
	}
	return rc < 0 ? rc : dir_finish(w, ret, ret_count);
}

int dir_out_finish(struct dir_out *d, struct addr *ret, uint64_t *ret_count)
{
	uint64_t count = 0;
	int rc = finish(d, &d->root, ret, &count);

	if (rc >= 0 && ret_count)
		*ret_count = count;
	return rc;
}

/* The tree grows as a blob's does (blob_write.c): entries in order into the
 * page of height 0, full pages as entries into the page above. What cuts a
 * page are its names alone, so that a change of an entry's content changes one
 * page of each height, and a new or a lost name at most the page beside it.
 */
#include "cas/dir.h"

#include <errno.h>

#include "cas/blob.h"
#include "cas/dir_page.h"
#include "core/map.h"

struct level {
	struct buf page;
	uint32_t count;	  /* entries of the page */
	uint64_t below;	  /* leaf entries below it */
	uint64_t done;	  /* pages of that height */
	struct addr last; /* the latest of them */
};

/* An entry with its name and target behind it. */
struct item {
	struct dir_entry e;
	char bytes[];
};

struct dir_writer {
	struct store *s;
	struct item **items;
	size_t count, cap;
	struct level levels[DIR_HEIGHT_MAX + 1];
};

/* --- gathering ------------------------------------------------------------ */

struct dir_writer *dir_writer_new(struct store *s)
{
	struct dir_writer *w = calloc(1, sizeof(*w));

	if (w)
		w->s = s;
	return w;
}

void dir_writer_free(struct dir_writer *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->count; i++)
		free(w->items[i]);
	free(w->items);
	for (i = 0; i <= DIR_HEIGHT_MAX; i++)
		buf_done(&w->levels[i].page);
	free(w);
}

static int grow(struct dir_writer *w)
{
	size_t cap = w->cap ? 2 * w->cap : 64;
	struct item **items;

	if (w->count < w->cap)
		return 0;
	items = realloc(w->items, cap * sizeof(struct item *));
	if (!items)
		return -ENOMEM;
	w->items = items;
	w->cap = cap;
	return 0;
}

int dir_add(struct dir_writer *w, const struct dir_entry *e)
{
	struct item *item;
	int rc;

	if (!dir_entry_valid(e))
		return -EINVAL;
	rc = grow(w);
	if (rc)
		return rc;
	item = malloc(sizeof(*item) + e->name_len + e->target_len);
	if (!item)
		return -ENOMEM;
	item->e = *e;
	item->e.name = item->bytes;
	memcpy(item->bytes, e->name, e->name_len);
	item->e.target = item->bytes + e->name_len;
	if (e->target_len)
		memcpy(item->bytes + e->name_len, e->target, e->target_len);
	w->items[w->count++] = item;
	return 0;
}

/* --- the tree ------------------------------------------------------------- */

static int finish_page(struct dir_writer *w, uint32_t h)
{
	struct level *l = &w->levels[h];
	int rc;

	dir_page_end(&l->page, h, l->count);
	rc = buf_err(&l->page);
	if (!rc)
		rc = store_put(w->s, OBJ_DIR, l->page.data, l->page.len,
			       &l->last);
	if (rc)
		return rc;
	l->done++;
	l->count = 0;
	return 0;
}

static struct level *begin_entry(struct dir_writer *w, uint32_t h)
{
	struct level *l = &w->levels[h];

	if (!l->count) {
		dir_page_begin(&l->page);
		l->below = 0;
	}
	l->count++;
	return l;
}

/* The page of height h has ended with that name: it becomes an entry of the
 * one above, which may end thereby as well. */
static int add_page(struct dir_writer *w, uint32_t h, const char *name,
		    size_t len)
{
	struct dir_child child = {.name = name, .name_len = len};
	struct level *l;
	int rc;

	for (; h < DIR_HEIGHT_MAX; h++) {
		child.addr = w->levels[h].last;
		child.count = w->levels[h].below;
		l = begin_entry(w, h + 1);
		dir_page_add_child(&l->page, &child);
		l->below += child.count;
		if (!dir_cuts(h + 1, l->count, name, len))
			return buf_err(&l->page);
		rc = finish_page(w, h + 1);
		if (rc)
			return rc;
	}
	return -EFBIG;
}

static int add_entry(struct dir_writer *w, const struct dir_entry *e)
{
	struct level *l = begin_entry(w, 0);
	int rc;

	dir_page_add(&l->page, e);
	l->below++;
	if (!dir_cuts(0, l->count, e->name, e->name_len))
		return buf_err(&l->page);
	rc = finish_page(w, 0);
	return rc ? rc : add_page(w, 0, e->name, e->name_len);
}

/* Closes what is unfinished, up to the first height with one page only. */
static int finish_tree(struct dir_writer *w, const struct dir_entry *last,
		       struct addr *ret)
{
	struct level *l;
	uint32_t h;
	int rc;

	for (h = 0; h <= DIR_HEIGHT_MAX; h++) {
		l = &w->levels[h];
		if (l->count) {
			rc = finish_page(w, h);
			if (!rc && l->done > 1)
				rc = add_page(w, h, last->name, last->name_len);
			if (rc)
				return rc;
		}
		if (l->done == 1) {
			*ret = l->last;
			return 0;
		}
	}
	return -EFBIG;
}

static int by_name(const void *a, const void *b)
{
	const struct dir_entry *x = &(*(struct item *const *)a)->e;
	const struct dir_entry *y = &(*(struct item *const *)b)->e;

	return dir_name_cmp(x->name, x->name_len, y->name, y->name_len);
}

static int put_empty(struct dir_writer *w, struct addr *ret)
{
	struct buf *page = &w->levels[0].page;
	int rc;

	dir_page_begin(page);
	rc = buf_err(page);
	return rc ? rc : store_put(w->s, OBJ_DIR, page->data, page->len, ret);
}

int dir_finish(struct dir_writer *w, struct addr *ret, uint64_t *ret_count)
{
	struct addr root;
	size_t i;
	int rc;

	if (w->count)
		qsort(w->items, w->count, sizeof(struct item *), by_name);
	for (i = 1; i < w->count; i++)
		if (!by_name(&w->items[i - 1], &w->items[i]))
			return -EEXIST;
	for (i = 0; i < w->count; i++) {
		rc = add_entry(w, &w->items[i]->e);
		if (rc)
			return rc;
	}
	if (w->count)
		rc = finish_tree(w, &w->items[w->count - 1]->e, &root);
	else
		rc = put_empty(w, &root);
	if (rc)
		return rc;
	*ret = root;
	if (ret_count)
		*ret_count = w->count;
	return 0;
}

/* --- reading -------------------------------------------------------------- */

static int open_page(struct store *s, const struct addr *a, struct buf *b,
		     struct dir_page *ret)
{
	enum obj_kind kind;
	int rc = store_get(s, a, &kind, b);

	if (rc)
		return rc;
	if (kind != OBJ_DIR)
		return -EINVAL;
	return dir_page_open(b->data, b->len, ret);
}

/* The page that an entry names; that it is of the right height and kind. */
static int open_child(struct store *s, const struct dir_page *parent,
		      const struct dir_child *child, struct buf *b,
		      struct dir_page *ret)
{
	int rc = open_page(s, &child->addr, b, ret);

	if (rc == -EINVAL)
		return -EBADMSG;
	if (!rc && (ret->height != parent->height - 1 || !ret->count))
		return -EBADMSG;
	return rc;
}

/* A level that is one page is where a tree ends. */
static bool root_valid(const struct dir_page *p)
{
	return !p->height || p->count > 1;
}

struct each {
	struct store *s;
	int (*fn)(void *ctx, const struct dir_entry *e);
	void *ctx;
	char last[DIR_NAME_MAX]; /* the name before */
	size_t last_len;	 /* 0: none */
	uint64_t count;
};

static int visit(struct each *x, const struct dir_entry *e)
{
	if (x->last_len &&
	    dir_name_cmp(x->last, x->last_len, e->name, e->name_len) >= 0)
		return -EBADMSG;
	memcpy(x->last, e->name, e->name_len);
	x->last_len = e->name_len;
	x->count++;
	return x->fn(x->ctx, e);
}

static int each_page(struct each *x, struct dir_page *p)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct dir_child child;
	struct dir_page page;
	struct dir_entry e;
	uint64_t before;
	int rc;

	while (!p->height) {
		rc = dir_page_next(p, &e);
		if (rc > 0)
			rc = visit(x, &e);
		else
			return rc;
		if (rc)
			return rc;
	}
	while ((rc = dir_page_next_child(p, &child)) > 0) {
		before = x->count;
		rc = open_child(x->s, p, &child, &b, &page);
		if (!rc)
			rc = each_page(x, &page);
		if (rc)
			return rc;
		if (x->count - before != child.count ||
		    dir_name_cmp(x->last, x->last_len, child.name,
				 child.name_len))
			return -EBADMSG;
	}
	return rc;
}

int dir_each(struct store *s, const struct addr *a,
	     int (*fn)(void *ctx, const struct dir_entry *e), void *ctx)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct each x = {.s = s, .fn = fn, .ctx = ctx};
	struct dir_page page;
	int rc = open_page(s, a, &b, &page);

	if (rc)
		return rc;
	return root_valid(&page) ? each_page(&x, &page) : -EBADMSG;
}

/* Directories may hold the same ones many times: each is looked at once. */
struct complete {
	struct store *s;
	struct map *seen;
};

static int all_there(struct complete *c, const struct addr *a);

static int entry_there(void *ctx, const struct dir_entry *e)
{
	struct complete *c = ctx;
	int rc = 1;

	if (e->type == DIR_FILE || e->type == DIR_EXEC)
		rc = blob_complete(c->s, &e->addr);
	else if (e->type == DIR_DIR)
		rc = all_there(c, &e->addr);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

static int all_there(struct complete *c, const struct addr *a)
{
	int rc;

	if (map_get(c->seen, a->b, ADDR_LEN))
		return 1;
	if (map_put(c->seen, a->b, ADDR_LEN, c, NULL) < 0)
		return -ENOMEM;
	rc = dir_each(c->s, a, entry_there, c);
	return rc == -ENOENT ? 0 : rc < 0 ? rc : 1;
}

int dir_complete(struct store *s, const struct addr *a)
{
	struct complete c = {s, map_new()};
	int rc = c.seen ? all_there(&c, a) : -ENOMEM;

	map_free(c.seen);
	return rc;
}

/* The child that would hold the name. 0: none, it is behind the last. */
static int child_of(struct dir_page *p, const char *name, size_t len,
		    struct dir_child *ret)
{
	int rc;

	while ((rc = dir_page_next_child(p, ret)) > 0)
		if (dir_name_cmp(name, len, ret->name, ret->name_len) <= 0)
			return 1;
	return rc;
}

/* A page that is lost does not say that the name is not there. */
static int there(int rc)
{
	return rc == -ENOENT ? -ENODATA : rc;
}

int dir_find(struct store *s, const struct addr *a, const char *name,
	     size_t len, struct buf *ret_page, struct dir_entry *ret)
{
	struct dir_page parent, page;
	struct dir_child child;
	struct dir_entry e;
	int rc, d;

	rc = there(open_page(s, a, ret_page, &page));
	if (!rc && !root_valid(&page))
		rc = -EBADMSG;
	while (!rc && page.height) {
		parent = page;
		rc = child_of(&parent, name, len, &child);
		if (rc <= 0)
			return rc ? rc : -ENOENT;
		rc = there(open_child(s, &parent, &child, ret_page, &page));
	}
	if (rc)
		return rc;
	while ((rc = dir_page_next(&page, &e)) > 0) {
		d = dir_name_cmp(name, len, e.name, e.name_len);
		if (d < 0)
			break;
		if (!d) {
			*ret = e;
			return 0;
		}
	}
	return rc < 0 ? rc : -ENOENT;
}

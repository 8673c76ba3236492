/* Paths: made plain, and followed with the rights of the recipe's owner.
 *
 * Paths are made plain first ("." and "//" go, "a/.." goes), for what the
 * command sees under that path is built from its text, too. What is left of
 * leading ".." climbs from the recipe's directory.
 */
#include "recipes/walk.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "core/acl.h"

#define LINKS_MAX 40

/* --- rights ------------------------------------------------------------- */

/* Once a walk: it reads /etc/group, or asks a server. */
static void load_groups(struct walk *w)
{
	char buf[4096];
	struct passwd pw, *got = NULL;
	int n = 64, had = 0;
	gid_t *p;

	w->ngroups = 0;
	if (getpwuid_r(w->owner->uid, &pw, buf, sizeof(buf), &got) || !got)
		return;
	while (n > had) {
		p = realloc(w->groups, (size_t)n * sizeof(*p));
		if (!p)
			return;
		w->groups = p;
		had = n;
		if (getgrouplist(pw.pw_name, pw.pw_gid, p, &n) >= 0) {
			w->ngroups = n;
			return;
		}
	}
}

static bool in_group(struct walk *w, uint32_t gid)
{
	int i;

	if (gid == w->owner->gid)
		return true;
	if (w->ngroups < 0)
		load_groups(w);
	for (i = 0; i < w->ngroups; i++)
		if (w->groups[i] == gid)
			return true;
	return false;
}

static bool in_group_cb(void *ctx, gid_t gid)
{
	return in_group(ctx, gid);
}

/* 1 or 0 as the inode's list says, -ENODATA where there is none. */
static int list_grants(struct walk *w, const struct ns_attr *a, unsigned what)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_FREE struct acl *list = NULL;
	int r = ns_xattr_get_at(w->ev->ns, w->at, a->ino, ACL_ACCESS, &b);

	if (r >= 0)
		r = acl_parse(b.data, b.len, &list);
	if (r < 0)
		return r;
	return acl_grants(list, w->owner->uid, a->gid, in_group_cb, w, what);
}

bool walk_may(struct walk *w, const struct ns_attr *a, unsigned what)
{
	int r;

	if (w->owner->uid == 0)
		return true;
	if (a->uid == w->owner->uid)
		return (a->mode >> 6 & what) == what;
	r = list_grants(w, a, what);
	if (r != -ENODATA)
		return r > 0;
	if (in_group(w, a->gid))
		return (a->mode >> 3 & what) == what;
	return (a->mode & what) == what;
}

/* As walk_may(), 0 or -EACCES, and watched: a chmod changes the answer. */
static int check(struct walk *w, const struct ns_attr *a, unsigned what)
{
	int r = w->owner->uid ? watch_inode(w->ev, w->t, a->ino) : 0;

	return r < 0 || walk_may(w, a, what) ? r : -EACCES;
}

/* --- plain paths --------------------------------------------------------- */

static void drop_last(struct buf *b)
{
	while (b->len && b->data[b->len - 1] != '/')
		b->len--;
	if (b->len)
		b->len--;
	b->data[b->len] = '\0';
}

int plain_path(const char *text, struct buf *ret, unsigned *ret_up)
{
	bool absolute = text[0] == '/';
	unsigned up = 0;
	const char *p = text, *end;
	size_t n;

	buf_reset(ret);
	for (; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, '/');
		n = (size_t)(end - p);
		if (!n || (n == 1 && p[0] == '.'))
			continue;
		if (n == 2 && !memcmp(p, "..", 2)) {
			if (ret->len)
				drop_last(ret);
			else
				up++;
			continue;
		}
		if (ret->len)
			buf_u8(ret, '/');
		buf_add(ret, p, n);
	}
	if (absolute && up)
		return -EXDEV;
	*ret_up = up;
	return buf_err(ret);
}

/* Steps from *dir to its parent. */
static int climb(struct walk *w, uint64_t *dir)
{
	uint64_t parent;
	int r;

	if (*dir == NS_ROOT)
		return -EXDEV;
	r = watch_inode(w->ev, w->t, *dir); /* fires when it is moved */
	if (r < 0)
		return r;
	r = ns_parent(w->ev->ns, w->at, *dir, &parent);
	if (r < 0)
		return r;
	*dir = parent;
	return 0;
}

int walk_start(struct walk *w, const char *text, unsigned up, uint64_t *ret)
{
	uint64_t dir = text[0] == '/' ? NS_ROOT : w->dir;
	int r;

	for (; up; up--) {
		r = climb(w, &dir);
		if (r < 0)
			return r;
	}
	*ret = dir;
	return 0;
}

/* --- following ----------------------------------------------------------- */

/* The rest of a path, which a link may replace. */
struct rest {
	struct buf path;
	size_t off;
	unsigned links;
};

static void rest_done(struct rest *r)
{
	buf_done(&r->path);
}

/* The next component, which may be empty; false behind the last. */
static bool rest_next(struct rest *r, const char **ret, size_t *ret_len,
		      bool *ret_last)
{
	const char *p = buf_cstr(&r->path) + r->off;
	size_t left = r->path.len - r->off, n;
	const char *slash;

	if (!left)
		return false;
	slash = memchr(p, '/', left);
	n = slash ? (size_t)(slash - p) : left;
	r->off += n + (slash ? 1 : 0);
	*ret = p;
	*ret_len = n;
	*ret_last = r->off == r->path.len;
	return true;
}

/* Puts a link's target before what is left. */
static int rest_follow_link(struct walk *w, struct rest *r, uint64_t ino)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct buf old;
	int rc;

	if (++r->links > LINKS_MAX)
		return -ELOOP;
	rc = ns_readlink(w->ev->ns, w->at, ino, &b);
	if (rc < 0)
		return rc;
	if (b.len && b.data[0] == '/')
		return -EXDEV;
	if (r->off < r->path.len)
		buf_u8(&b, '/');
	buf_add(&b, r->path.data + r->off, r->path.len - r->off);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	old = r->path;
	r->path = b;
	b = old;
	r->off = 0;
	return 0;
}

/* A name that is not in the namespace: a derived one, or none. */
static int find_derived(struct walk *w, uint64_t dir, const char *name,
			size_t len, struct found *ret)
{
	struct defined d;
	int r = define_find(w->finder, dir, name, len, w->chain, &d);

	if (r < 0)
		return r == -EEXIST ? -ENOENT : r;
	r = check(w, &d.recipe, 4);
	if (r < 0)
		return r;
	*ret = (struct found){.derived = true,
			      .own = d.recipe.ino == w->owner->ino};
	if (w->chain)
		return 0;
	ret->target = target_get(w->ev, w->at, dir, name, len, true);
	return ret->target ? 0 : -ENOMEM;
}

/* The rest of the path lies in a derived directory. */
static int enter_derived(struct walk *w, const struct rest *rest,
			 struct found *ret)
{
	const char *p = buf_cstr(&rest->path) + rest->off;
	CLEANUP_BUF struct buf plain = BUF_INIT;
	struct addr top;
	unsigned up;
	int r = plain_path(p, &plain, &up);

	if (r >= 0 && up)
		r = -EXDEV;
	if (r < 0)
		return r;
	if (w->chain)
		return -ENOENT; /* what is in it is not known from outside */
	r = walk_tree(w, ret->target, &top);
	return r < 0 ? r
		     : walk_in_tree(w, &top, buf_cstr(&plain), plain.len, ret);
}

/* One name in *dir. 1: *ret is what it leads to; 0: *dir is that directory, or
 * a link has to be followed. */
static int follow_name(struct walk *w, uint64_t *dir, const char *name,
		       size_t len, bool last, struct rest *rest,
		       struct found *ret)
{
	struct eval *ev = w->ev;
	struct ns_attr attr;
	uint64_t ino;
	int r = ns_getattr(ev->ns, w->at, *dir, &attr);

	if (r >= 0)
		r = check(w, &attr, 1);
	if (r >= 0)
		r = watch_name(ev, w->t, *dir, name, len);
	if (r < 0)
		return r;
	r = ns_lookup(ev->ns, w->at, *dir, name, len, &ino, NULL);
	if (r == -ENOENT) {
		r = find_derived(w, *dir, name, len, ret);
		if (r >= 0 && !last)
			r = enter_derived(w, rest, ret);
		return r < 0 ? r : 1;
	}
	if (r >= 0)
		r = ns_getattr(ev->ns, w->at, ino, &attr);
	if (r < 0)
		return r;
	if (S_ISLNK(attr.mode))
		return rest_follow_link(w, rest, ino);
	if (S_ISDIR(attr.mode)) {
		*dir = ino;
		return 0;
	}
	if (!last)
		return -ENOTDIR;
	*ret = (struct found){.attr = attr};
	return 1;
}

int walk_follow(struct walk *w, uint64_t dir, const char *path, size_t len,
		struct found *ret)
{
	CLEANUP(rest_done) struct rest rest = {.path = BUF_INIT};
	const char *name;
	size_t n;
	bool last;
	int r;

	buf_add(&rest.path, path, len);
	if (buf_err(&rest.path) < 0)
		return -ENOMEM;
	while (rest_next(&rest, &name, &n, &last)) {
		if (!n || (n == 1 && *name == '.'))
			continue; /* in links only, as is ".." */
		if (n == 2 && !memcmp(name, "..", 2))
			r = climb(w, &dir);
		else
			r = follow_name(w, &dir, name, n, last, &rest, ret);
		if (r)
			return r < 0 ? r : 0;
	}
	*ret = (struct found){0};
	return ns_getattr(w->ev->ns, w->at, dir, &ret->attr);
}

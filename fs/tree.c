/* Directory objects shown as directories.
 *
 * A derived directory is a DIR node: one for its name, whatever its content,
 * so that a process may sit in it while the content changes. Looking a name up
 * in it and opening it wait for its value; everything below is a TREE node,
 * which stands for one entry of one directory object and never changes.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/dir.h"
#include "recipes/view.h"

static uint32_t type_of(enum dir_type type)
{
	switch (type) {
	case DIR_DIR:
		return S_IFDIR;
	case DIR_LINK:
		return S_IFLNK;
	case DIR_FIFO:
		return S_IFIFO;
	case DIR_SOCK:
		return S_IFSOCK;
	case DIR_CHR:
		return S_IFCHR;
	case DIR_BLK:
		return S_IFBLK;
	default:
		return S_IFREG;
	}
}

/* Read bits as above it, and execution where the entry says so. */
static uint32_t mode_of(enum dir_type type, uint32_t above)
{
	uint32_t mode = above & 0444;

	if (type == DIR_LINK)
		return S_IFLNK | 0777;
	if (type == DIR_EXEC || type == DIR_DIR)
		mode |= mode >> 2;
	return type_of(type) | mode;
}

/* A number that differs for each place and content. */
static uint64_t ino_of(uint64_t above, const struct dir_entry *e)
{
	uint8_t key[sizeof(above) + ADDR_LEN + 1 + NS_NAME_MAX + 1 + 4095];
	uint8_t *p = key;

	p = mempcpy(p, &above, sizeof(above));
	p = mempcpy(p, e->addr.b, ADDR_LEN);
	*p++ = (uint8_t)e->type;
	p = mempcpy(p, e->name, e->name_len);
	*p++ = 0;
	if (e->target_len)
		p = mempcpy(p, e->target, e->target_len);
	return hash_ino(key, (size_t)(p - key));
}

static int from_entry(struct fs *fs, const struct tree_at *at,
		      const struct dir_entry *e, struct node **ret)
{
	struct node *n = node_tree(fs, ino_of(at->ino, e), &e->addr);
	char *target = NULL;

	if (!n)
		return -ENOMEM;
	if (e->type == DIR_LINK && !n->target) {
		target = malloc(e->target_len + 1);
		if (!target) {
			node_drop(fs, n);
			return -ENOMEM;
		}
		memcpy(target, e->target, e->target_len);
		target[e->target_len] = '\0';
		n->target = target;
	}
	n->size = e->type == DIR_LINK  ? e->target_len
		  : e->type == DIR_DIR ? 4096
				       : e->size;
	n->mode = mode_of(e->type, at->mode);
	n->uid = at->uid;
	n->gid = at->gid;
	n->since_ns = at->since_ns;
	n->version = e->rdev;
	n->executable = e->type == DIR_EXEC;
	n->at = at->run;
	*ret = n;
	return 0;
}

int tree_child(struct fs *fs, const struct tree_at *at, const char *name,
	       struct node **ret)
{
	CLEANUP_BUF struct buf page = BUF_INIT;
	struct dir_entry e;
	int r = dir_find(fs->store, &at->addr, name, strlen(name), &page, &e);

	if (r == -ENODATA && !at->run)
		return -ESTALE; /* dropped: from its top it is made again */
	if (r == -EBADMSG || r == -EINVAL || r == -EIO || r == -ENODATA) {
		damage_met(fs, at->run, &at->addr);
		return -EIO;
	}
	return r < 0 ? r : from_entry(fs, at, &e, ret);
}

void tree_at_node(const struct node *n, struct tree_at *ret)
{
	*ret = (struct tree_at){
		.addr = n->addr,
		.ino = n->ino,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.since_ns = n->since_ns,
		.run = n->at,
	};
}

/* The number of a derived directory is its name's alone. */
static uint64_t dir_ino(const struct node *n)
{
	uint8_t key[sizeof(uint64_t) + NS_NAME_MAX];

	memcpy(key, &n->name->dir, sizeof(n->name->dir));
	memcpy(key + sizeof(n->name->dir), n->name->text, n->name->len);
	return hash_ino(key, sizeof(n->name->dir) + n->name->len);
}

int tree_at_value(struct fs *fs, const struct node *n,
		  const struct eval_value *v, struct tree_at *ret)
{
	const struct name *nm = n->name;
	struct ns_attr recipe;
	int r = eval_defined(fs->eval, nm->at, nm->dir, nm->text, nm->len,
			     &recipe);

	if (r < 0)
		return r == -EEXIST ? -ENOENT : r;
	*ret = (struct tree_at){
		.addr = v->addr,
		.ino = dir_ino(n),
		.mode = recipe.mode,
		.uid = recipe.uid,
		.gid = recipe.gid,
		.since_ns = v->since_ns,
	};
	return 0;
}

/* What a run sees below an input that is a directory. */
void tree_at_view(const struct fs *fs, uint64_t run, const struct view_node *v,
		  struct tree_at *ret)
{
	*ret = (struct tree_at){
		.addr = v->addr,
		.ino = hash_ino(&run, sizeof(run)),
		.mode = 0444,
		.uid = fs->uid,
		.gid = fs->gid,
		.since_ns = NO_TIME_NS,
		.run = run,
	};
}

/* A directory of a view is an entry of nothing. */
int tree_top(struct fs *fs, const struct tree_at *at, struct node **ret)
{
	const struct dir_entry e = {
		.name = "/",
		.name_len = 1,
		.type = DIR_DIR,
		.addr = at->addr,
	};

	return from_entry(fs, at, &e, ret);
}

/* --- attributes -------------------------------------------------------------
 */

void tree_attr(struct fs *fs, const struct node *n, struct stat *ret)
{
	struct ns_attr a = {
		.mode = n->mode,
		.nlink = 1, /* of a directory: nobody has counted */
		.uid = n->uid,
		.gid = n->gid,
		.rdev = n->version,
		.size = n->size,
		.atime_ns = n->since_ns,
		.mtime_ns = n->since_ns,
		.ctime_ns = n->since_ns,
	};

	attr_stat(&a, n->ino, ret);
	if (S_ISREG(n->mode))
		ret->st_blocks =
			(blkcnt_t)((content_data(fs, &n->addr, n->size) + 511) /
				   512);
}

/* Nothing is computed for it: of a directory, the size says nothing. */
int tree_dir_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	const struct name *nm = n->name;
	const struct eval_value *v;
	struct ns_attr a;
	int r = eval_defined(fs->eval, nm->at, nm->dir, nm->text, nm->len, &a);

	if (r == -ENOENT || r == -EEXIST) {
		if (!n->opens && !n->ghost)
			return -ESTALE;
		memset(&a, 0, sizeof(a));
		a.mode = 0444;
		a.uid = fs->uid;
		a.gid = fs->gid;
	} else if (r < 0) {
		return r;
	}
	v = eval_current(fs->eval, nm->at, nm->dir, nm->text, nm->len);
	if (v)
		a.mtime_ns = a.ctime_ns = a.atime_ns = v->since_ns;
	a.mode = mode_of(DIR_DIR, a.mode);
	a.nlink = 1;
	a.size = 4096;
	attr_stat(&a, dir_ino(n), ret);
	return 0;
}

/* --- listing ----------------------------------------------------------------
 */

struct listing {
	int (*fn)(void *ctx, const char *name, size_t len, uint64_t ino,
		  uint32_t mode);
	void *ctx;
	uint64_t above;
};

static int list_entry(void *ctx, const struct dir_entry *e)
{
	struct listing *l = ctx;

	return l->fn(l->ctx, e->name, e->name_len, ino_of(l->above, e),
		     type_of(e->type));
}

int tree_list(struct fs *fs, const struct tree_at *at,
	      int (*fn)(void *ctx, const char *name, size_t len, uint64_t ino,
			uint32_t mode),
	      void *ctx)
{
	struct listing l = {fn, ctx, at->ino};
	int r = dir_each(fs->store, &at->addr, list_entry, &l);

	if (r != -EBADMSG && r != -ENOENT && r != -EIO)
		return r;
	damage_met(fs, at->run, &at->addr);
	return -EIO;
}

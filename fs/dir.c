/* Listing directories.
 *
 * A listing is taken whole when it is first read (and again after a rewind),
 * so that it holds still while names come and go, as POSIX wants of a
 * directory stream. Sources come first, in byte order, then derived names:
 * recipes come before what they define, so that `rm -r` removes them in an
 * order that works.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/view.h"

struct dirent_row {
	size_t name; /* offset in names */
	uint64_t ino;
	uint32_t mode;
	bool derived;
};

struct entries {
	struct buf names;
	struct dirent_row *rows;
	size_t count, cap;
	bool derived; /* there are derived names */
};

static void entries_free(struct entries *e)
{
	if (!e)
		return;
	buf_done(&e->names);
	free(e->rows);
	free(e);
}

static int add(struct entries *e, const char *name, size_t len, uint64_t ino,
	       uint32_t mode, bool derived)
{
	struct dirent_row *p;

	if (e->count == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 64;
		p = realloc(e->rows, e->cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		e->rows = p;
	}
	e->rows[e->count++] =
		(struct dirent_row){e->names.len, ino, mode & S_IFMT, derived};
	buf_add(&e->names, name, len);
	buf_u8(&e->names, 0);
	return buf_err(&e->names);
}

static int add_source(void *ctx, const struct ns_entry *x)
{
	return add(ctx, x->name, x->len, x->ino, x->mode, false);
}

/* What a step below a directory leads to, without asking for the name where the
 * listing says it; of the present when it was taken just now (fresh). */
static int child(struct fs *fs, struct handle *h, const struct dirent_row *row,
		 const char *name, bool fresh, struct node **ret)
{
	struct node *dir = h->node;
	int r;

	if (h->tree)
		return tree_child(fs, h->tree, name, ret);
	if ((dir->kind != NODE_PAST && !(fresh && dir->kind == NODE_SOURCE)) ||
	    row->derived)
		return lookup_child(fs, dir, name, 0, ret);
	r = may(fs, dir, X_OK);
	if (r < 0)
		return r;
	*ret = dir->kind == NODE_PAST ? node_past(fs, dir->at, row->ino)
				      : node_source(fs, row->ino);
	return *ret ? 0 : -ENOMEM;
}

/* A number for derived names in listings: above all inodes, so that fts,
 * which sorts large directories by it, meets recipes first. */
static int add_derived(void *ctx, const char *name, size_t len, bool dir)
{
	struct entries *e = ctx;

	e->derived = true;
	return add(e, name, len, hash_ino(name, len), dir ? S_IFDIR : S_IFREG,
		   true);
}

static int add_control(void *ctx, const char *name, uint32_t mode)
{
	return add(ctx, name, strlen(name), hash_ino(name, strlen(name)), mode,
		   false);
}

static int add_tree(void *ctx, const char *name, size_t len, uint64_t ino,
		    uint32_t mode)
{
	return add(ctx, name, len, ino, mode, false);
}

static int add_live(void *ctx, const char *name, size_t len, uint32_t mode)
{
	return add(ctx, name, len, hash_ino(name, len), mode, false);
}

static int fill(struct fs *fs, const struct handle *h, struct entries *e)
{
	struct node *dir = h->node;
	struct tree_at tree;
	uint64_t at = dir->kind == NODE_PAST ? dir->at : NS_NOW;
	uint64_t parent;
	size_t i;
	int r;

	r = add(e, ".", 1, hash_ino(".", 1), S_IFDIR, false);
	if (r >= 0)
		r = add(e, "..", 2, hash_ino("..", 2), S_IFDIR, false);
	if (r < 0)
		return r;
	switch (dir->kind) {
	case NODE_SOURCE:
		e->rows[0].ino = dir->ino;
		if (ns_parent(fs->ns, at, dir->ino, &parent) >= 0)
			e->rows[1].ino = parent;
		/* fall through */
	case NODE_PAST:
		r = ns_list(fs->ns, at, dir->ino, "", 0, add_source, e);
		if (r >= 0)
			r = eval_list(fs->eval, at, dir->ino, add_derived, e);
		return r;
	case NODE_DIR:
		return h->tree ? tree_list(fs, h->tree, add_tree, e) : 0;
	case NODE_TREE:
		tree_at_node(dir, &tree);
		return tree_list(fs, &tree, add_tree, e);
	case NODE_LIVE:
		return live_list(fs, dir, add_live, e);
	case NODE_VIEW:
		if (!map_get_u64(fs->views, dir->ino))
			return -ESTALE;
		for (i = 0; r >= 0 && i < dir->view->count; i++) {
			const struct view_node *v = dir->view->children[i];

			r = add(e, v->name, v->len, hash_ino(v->name, v->len),
				v->dir || v->tree ? S_IFDIR : S_IFREG, false);
		}
		return r;
	case NODE_HISTORY:
		return history_list(fs, dir, add_control, e);
	case NODE_CONTROL:
		return control_list(fs, dir, add_control, e);
	default:
		return -ENOTDIR;
	}
}

/* What is open can be listed to its end. */
static void keep(struct fs *fs, struct handle *h, const struct addr *a)
{
	h->kept = *a;
	store_keep(fs->store, a);
}

static void handle_done(struct fs *fs, struct handle *h)
{
	if (!addr_is_zero(&h->kept))
		store_release(fs->store, &h->kept);
	h->node->opens--;
	node_drop(fs, h->node);
	entries_free(h->entries);
	free(h->tree);
	free(h);
}

void reply_tree_open(fuse_req_t req, struct node *n, const struct tree_at *at,
		     struct fuse_file_info *fi)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (h && at)
		h->tree = malloc(sizeof(*h->tree));
	if (!h || (at && !h->tree)) {
		free(h);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (at) {
		*h->tree = *at;
		keep(fs_of(req), h, &at->addr);
	}
	h->node = n;
	n->opens++;
	fi->fh = (uint64_t)(uintptr_t)h;
	if (fuse_reply_open(req, fi) == -ENOENT)
		handle_done(fs_of(req), h);
}

void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = calloc(1, sizeof(*h));
	int r;

	if (!h) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	db_lock(fs->db);
	h->node = node_of(fs, id);
	r = may(fs, h->node, R_OK);
	if (r >= 0 && h->node->kind == NODE_TREE) {
		keep(fs, h, &h->node->addr);
		if (content_lost(fs, &h->kept))
			r = -ESTALE;
		if (r < 0)
			store_release(fs->store, &h->kept);
	}
	if (r >= 0 && h->node->kind != NODE_DIR)
		h->node->opens++;
	db_unlock(fs->db);
	if (r < 0) {
		free(h);
		reply_err(req, r);
		return;
	}
	if (h->node->kind == NODE_DIR) {
		derived_opendir(fs, req, h->node, fi);
		free(h);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)h;
	/* the past does not change: the kernel lists it again by itself */
	fi->cache_readdir = h->node->kind == NODE_PAST;
	fi->keep_cache = h->node->kind == NODE_PAST;
	if (fuse_reply_open(req, fi) == -ENOENT) {
		db_lock(fs->db);
		handle_done(fs, h);
		db_unlock(fs->db);
	}
}

/* The listing from its start: taken anew. */
static int refill(struct fs *fs, struct handle *h)
{
	struct entries *e = calloc(1, sizeof(*e));
	int r = e ? fill(fs, h, e) : -ENOMEM;

	if (r < 0) {
		entries_free(e);
		return r;
	}
	entries_free(h->entries);
	h->entries = e;
	return 0;
}

/* Numbers of the past are not the present's (attr.c). */
static uint64_t shown_ino(const struct node *dir, const struct dirent_row *row)
{
	uint64_t id[3] = {row->ino, dir->at, 1};

	return dir->kind == NODE_PAST && !row->derived
		       ? hash_ino(id, sizeof(id))
		       : row->ino;
}

/* Adds one entry with its attributes. An entry without a node id is just a
 * name: what is to be looked up before it is believed (a PLACE), or gone. */
static size_t add_plus(fuse_req_t req, struct handle *h, char *p, size_t room,
		       const struct dirent_row *row, const char *name,
		       bool fresh, off_t next)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = {0};
	struct node *n = NULL;
	size_t used;
	bool dots = !strcmp(name, ".") || !strcmp(name, "..");

	e.attr.st_ino = shown_ino(h->node, row);
	e.attr.st_mode = row->mode;
	/* what a run looks up is noted, and only that */
	if (!dots && h->node->kind != NODE_CONTROL &&
	    h->node->kind != NODE_LIVE && h->node->kind != NODE_VIEW &&
	    child(fs, h, row, name, fresh, &n) >= 0) {
		if (n->kind == NODE_PLACE || n->kind == NODE_DIR)
			node_drop(fs, n);
		else if (node_entry(fs, n, &e) < 0)
			n = NULL;
	}
	used = fuse_add_direntry_plus(req, p, room, name, &e, next);
	if (used > room && e.ino)
		node_forget(fs, node_of(fs, e.ino), 1);
	return used;
}

static void read_dir(fuse_req_t req, size_t size, off_t off,
		     struct fuse_file_info *fi, bool plus)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	struct fs *fs = fs_of(req);
	char *buf = malloc(size);
	size_t len = 0, used;
	int r = buf ? 0 : -ENOMEM;
	bool fresh;

	db_lock(fs->db);
	db_read_begin(fs->db);
	fresh = !h->entries || !off;
	if (r >= 0 && fresh)
		r = refill(fs, h);
	if (r >= 0 && !off && h->node->kind == NODE_SOURCE &&
	    h->entries->derived) {
		ahead_listed(fs, h->node->ino, fuse_req_ctx(req)->pid);
		ghosts_listed(fs, h->node->ino, fuse_req_ctx(req)->pid);
	}
	for (; r >= 0 && (size_t)off < h->entries->count; off++) {
		const struct dirent_row *row = &h->entries->rows[off];
		const char *name = buf_cstr(&h->entries->names) + row->name;
		struct stat st = {.st_ino = shown_ino(h->node, row),
				  .st_mode = row->mode};

		if (plus)
			used = add_plus(req, h, buf + len, size - len, row,
					name, fresh, off + 1);
		else
			used = fuse_add_direntry(req, buf + len, size - len,
						 name, &st, off + 1);
		if (used > size - len)
			break;
		len += used;
	}
	db_read_end(fs->db);
	db_unlock(fs->db);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_buf(req, buf, len);
	free(buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	(void)id;
	read_dir(req, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)id;
	read_dir(req, size, off, fi, true);
}

void op_releasedir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	struct fs *fs = fs_of(req);

	(void)id;
	db_lock(fs->db);
	handle_done(fs, h);
	db_unlock(fs->db);
	fuse_reply_err(req, 0);
}

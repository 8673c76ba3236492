/* Listing directories.
 *
 * A listing is taken whole when it is first read (and again after a rewind),
 * so that it holds still while names come and go, as POSIX wants of a
 * directory stream. Sources come first, in byte order, then derived names:
 * recipes come before what they define, so that `rm -r` removes them in an
 * order that works.
 *
 * The kernel keeps the listings of directories in which no recipe lies, so
 * that the next who lists one asks nobody. What this mount changes there goes
 * through the kernel, which knows its listing is no good any more; of what
 * others change it is told by follow.c. Names that a recipe defines come and
 * go without a name of theirs being touched: a directory with recipes is
 * listed anew each time, and making its first recipe is a change of it. Two
 * things are left:
 *
 * - A listing that is on its way to the kernel while it is told to forget it
 *   is kept afterwards. So it is told again a moment later, and when the handle
 *   is heard of next (changes).
 * - A handle may have been opened before the first recipe came, and what it
 *   reads now has derived names. Such directories are noted (mixed), and
 *   forgotten with each change of anything.
 *
 * As the kernel hands out what one handle read to others, and goes on with
 * those here when it has lost the rest, a place in a listing says of which
 * moment it is: the listing of any moment can be made again.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/file.h"
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
	uint64_t seq; /* of the present: the last change there was; else 0 */
	bool derived; /* there are derived names */
};

/* A place in a listing, as the kernel has it: its number, and above that the
 * listing's change. Of a store with more changes, or a directory with more
 * names, it says nothing but the number in the handle's own listing. */
#define PLACE_BITS 27
#define SEQ_MAX	   ((UINT64_C(1) << (63 - PLACE_BITS)) - 1)

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

static int fill(struct fs *fs, const struct handle *h, uint64_t at,
		struct entries *e)
{
	struct node *dir = h->node;
	struct tree_at tree;
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

/* --- what the kernel keeps -------------------------------------------------
 */

enum { UNKNOWN, PLAIN, DEFINES }; /* dir_state.recipes */

static int stop_at_first(void *ctx, const struct ns_entry *e)
{
	(void)ctx;
	(void)e;
	return 1;
}

/* Whether names may be derived there. */
static bool has_recipes(struct fs *fs, struct node *n)
{
	int r;

	if (n->dir.recipes == UNKNOWN) {
		r = ns_list_recipes(fs->ns, NS_NOW, n->ino, stop_at_first,
				    NULL);
		if (r < 0)
			return true;
		n->dir.recipes = r ? DEFINES : PLAIN;
	}
	return n->dir.recipes == DEFINES;
}

void name_changed(struct fs *fs, uint64_t dir, const char *name, size_t len)
{
	struct node *n;
	size_t stem;

	if (recipe_name(name, len, &stem)) {
		n = node_find_source(fs, dir);
		if (n)
			n->dir.recipes = UNKNOWN;
	}
	eval_name_changed(fs->eval, dir, name, len);
}

/* Of the root nobody may have asked. */
static bool is_dir(const struct fs *fs, const struct node *n)
{
	return n == fs->root || S_ISDIR(n->mode);
}

fuse_ino_t list_changed(struct fs *fs, struct node *n)
{
	if (!is_dir(fs, n))
		return 0;
	n->dir.changes++;
	n->dir.recipes = UNKNOWN;
	return n->lookups || n == fs->root ? node_id(fs, n) : 0;
}

/* Its pages go: that waits for who is just copying one of them out, who may
 * wait for a page of a file of ours. */
void list_forget(struct fs *fs, fuse_ino_t id)
{
	int r = id ? fuse_lowlevel_notify_inval_inode(fs->se, id, 0, 0) : 0;

	if (r < 0 && r != -ENOENT && r != -ENODEV)
		log_debug("the kernel keeps a listing: %s", err_name(r));
}

/* A directory's listing with derived names may be kept. */
static void note_mixed(struct fs *fs, struct node *n)
{
	if (map_put_u64(fs->mixed, n->ino, n) < 0)
		log_warn("out of memory: a listing may show names that went");
}

static void list_add(struct fs *fs, struct node *n, struct buf *ids)
{
	fuse_ino_t id = list_changed(fs, n);

	buf_add(ids, &id, sizeof(id));
}

static void lists_forget(struct fs *fs, const struct buf *ids)
{
	fuse_ino_t id;
	size_t i;

	for (i = 0; i < ids->len; i += sizeof(id)) {
		memcpy(&id, ids->data + i, sizeof(id));
		list_forget(fs, id);
	}
}

void lists_mixed(struct fs *fs)
{
	CLEANUP_BUF struct buf ids = BUF_INIT;
	size_t it = 0;
	void *v;

	db_lock(fs->db);
	while (map_next(fs->mixed, &it, NULL, NULL, &v))
		list_add(fs, v, &ids);
	db_unlock(fs->db);
	lists_forget(fs, &ids);
}

void lists_lost(struct fs *fs)
{
	CLEANUP_BUF struct buf ids = BUF_INIT;
	struct node *n;
	size_t it = 0;

	db_lock(fs->db);
	while ((n = node_table_next(fs->nodes, &it)))
		if (n->kind == NODE_SOURCE)
			list_add(fs, n, &ids);
	db_unlock(fs->db);
	lists_forget(fs, &ids);
}

/* Whether what was read through the handle may have come to the kernel after
 * it was told to forget it; 0 or the id. */
static fuse_ino_t read_too_late(struct fs *fs, struct handle *h)
{
	if (!h->caches || h->changes == h->node->dir.changes)
		return 0;
	h->changes = h->node->dir.changes;
	return node_id(fs, h->node);
}

static void begin_caching(struct handle *h)
{
	h->caches = true;
	h->changes = h->node->dir.changes;
	h->node->dir.cachers++;
}

static void end_caching(struct fs *fs, struct handle *h)
{
	if (h->caches && !--h->node->dir.cachers && map_count(fs->mixed))
		map_del_u64(fs->mixed, h->node->ino);
}

/* --- handles ----------------------------------------------------------------
 */

static void handle_done(struct fs *fs, struct handle *h)
{
	end_caching(fs, h);
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

/* Who lists a directory mostly wants to know of its files, too, which come
 * with a listing that is made anew: when so many were looked up one by one. */
#define MISSED_MAX 16

void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = calloc(1, sizeof(*h));
	bool anew = false;
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
	if (r >= 0 && h->node->kind == NODE_SOURCE) {
		if (!has_recipes(fs, h->node))
			begin_caching(h);
		/* it knows the names, but no more what they lead to */
		anew = h->node->dir.missed > MISSED_MAX ||
		       h->node->dir.epoch != fs->epochs;
		h->node->dir.missed = 0;
	}
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
	fi->cache_readdir = h->caches || h->node->kind == NODE_PAST;
	fi->keep_cache = fi->cache_readdir && !anew;
	if (fuse_reply_open(req, fi) == -ENOENT) {
		db_lock(fs->db);
		handle_done(fs, h);
		db_unlock(fs->db);
	}
}

/* The listing of a moment: taken anew. */
static int refill(struct fs *fs, struct handle *h, uint64_t at)
{
	struct entries *e = calloc(1, sizeof(*e));
	int r = e ? fill(fs, h, at, e) : -ENOMEM;

	if (r >= 0 && h->node->kind == NODE_SOURCE) {
		e->seq = at == NS_NOW ? ns_last_change(fs->ns) : at;
		if (e->seq > SEQ_MAX || e->count >> PLACE_BITS)
			e->seq = 0;
	}
	if (r < 0) {
		entries_free(e);
		return r;
	}
	entries_free(h->entries);
	h->entries = e;
	return 0;
}

/* Where to go on from; *ret_fresh: the listing is of this moment. */
static int find_place(struct fs *fs, struct handle *h, off_t off, size_t *ret,
		      bool *ret_fresh)
{
	uint64_t seq = (uint64_t)off >> PLACE_BITS;
	struct node *dir = h->node;
	uint64_t at = dir->kind == NODE_PAST ? dir->at : NS_NOW;
	int r = 0;

	*ret_fresh = !off || !h->entries;
	if (dir->kind == NODE_SOURCE && seq &&
	    (!h->entries || (h->entries->seq && h->entries->seq != seq))) {
		r = refill(fs, h, seq);
		*ret_fresh = false;
	} else if (*ret_fresh) {
		r = refill(fs, h, at);
	}
	if (r < 0)
		return r;
	if (h->entries->seq)
		off &= (INT64_C(1) << PLACE_BITS) - 1;
	*ret = (size_t)off;
	return 0;
}

static off_t place_of(const struct entries *e, size_t i)
{
	return (off_t)(e->seq << PLACE_BITS | i);
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

/* Who lists a directory with derived names from its start is remembered. */
static void listed(fuse_req_t req, struct handle *h)
{
	struct fs *fs = fs_of(req);

	if (h->node->kind != NODE_SOURCE || !h->entries->derived)
		return;
	ahead_listed(fs, h->node->ino, fuse_req_ctx(req)->pid);
	ghosts_listed(fs, h->node->ino, fuse_req_ctx(req)->pid);
	if (h->caches)
		note_mixed(fs, h->node);
}

static size_t add_entries(fuse_req_t req, struct handle *h, char *buf,
			  size_t size, size_t i, bool plus, bool fresh)
{
	const struct entries *e = h->entries;
	size_t len = 0, used;

	for (; i < e->count; i++) {
		const struct dirent_row *row = &e->rows[i];
		const char *name = buf_cstr(&e->names) + row->name;
		struct stat st = {.st_ino = shown_ino(h->node, row),
				  .st_mode = row->mode};
		off_t next = place_of(e, i + 1);

		if (plus)
			used = add_plus(req, h, buf + len, size - len, row,
					name, fresh, next);
		else
			used = fuse_add_direntry(req, buf + len, size - len,
						 name, &st, next);
		if (used > size - len)
			break;
		len += used;
	}
	return len;
}

static void read_dir(fuse_req_t req, size_t size, off_t off,
		     struct fuse_file_info *fi, bool plus)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	struct fs *fs = fs_of(req);
	char *buf = malloc(size);
	size_t len = 0, i = 0;
	int r = buf ? 0 : -ENOMEM;
	fuse_ino_t late;
	bool fresh;

	db_lock(fs->db);
	db_read_begin(fs->db);
	late = read_too_late(fs, h);
	if (r >= 0)
		r = find_place(fs, h, off, &i, &fresh);
	if (r >= 0 && !off)
		listed(req, h);
	if (r >= 0 && fresh && plus && h->node->kind == NODE_SOURCE)
		h->node->dir.epoch = fs->epochs;
	if (r >= 0)
		len = add_entries(req, h, buf, size, i, plus, fresh);
	db_read_end(fs->db);
	db_unlock(fs->db);
	list_forget(fs, late);
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
	fuse_ino_t late;

	(void)id;
	db_lock(fs->db);
	late = read_too_late(fs, h);
	handle_done(fs, h);
	db_unlock(fs->db);
	list_forget(fs, late);
	fuse_reply_err(req, 0);
}

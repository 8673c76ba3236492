/* The operations on names and attributes. Each does its work in the namespace
 * under db_lock(), tells the evaluation what changed before it answers (so
 * that whoever acts on the answer finds nothing stale), and answers once.
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/clock.h"
#include "recipes/file.h"

static int pid_of(fuse_req_t req)
{
	return fuse_req_ctx(req)->pid;
}

/* Whether a name of a control directory always leads to what it does now: a
 * moment told in words is another one a second later, and objects are
 * collected. */
static bool is_lasting(struct fs *fs, const struct node *dir, const char *name)
{
	switch (dir->control) {
	case CTL_AT:
		return past_is_fixed(fs, name);
	case CTL_BY_ADDR:
	case CTL_RECIPES:
		return false;
	default:
		return true;
	}
}

/* What was not there at a moment of the past will never have been. */
static void reply_never(fuse_req_t req)
{
	const struct fuse_entry_param none = {.entry_timeout = FOREVER};

	fuse_reply_entry(req, &none);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node *dir = node_of(fs, parent), *n;
	struct fuse_entry_param e;
	int r;

	db_lock(fs->db);
	db_read_begin(fs->db);
	r = lookup_child(fs, dir, name, pid_of(req), &n);
	if (r == -EAGAIN && dir->kind == NODE_DIR) {
		db_read_end(fs->db);
		db_unlock(fs->db);
		derived_child(fs, req, dir, name);
		return;
	}
	if (r >= 0)
		r = node_entry(fs, n, &e);
	if (r >= 0 && dir->kind == NODE_SOURCE && dir->dir.missed < UINT16_MAX)
		dir->dir.missed++;
	if (r >= 0 && n->kind == NODE_PLACE)
		n->ghost = false;
	if (r >= 0 && dir->kind == NODE_CONTROL && !is_lasting(fs, dir, name))
		e.entry_timeout = 0;
	db_read_end(fs->db);
	db_unlock(fs->db);
	if (r == -ENOENT && dir->kind == NODE_PAST)
		reply_never(req);
	else if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t lookups)
{
	struct fs *fs = fs_of(req);

	db_lock(fs->db);
	node_forget(fs, node_of(fs, id), lookups);
	fs_unlock(fs);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct fs *fs = fs_of(req);
	size_t i;

	db_lock(fs->db);
	for (i = 0; i < count; i++)
		node_forget(fs, node_of(fs, forgets[i].ino),
			    forgets[i].nlookup);
	fs_unlock(fs);
	fuse_reply_none(req);
}

/* The kernel came here by a name that leads elsewhere by now, and looks it up
 * again. Who has the old content open stays. */
static bool is_past(const struct node *n)
{
	return n->old && !n->opens;
}

static bool is_open(struct fs *fs, const struct node *n)
{
	bool open;

	db_lock(fs->db);
	open = n->opens;
	db_unlock(fs->db);
	return open;
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	struct stat st;
	int r;

	(void)fi;
	if (n->kind == NODE_PLACE || n->kind == NODE_VALUE) {
		derived_getattr(fs, req, n);
		return;
	}
	if (n->kind == NODE_CONTROL && n->control == CTL_EVENTS &&
	    is_open(fs, n))
		events_look(fs, id);
	db_lock(fs->db);
	r = is_past(n) ? -ESTALE : node_attr(fs, n, &st);
	db_unlock(fs->db);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &st, attr_timeout(fs, n));
}

/* Comes only without default_permissions: root may do everything but execute
 * what nobody may execute, and write where nobody can. */
static void op_access(fuse_req_t req, fuse_ino_t id, int mask)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	struct stat st;
	int r;

	db_lock(fs->db);
	r = node_attr(fs, n, &st);
	db_unlock(fs->db);
	if (r >= 0 && (mask & X_OK) && S_ISREG(st.st_mode) &&
	    !(st.st_mode & 0111))
		r = -EACCES;
	if (r >= 0 && (mask & (R_OK | W_OK | X_OK))) {
		db_lock(fs->db);
		r = may(fs, n, mask & (R_OK | W_OK | X_OK));
		db_unlock(fs->db);
	}
	if (r >= 0 && (mask & W_OK) &&
	    (n->kind == NODE_PAST || n->kind == NODE_VIEW ||
	     n->kind == NODE_LIVE || n->kind == NODE_CONTENT))
		r = -EROFS;
	reply_err(req, r);
}

/* --- changing attributes ------------------------------------------------ */

/* truncate(2), with the file open for writing by anybody (also O_TRUNC, which
 * comes without a handle) or not: not open, it is opened for as long as it
 * takes, and what came of it is a version at once. */
static int truncate_node(fuse_req_t req, struct node *n, uint64_t size)
{
	struct fs *fs = fs_of(req);
	char program[32];
	struct ns_by by = by_of(req, program);
	bool open, taken;
	int r;

	db_lock(fs->db);
	open = n->writers;
	r = file_open(fs, n, !open, &by);
	fs_unlock(fs);
	if (r < 0)
		return r;
	r = file_truncate(fs, n, size);
	db_lock(fs->db);
	taken = n->writers > !open; /* whoever closes it last takes it in */
	db_unlock(fs->db);
	if (r >= 0 && !taken)
		r = file_commit(fs, n, true);
	db_lock(fs->db);
	file_release(fs, n, !open);
	fs_unlock(fs);
	return r;
}

/* Rows have nanoseconds in 64 bits: times beyond are the last, or the first. */
static int64_t ns_of(struct timespec ts)
{
	if (ts.tv_sec >= INT64_MAX / NSEC_PER_SEC)
		return INT64_MAX;
	if (ts.tv_sec <= INT64_MIN / NSEC_PER_SEC)
		return INT64_MIN;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static unsigned wanted_attrs(const struct stat *st, int valid,
			     struct ns_attr *set)
{
	unsigned which = 0;

	if (valid & FUSE_SET_ATTR_MODE) {
		which |= NS_SET_MODE;
		set->mode = st->st_mode;
	}
	if (valid & FUSE_SET_ATTR_UID) {
		which |= NS_SET_UID;
		set->uid = st->st_uid;
	}
	if (valid & FUSE_SET_ATTR_GID) {
		which |= NS_SET_GID;
		set->gid = st->st_gid;
	}
	if (valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) {
		which |= NS_SET_ATIME;
		set->atime_ns = valid & FUSE_SET_ATTR_ATIME_NOW
					? clock_tick_ns()
					: ns_of(st->st_atim);
	}
	if (valid & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
		which |= NS_SET_MTIME;
		set->mtime_ns = valid & FUSE_SET_ATTR_MTIME_NOW
					? clock_tick_ns()
					: ns_of(st->st_mtim);
	}
	if (valid & FUSE_SET_ATTR_CTIME) {
		which |= NS_SET_CTIME;
		set->ctime_ns = ns_of(st->st_ctim);
	}
	/* chown(2) that leaves both; of a regular file it says the ctime */
	if (!valid) {
		which |= NS_SET_CTIME;
		set->ctime_ns = clock_tick_ns();
	}
	return which;
}

static int set_attrs(fuse_req_t req, struct node *n, const struct stat *st,
		     int valid)
{
	struct fs *fs = fs_of(req);
	struct ns_attr set = {0}, got;
	unsigned which = wanted_attrs(st, valid, &set);
	char program[32];
	struct ns_by by;
	int r;

	/* the times of a write that is not taken in yet belong to it */
	if ((which & (NS_SET_MTIME | NS_SET_CTIME)) &&
	    file_keep_times(n, set.mtime_ns, set.ctime_ns))
		which &= ~(unsigned)(NS_SET_MTIME | NS_SET_CTIME);
	/* the kernel writes back these times of each file that it unlinks, and
	 * answers for them itself to who has one open; the row is going */
	if (n->unlinked && S_ISREG(n->mode) &&
	    !(which & ~(unsigned)(NS_SET_MTIME | NS_SET_CTIME)))
		which = 0;
	if (!which)
		return 0;
	by = by_of(req, program);
	r = ns_setattr(fs->ns, &by, n->ino, which, &set, &got);
	if (r >= 0 && n->old && node_find_source(fs, n->ino)) {
		node_supersede(fs, node_find_source(fs, n->ino));
		derived_told(fs);
	}
	if (r >= 0 && (which & NS_SET_MODE))
		r = acl_follow(fs, &by, n, got.mode);
	if (r >= 0 && (which & (NS_SET_MODE | NS_SET_UID | NS_SET_GID))) {
		eval_inode_changed(fs->eval, n->ino);
		if (fs->checks && S_ISDIR(got.mode)) {
			fs->forget_names = true; /* see rights.c */
			derived_told(fs);
		}
	}
	return r;
}

/* chown(2) to who has it already comes as a change of ctime alone. */
static bool is_chown(int valid)
{
	return valid == FUSE_SET_ATTR_CTIME ||
	       ((valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) &&
		!(valid & FUSE_SET_ATTR_MODE));
}

static void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st,
		       int valid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	struct stat now;
	int r = 0;

	if (n->kind == NODE_CONTROL && n->control >= CTL_RETRY &&
	    (valid & FUSE_SET_ATTR_SIZE)) {
		op_getattr(req, id, fi); /* `echo PATH >retry` */
		return;
	}
	if (n->kind != NODE_SOURCE) {
		bool fixed = n->kind == NODE_PAST || n->kind == NODE_VIEW ||
			     n->kind == NODE_LIVE || n->kind == NODE_CONTENT;

		fuse_reply_err(req, fixed ? EROFS : EPERM);
		return;
	}
	db_lock(fs->db);
	r = is_past(n) ? -ESTALE : may_set(fs, n, st, valid);
	if (r >= 0 && (valid & FUSE_SET_ATTR_SIZE) && !fi && !n->writers)
		r = may(fs, n, W_OK);
	db_unlock(fs->db);
	if (r >= 0)
		r = fs_room(fs, 0);
	if (r >= 0 && (valid & FUSE_SET_ATTR_SIZE))
		r = truncate_node(req, n, (uint64_t)st->st_size);
	if (r >= 0 && (valid & FUSE_SET_ATTR_SIZE))
		privileges_drop(req, n, false);
	/* members of the group that it has until now may keep its setgid bit */
	if (r >= 0 && is_chown(valid))
		r = privileges_drop(req, n, true);
	db_lock(fs->db);
	if (r >= 0)
		r = set_attrs(req, n, st, valid);
	if (r >= 0)
		r = node_attr(fs, n, &now);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &now, FOREVER);
}

static void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	CLEANUP_BUF struct buf b = BUF_INIT;
	int r;

	db_lock(fs->db);
	if (n->kind == NODE_TREE) {
		buf_str(&b, n->target ? n->target : "");
		r = buf_err(&b);
	} else if (n->kind == NODE_LIVE) {
		r = live_link(fs, n, &b);
	} else {
		r = ns_readlink(fs->ns, n->kind == NODE_PAST ? n->at : NS_NOW,
				n->ino, &b);
	}
	db_unlock(fs->db);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_readlink(req, buf_cstr(&b));
}

/* --- names -------------------------------------------------------------- */

/* Whether names may be made or removed there. */
static int check_parent(struct fs *fs, struct node *dir, const char *name)
{
	switch (dir->kind) {
	case NODE_SOURCE:
		if (dir == fs->root && !strcmp(name, CONTROL_NAME))
			return -EPERM;
		return may(fs, dir, W_OK | X_OK);
	case NODE_PAST:
		return -EROFS;
	default:
		return -EPERM;
	}
}

/* -EEXIST when a recipe defines the name: an ordinary file is never put in
 * the place of a derived one. */
static int check_not_derived(struct fs *fs, uint64_t dir, const char *name)
{
	struct ns_attr recipe;
	int r = eval_defined(fs->eval, NS_NOW, dir, name, strlen(name),
			     &recipe);

	return r == -ENOENT || r == -EEXIST ? 0 : r < 0 ? r : -EEXIST;
}

int make_node(fuse_req_t req, fuse_ino_t parent, const char *name,
	      uint32_t mode, uint64_t rdev, const char *target,
	      struct node **ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *fs = fs_of(req);
	struct node *dir = node_of(fs, parent);
	CLEANUP(new_acl_done) struct new_acl lists = {0};
	uint32_t gid = ctx->gid;
	struct ns_attr p, a;
	char program[32];
	struct ns_by by = by_of(req, program);
	int r = check_parent(fs, dir, name);

	if (r == -EPERM && dir == fs->root)
		r = -EEXIST;
	if (r >= 0)
		r = check_not_derived(fs, dir->ino, name);
	if (r >= 0)
		r = fs_room(fs, 0);
	if (r >= 0)
		r = ns_getattr(fs->ns, NS_NOW, dir->ino, &p);
	if (r >= 0)
		r = acl_begin(fs, dir, ctx->umask, &mode, &lists);
	if (r < 0)
		return r;
	if (p.mode & S_ISGID) {
		gid = p.gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	r = ns_create(fs->ns, &by, dir->ino, name, strlen(name), mode, ctx->uid,
		      gid, rdev, target, &a);
	if (r >= 0)
		r = acl_end(fs, &by, a.ino, &lists);
	if (r < 0)
		return r;
	name_changed(fs, dir->ino, name, strlen(name));
	*ret = node_source(fs, a.ino);
	return *ret ? 0 : -ENOMEM;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name,
			   uint32_t mode, uint64_t rdev, const char *target)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e;
	struct node *n;
	int r;

	db_lock(fs->db);
	r = make_node(req, parent, name, mode, rdev, target, &n);
	if (r >= 0)
		r = node_entry(fs, n, &e);
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	make_and_reply(req, parent, name, mode, rdev, NULL);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	make_and_reply(req, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	make_and_reply(req, parent, name, S_IFLNK | 0777, 0, target);
}

static void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent,
		    const char *name)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id), *dir = node_of(fs, parent);
	struct fuse_entry_param e;
	struct ns_attr a;
	char program[32];
	struct ns_by by = by_of(req, program);
	int r = n->kind == NODE_SOURCE ? 0 : -EPERM;

	db_lock(fs->db);
	if (r >= 0)
		r = check_parent(fs, dir, name);
	if (r >= 0)
		r = check_not_derived(fs, dir->ino, name);
	if (r >= 0)
		r = fs_room(fs, 0);
	if (r >= 0)
		r = ns_link(fs->ns, &by, n->ino, dir->ino, name, strlen(name),
			    &a);
	if (r >= 0) {
		name_changed(fs, dir->ino, name, strlen(name));
		r = node_entry(fs, n, &e);
	}
	fs_unlock(fs);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
}

/* What lost its last name stays as long as the kernel knows it: times of an
 * unlinked file may still be written back. */
static void gone(struct fs *fs, const struct ns_attr *a)
{
	struct node *n;

	if (!a->ino)
		return;
	eval_inode_changed(fs->eval, a->ino);
	if (a->nlink && !S_ISDIR(a->mode))
		return;
	n = node_find_source(fs, a->ino);
	if (n)
		n->unlinked = true;
	else if (ns_reap(fs->ns, a->ino) < 0)
		log_warn("inode %llu: cannot be reaped",
			 (unsigned long long)a->ino);
}

static void remove_and_reply(fuse_req_t req, fuse_ino_t parent,
			     const char *name, bool is_dir)
{
	struct fs *fs = fs_of(req);
	struct node *dir = node_of(fs, parent);
	struct ns_attr a, recipe;
	char program[32];
	struct ns_by by = by_of(req, program);
	int r;

	db_lock(fs->db);
	r = check_parent(fs, dir, name);
	if (r >= 0)
		r = fs_room_to_remove(fs);
	if (r >= 0)
		r = ns_unlink(fs->ns, &by, dir->ino, name, strlen(name), is_dir,
			      &a);
	if (r >= 0) {
		name_changed(fs, dir->ino, name, strlen(name));
		gone(fs, &a);
		ghosts_removed(fs, pid_of(req));
	} else if (r == -ENOENT && dir->kind == NODE_SOURCE) {
		if (eval_defined(fs->eval, NS_NOW, dir->ino, name, strlen(name),
				 &recipe) >= 0)
			r = is_dir && !eval_makes_dir(fs->eval, &recipe)
				    ? -ENOTDIR
				    : -EPERM;
		else if (ghost_take(fs, dir->ino, name, strlen(name),
				    pid_of(req)) &&
			 is_dir ==
				 ghost_is_dir(fs, dir->ino, name, strlen(name)))
			r = 0; /* went with its recipe a moment ago */
	}
	fs_unlock(fs);
	reply_err(req, r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_and_reply(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_and_reply(req, parent, name, true);
}

static int rename_names(struct fs *fs, const struct ns_by *by,
			struct node *from, const char *name, struct node *to,
			const char *to_name, unsigned flags,
			struct ns_attr *ret_gone)
{
	struct ns_attr recipe;
	uint64_t ino;
	int r;

	r = check_parent(fs, from, name);
	if (r >= 0)
		r = check_parent(fs, to, to_name);
	if (r >= 0)
		r = fs_room(fs, 0);
	if (r < 0)
		return r;
	r = ns_lookup(fs->ns, NS_NOW, from->ino, name, strlen(name), &ino,
		      NULL);
	if (r == -ENOENT && eval_defined(fs->eval, NS_NOW, from->ino, name,
					 strlen(name), &recipe) >= 0)
		return -EPERM; /* a derived file moves with its recipe */
	if (r < 0)
		return r;
	if (check_not_derived(fs, to->ino, to_name) < 0)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EPERM;
	r = ns_rename(fs->ns, by, from->ino, name, strlen(name), to->ino,
		      to_name, strlen(to_name), flags, ret_gone);
	if (r < 0)
		return r;
	/* a directory that moved; two, when they changed places */
	eval_inode_changed(fs->eval, ino);
	if (flags & RENAME_EXCHANGE &&
	    ns_lookup(fs->ns, NS_NOW, from->ino, name, strlen(name), &ino,
		      NULL) >= 0)
		eval_inode_changed(fs->eval, ino);
	return 0;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t to_parent, const char *to_name, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct node *from = node_of(fs, parent), *to = node_of(fs, to_parent);
	struct ns_attr a = {0};
	char program[32];
	struct ns_by by = by_of(req, program);
	int r;

	db_lock(fs->db);
	r = rename_names(fs, &by, from, name, to, to_name, flags, &a);
	if (r >= 0) {
		name_changed(fs, from->ino, name, strlen(name));
		name_changed(fs, to->ino, to_name, strlen(to_name));
		gone(fs, &a);
	}
	fs_unlock(fs);
	reply_err(req, r);
}

/* --- the whole ---------------------------------------------------------- */

static void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct fs *fs = fs_of(req);
	struct statvfs st;

	(void)id;
	if (fstatvfs(store_drafts_fd(fs->store), &st) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	st.f_namemax = NS_NAME_MAX;
	fuse_reply_statfs(req, &st);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int datasync,
			struct fuse_file_info *fi)
{
	(void)id;
	(void)datasync;
	(void)fi;
	serve_long(fs_of(req)->crew);
	taker_wait(fs_of(req));
	reply_err(req, fs_sync(fs_of(req)));
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;
	unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_WRITEBACK_CACHE |
			  FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
			  FUSE_CAP_ASYNC_DIO | FUSE_CAP_CACHE_SYMLINKS |
			  FUSE_CAP_DONT_MASK;

	if (fs->lists)
		wanted |= FUSE_CAP_POSIX_ACL;
	conn->want |= conn->capable & wanted;
	conn->want &=
		~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ |
			    FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
			    FUSE_CAP_READDIRPLUS_AUTO);
	conn->max_write = MIB(1);
	conn->max_readahead = MIB(1);
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.access = op_access,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.lseek = op_lseek,
	.poll = op_poll,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
};

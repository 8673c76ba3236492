/* What stat(2) says of each kind of node, and for how long.
 *
 * The kernel owns size and mtime of a regular source from its first look-up
 * on (writeback cache), so they have to be right then: a derived file of
 * unknown size is never shown as a regular inode that could be kept (see
 * derived.c).
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "core/clock.h"
#include "recipes/view.h"

#define PROGRAM_NS (10 * NSEC_PER_SEC / 1000)

/* Seconds for names that another process may take away, where the kernel cannot
 * forget them. */
#define FOLLOWED 0.05

static struct timespec timespec_of(int64_t ns)
{
	struct timespec ts = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC};

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += NSEC_PER_SEC;
		ts.tv_sec--;
	}
	return ts;
}

static void set_times(struct stat *st, int64_t ns)
{
	st->st_atim = st->st_mtim = st->st_ctim = timespec_of(ns);
}

void attr_stat(const struct ns_attr *a, uint64_t ino, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = ino;
	ret->st_mode = a->mode;
	ret->st_nlink = a->nlink;
	ret->st_uid = a->uid;
	ret->st_gid = a->gid;
	ret->st_rdev = a->rdev;
	ret->st_size = (off_t)a->size;
	ret->st_blksize = 4096;
	ret->st_blocks = (blkcnt_t)((a->size + 511) / 512);
	ret->st_atim = timespec_of(a->atime_ns);
	ret->st_mtim = timespec_of(a->mtime_ns);
	ret->st_ctim = timespec_of(a->ctime_ns);
}

/* tar, cp and du go by it. */
uint64_t content_data(struct fs *fs, const struct addr *a, uint64_t size)
{
	CLEANUP(blob_closep) struct blob *b = NULL;

	if (size <= CHUNK_MAX || blob_open(fs->store, a, &b) < 0)
		return size;
	return blob_data(b);
}

static void set_blocks(struct stat *st, uint64_t data)
{
	st->st_blocks = (blkcnt_t)((data + 511) / 512);
}

/* What the row says, and the kernel is going to be told. From then on the
 * content is the node's own, until it is written here. */
static void note_row(struct node *n, const struct ns_attr *a)
{
	n->mode = a->mode;
	n->uid = a->uid;
	n->gid = a->gid;
	if (n->version && (n->lookups || n->opens)) {
		n->stale = S_ISREG(a->mode) && a->version != n->version;
		return;
	}
	n->stale = false;
	n->version = a->version;
	n->addr = a->addr;
	n->size = a->size;
	n->since_ns = a->mtime_ns;
}

/* Another process removed it, and it is gone there. */
static void gone_row(const struct node *n, struct ns_attr *ret)
{
	*ret = (struct ns_attr){
		.ino = n->ino,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
	};
}

/* allow_root: what the kernel has in its caches it gives to others without
 * asking libfuse, which keeps them out; they must not come that far. */
static void root_attr(const struct fs *fs, struct stat *st)
{
	st->st_mode &= ~(mode_t)077;
	st->st_uid = fs->uid;
}

static int source_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	struct file *f = n->file;
	uint64_t data;
	int64_t mtime;
	struct ns_attr a;
	int r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	bool gone = r == -ENOENT && n->version && n->opens;

	if (gone)
		gone_row(n, &a);
	else if (r < 0)
		return r;
	else
		note_row(n, &a);
	if (n->old || gone) {
		a.addr = n->addr;
		a.size = n->size;
		a.atime_ns = a.mtime_ns = n->since_ns;
	}
	data = S_ISREG(a.mode) ? content_data(fs, &a.addr, a.size) : a.size;
	if (f && __atomic_load_n(&f->drafted, __ATOMIC_ACQUIRE)) {
		a.size = __atomic_load_n(&f->size, __ATOMIC_ACQUIRE);
		data = __atomic_load_n(&f->data, __ATOMIC_ACQUIRE);
		mtime = __atomic_load_n(&f->mtime_ns, __ATOMIC_ACQUIRE);
		if (mtime)
			a.mtime_ns = mtime;
		mtime = __atomic_load_n(&f->ctime_ns, __ATOMIC_ACQUIRE);
		if (mtime)
			a.ctime_ns = mtime;
	}
	attr_stat(&a, n->ino, ret);
	set_blocks(ret, data);
	if (n == fs->root && fs->opt.allow_root)
		root_attr(fs, ret);
	return 0;
}

/* In the past, a number belongs to the file and its version, and is never the
 * present's: else cp and diff would take the two for one file. */
static int past_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	struct ns_attr a;
	uint64_t id[3] = {n->ino, 0, 1};
	int r = ns_getattr(fs->ns, n->at, n->ino, &a);

	if (r < 0)
		return r;
	id[1] = S_ISREG(a.mode) ? a.version : n->at;
	attr_stat(&a, hash_ino(id, sizeof(id)), ret);
	if (S_ISREG(a.mode))
		set_blocks(ret, content_data(fs, &a.addr, a.size));
	return 0;
}

static uint64_t derived_ino(const struct node *n, const struct addr *a)
{
	uint8_t key[sizeof(uint64_t) + ADDR_LEN + NS_NAME_MAX];
	size_t len = 0;

	memcpy(key, &n->name->dir, sizeof(n->name->dir));
	len += sizeof(n->name->dir);
	if (a)
		memcpy(key + len, a->b, ADDR_LEN);
	len += a ? ADDR_LEN : 0;
	memcpy(key + len, n->name->text, n->name->len);
	return hash_ino(key, len + n->name->len);
}

/* Owner and read bits of the recipe; what a value adds is its size, when it
 * came, and whether it can be executed. */
static int derived_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	struct ns_attr a;
	bool value = n->kind == NODE_VALUE;
	int r = eval_defined(fs->eval, n->name->at, n->name->dir, n->name->text,
			     n->name->len, &a);

	if (r == -ENOENT || r == -EEXIST) {
		/* the recipe went; who holds it open still gets an answer */
		if (!n->opens && !n->ghost)
			return -ESTALE;
		memset(&a, 0, sizeof(a));
		a.mode = 0444;
		a.uid = fs->uid;
		a.gid = fs->gid;
	} else if (r < 0) {
		return r;
	}
	a.mode &= 0444;
	if (value && n->executable)
		a.mode |= a.mode >> 2;
	a.mode |= S_IFREG;
	a.nlink = 1;
	a.size = value ? n->size : 0;
	if (value)
		a.mtime_ns = a.ctime_ns = a.atime_ns = n->since_ns;
	attr_stat(&a, derived_ino(n, value ? &n->addr : NULL), ret);
	if (value)
		set_blocks(ret, content_data(fs, &n->addr, n->size));
	return 0;
}

static void plain_attr(struct fs *fs, const struct node *n, uint32_t mode,
		       uint64_t size, int64_t time_ns, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = hash_ino(n->key, n->key_len);
	ret->st_mode = mode;
	ret->st_nlink = S_ISDIR(mode) ? 2 : 1;
	ret->st_uid = fs->uid;
	ret->st_gid = fs->gid;
	ret->st_size = (off_t)size;
	ret->st_blksize = 4096;
	ret->st_blocks = (blkcnt_t)((size + 511) / 512);
	set_times(ret, time_ns);
}

static int control_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	uint32_t mode = S_IFDIR | 0500;
	uint64_t size = 0;

	switch (n->control) {
	case CTL_ROOT:
		mode = S_IFDIR | 0700;
		break;
	case CTL_STATUS:
	case CTL_JOBS:
	case CTL_PINS:
	case CTL_BRANCHES:
		mode = S_IFREG | 0400;
		break;
	case CTL_EVENTS:
		mode = S_IFREG | 0400;
		size = events_size(fs);
		break;
	case CTL_RETRY:
	case CTL_DROP:
	case CTL_PIN:
	case CTL_UNPIN:
	case CTL_SNAPSHOT:
		mode = S_IFREG | 0200;
		break;
	case CTL_SETTINGS:
	case CTL_BRANCH:
	case CTL_BUILD:
		mode = S_IFREG | 0600;
		break;
	default:
		break;
	}
	plain_attr(fs, n, mode, size, fs->started_ns, ret);
	return 0;
}

int node_attr(struct fs *fs, struct node *n, struct stat *ret)
{
	switch (n->kind) {
	case NODE_SOURCE:
		return source_attr(fs, n, ret);
	case NODE_PAST:
		return past_attr(fs, n, ret);
	case NODE_PLACE:
	case NODE_VALUE:
		return derived_attr(fs, n, ret);
	case NODE_DIR:
		return tree_dir_attr(fs, n, ret);
	case NODE_TREE:
		tree_attr(fs, n, ret);
		return 0;
	case NODE_LIVE:
		plain_attr(fs, n, n->mode, n->size, NO_TIME_NS, ret);
		return 0;
	case NODE_VIEW:
		plain_attr(fs, n, S_IFDIR | 0555, 4096, NO_TIME_NS, ret);
		return 0;
	case NODE_CONTENT:
		plain_attr(fs, n, S_IFREG | (n->executable ? 0555 : 0444),
			   n->size, NO_TIME_NS, ret);
		return 0;
	case NODE_TEXT:
		plain_attr(fs, n, S_IFREG | 0400, 0, clock_now_ns(), ret);
		return 0;
	case NODE_HISTORY:
		plain_attr(fs, n, S_IFDIR | 0500, 0, fs->started_ns, ret);
		return 0;
	case NODE_CONTROL:
		return control_attr(fs, n, ret);
	}
	return -EIO;
}

double attr_timeout(struct fs *fs, const struct node *n)
{
	switch (n->kind) {
	case NODE_PLACE:
	case NODE_DIR:
	case NODE_TEXT:
	case NODE_HISTORY:
	case NODE_CONTROL:
		return 0;
	case NODE_VALUE:
		return derived_current(fs, n) ? FOREVER : 0;
	default:
		return FOREVER;
	}
}

double entry_timeout(struct fs *fs, const struct node *n)
{
	switch (n->kind) {
	case NODE_PLACE:
	case NODE_DIR:
	case NODE_TEXT:
	case NODE_HISTORY:
		return 0;
	case NODE_TREE: /* what is above it may take another content */
		return fs->epoch ? FOREVER : 0;
	case NODE_VALUE:
		return fs->epoch && derived_current(fs, n) ? FOREVER : 0;
	case NODE_CONTROL:
		return n->control == CTL_WHY || n->control == CTL_OUTPUT ||
				       n->control == CTL_GRAPH ||
				       n->control == CTL_VERIFY
			       ? 0
			       : FOREVER;
	case NODE_SOURCE:
		return fs->epoch ? FOREVER : FOLLOWED;
	default:
		return FOREVER;
	}
}

static uint64_t told_of(const struct stat *st)
{
	return (uint64_t)st->st_size * UINT64_C(0x9e3779b97f4a7c15) ^
	       (uint64_t)st->st_mtim.tv_sec << 30 ^
	       (uint64_t)st->st_mtim.tv_nsec;
}

/* The kernel may let go of an inode while the answer to another look-up of it
 * is on its way to a thread there that does not get to run: two processes
 * create one name, and what the first appends comes between. That answer then
 * makes the inode anew, with a size that is no longer right, which under the
 * writeback cache nothing corrects: the second process would write over what
 * the first has written. The references that are left tell that it is so, and
 * the node becomes an old one, so that open(2) looks the name up again. (The
 * kernel hands out FORGET before other requests; a thread that has it and is
 * not run until another has served that open would still be late.) */
void node_recheck(struct fs *fs, struct node *n)
{
	struct stat st;

	if (n->kind != NODE_SOURCE || !S_ISREG(n->mode) || n->old || n->opens ||
	    !n->lookups || n->unlinked)
		return;
	if (node_attr(fs, n, &st) < 0 || told_of(&st) == n->told)
		return;
	node_supersede(fs, n);
	derived_told(fs);
}

int node_entry(struct fs *fs, struct node *n, struct fuse_entry_param *ret)
{
	struct fuse_entry_param e = {0};
	int r = node_attr(fs, n, &e.attr);

	if (r >= 0 && (n->old || n->stale)) {
		node_supersede(fs, n);
		derived_told(fs);
		n = node_source(fs, n->ino);
		r = n ? node_attr(fs, n, &e.attr) : -ENOMEM;
	}
	if (r < 0) {
		if (n)
			node_drop(fs, n);
		return r;
	}
	e.ino = node_id(fs, n);
	e.attr_timeout = attr_timeout(fs, n);
	e.entry_timeout = entry_timeout(fs, n);
	if (n->kind == NODE_SOURCE)
		n->told = told_of(&e.attr);
	n->lookups++;
	*ret = e;
	return 0;
}

/* The name of the program, as ps shows it. */
static void read_program(pid_t pid, char program[32])
{
	char path[64];
	FILE *f;

	program[0] = '\0';
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(program, 32, f))
		program[strcspn(program, "\n")] = '\0';
	fclose(f);
}

/* A program that makes many changes is asked for its name a hundred times a
 * second, not at each; db_lock held. */
static void program_of(struct fs *fs, pid_t pid, char program[32])
{
	struct known_program *k =
		&fs->programs[(unsigned)pid % ARRAY_LEN(fs->programs)];
	int64_t now = clock_mono_ns();

	if (k->pid != pid || k->until_ns < now) {
		read_program(pid, k->name);
		k->pid = pid;
		k->until_ns = now + PROGRAM_NS;
	}
	memcpy(program, k->name, sizeof(k->name));
}

struct ns_by by_of(fuse_req_t req, char program[32])
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *fs = fs_of(req);

	db_lock(fs->db);
	grace_drop(fs, ctx->pid); /* see derived.c */
	program_of(fs, ctx->pid, program);
	db_unlock(fs->db);
	return (struct ns_by){
		.uid = ctx->uid,
		.pid = (uint32_t)ctx->pid,
		.program = *program ? program : NULL,
	};
}

/* For messages: the path of what a node stands for. */
void node_path(struct fs *fs, const struct node *n, struct buf *ret)
{
	uint64_t at = n->kind == NODE_PAST ? n->at : NS_NOW;
	uint64_t dir = n->name ? n->name->dir : n->ino;
	char hex[ADDR_HEX];

	buf_reset(ret);
	if (n->kind == NODE_CONTENT) {
		addr_hex(&n->addr, hex);
		buf_fmt(ret, "content %s", hex);
		return;
	}
	db_lock(fs->db);
	if (dir != NS_ROOT &&
	    ns_path(fs->ns, n->name ? n->name->at : at, dir, ret) < 0)
		buf_fmt(ret, "inode %llu", (unsigned long long)dir);
	db_unlock(fs->db);
	if (n->name)
		buf_fmt(ret, "/%s", n->name->text);
}

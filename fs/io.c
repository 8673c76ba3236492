/* Opening, reading, writing, closing. */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* To read or write no more is done before another thread could take over. */
#define SHORT KIB(32)

/* Whoever reads so much at once reads on, and the kernel keeps it. */
#define LARGE KIB(128)

static bool for_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

void reply_err(fuse_req_t req, int rc)
{
	fuse_reply_err(req, rc == -EBADMSG || rc == -EUCLEAN ? EIO : -rc);
}

static bool is_damage(ssize_t r)
{
	return r == -EBADMSG || r == -ENOENT || r == -EIO;
}

static void complain_damage(struct fs *fs, const struct node *n, off_t off)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	node_path(fs, n, &path);
	log_error("%s: damaged or missing in the store, at byte %lld or "
		  "behind; `deriva put` of the same content heals it",
		  buf_cstr(&path), (long long)off);
	if (n->kind == NODE_CONTENT || n->kind == NODE_TREE)
		damage_met(fs, n->kind == NODE_TREE ? n->at : 0, &n->addr);
}

bool content_lost(struct fs *fs, const struct addr *a)
{
	struct object_loc loc;

	return store_find(fs->store, a, &loc) == -ENOENT || loc.doomed;
}

/* What never changes is kept in the kernel's cache for ever, and closing it
 * needs no word. db_lock held. */
int open_content(struct fs *fs, struct node *n, const struct addr *a,
		 struct fuse_file_info *fi)
{
	struct handle *h;
	int r = n->blob ? 0 : blob_open(fs->store, a, &n->blob);

	if (is_damage(r) &&
	    (n->kind == NODE_VALUE || (n->kind == NODE_TREE && !n->at)) &&
	    content_lost(fs, a))
		return -ESTALE;
	if (is_damage(r)) {
		complain_damage(fs, n, 0);
		return -EIO;
	}
	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->node = n;
	h->flags = fi->flags;
	n->opens++;
	fi->fh = (uint64_t)(uintptr_t)h;
	fi->keep_cache = 1;
	fi->noflush = 1;
	return 0;
}

static void handle_free(struct handle *h)
{
	buf_done(&h->text);
	free(h);
}

static void closed(struct fs *fs, const struct node *n)
{
	const struct name *nm = n->name;

	if (n->kind == NODE_VALUE && derived_current(fs, n))
		eval_closed(fs->eval, nm->at, nm->dir, nm->text, nm->len);
}

static void release(struct fs *fs, struct handle *h)
{
	struct node *n = h->node;

	db_lock(fs->db);
	if (n->kind == NODE_SOURCE) {
		file_release(fs, n, for_writing(h->flags));
	} else {
		if (!--n->opens) { /* nothing keeps it from collection now */
			blob_close(n->blob);
			n->blob = NULL;
			closed(fs, n);
		}
		request_close(fs, h);
		node_drop(fs, n);
	}
	fs_unlock(fs);
	events_close(fs, h);
	handle_free(h);
}

static ssize_t read_handle(struct fs *fs, struct handle *h, char *p,
			   size_t size, uint64_t off);

/* What is no longer than this comes with the answer to its first OPEN: mostly
 * it is read next, and that is a message of its own. */
#define PUSH_MAX KIB(32)

/* Its size, when it is to be pushed: nobody else has it open, who could be
 * reading (and wait for us with a page locked) or writing. */
static size_t to_push(const struct node *n)
{
	uint64_t size = n->kind == NODE_SOURCE ? n->size
			: n->blob	       ? blob_size(n->blob)
					       : 0;
	const struct file *f = n->kind == NODE_SOURCE ? n->file : NULL;

	if (n->opens != 1 || (n->kind == NODE_SOURCE && n->writers))
		return 0;
	if (f && __atomic_load_n(&f->drafted, __ATOMIC_ACQUIRE))
		return 0;
	return size <= PUSH_MAX ? (size_t)size : 0;
}

/* As long as it is ours alone, pages of it are nobody's: who opens it for
 * writing needs db_lock() first. */
static void push(struct fs *fs, struct handle *h)
{
	struct fuse_bufvec all = FUSE_BUFVEC_INIT(0);
	struct node *n = h->node;
	CLEANUP_FREE char *p = NULL;
	uint64_t version;
	size_t size;
	ssize_t r;

	db_lock(fs->db);
	size = n->pushed ? 0 : to_push(n);
	version = n->version;
	n->pushed = true;
	db_unlock(fs->db);
	p = size ? malloc(size) : NULL;
	if (!p)
		return;
	r = read_handle(fs, h, p, size, 0);
	if (r < 0 || (size_t)r != size)
		return; /* READ will tell of it */
	all.buf[0].mem = p;
	all.buf[0].size = size;
	db_lock(fs->db);
	if (to_push(n) == size && n->version == version)
		r = fuse_lowlevel_notify_store(fs->se, node_id(fs, n), 0, &all,
					       0);
	db_unlock(fs->db);
	if (r < 0)
		log_debug("a file is not taken before it is read: %s",
			  err_name((int)r));
}

/* The caller may have been interrupted, and then nobody will release it. */
void reply_open(fuse_req_t req, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = handle_of(fi);

	if (fuse_reply_open(req, fi) == -ENOENT)
		release(fs, h);
}

void reply_opened(fuse_req_t req, struct fuse_file_info *fi)
{
	if (fi->keep_cache && fi->noflush)
		push(fs_of(req), handle_of(fi));
	reply_open(req, fi);
}

static int open_source(fuse_req_t req, struct node *n,
		       struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = calloc(1, sizeof(*h));
	bool write = for_writing(fi->flags);
	char program[32] = "";
	struct ns_by by = {0};
	int r;

	if (!h)
		return -ENOMEM;
	if (write)
		by = by_of(req, program);
	db_lock(fs->db);
	r = file_open(fs, n, write, &by);
	fs_unlock(fs);
	if (r < 0) {
		free(h);
		return r;
	}
	h->node = n;
	h->flags = fi->flags;
	h->lost = __atomic_load_n(&fs->lost, __ATOMIC_ACQUIRE);
	fi->fh = (uint64_t)(uintptr_t)h;
	fi->keep_cache = 1;
	fi->noflush = !write;
	return 0;
}

static int open_past(fuse_req_t req, struct node *n, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct ns_attr a;
	int r;

	if (for_writing(fi->flags))
		return -EROFS;
	db_lock(fs->db);
	r = ns_getattr(fs->ns, n->at, n->ino, &a);
	if (r >= 0)
		r = a.gone ? -ENODATA : open_content(fs, n, &a.addr, fi);
	db_unlock(fs->db);
	return r;
}

static int open_control(fuse_req_t req, struct node *n,
			struct fuse_file_info *fi)
{
	bool takes = n->kind == NODE_CONTROL && n->control >= CTL_RETRY;
	bool both =
		takes && (n->control == CTL_SETTINGS ||
			  n->control == CTL_BRANCH || n->control == CTL_BUILD);
	struct fs *fs = fs_of(req);
	struct handle *h;
	int r;

	if (n->kind == NODE_CONTROL && n->control < CTL_STATUS)
		return -EISDIR;
	if (!both && (takes ? (fi->flags & O_ACCMODE) != O_WRONLY
			    : for_writing(fi->flags)))
		return -EPERM;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->node = n;
	h->flags = fi->flags;
	db_lock(fs->db);
	r = control_open(fs, n, h);
	if (r >= 0)
		n->opens++;
	fs_unlock(fs);
	if (r < 0) {
		handle_free(h);
		return r;
	}
	fi->fh = (uint64_t)(uintptr_t)h;
	fi->direct_io = 1; /* its length is known to nobody before */
	return 0;
}

/* To execute is to read with another right. */
#define EXEC_FLAG 040 /* __FMODE_EXEC of the kernel */

static int rights_wanted(int flags)
{
	int what = flags & EXEC_FLAG ? X_OK : R_OK;

	if ((flags & O_ACCMODE) == O_WRONLY)
		what = W_OK;
	else if ((flags & O_ACCMODE) == O_RDWR)
		what = R_OK | W_OK;
	return flags & O_TRUNC ? what | W_OK : what;
}

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	bool source = n->kind == NODE_SOURCE || n->kind == NODE_PAST;
	int r;

	db_lock(fs->db);
	/* writing to anything made up is refused to anybody: EPERM */
	r = !source && for_writing(fi->flags)
		    ? 0
		    : may(fs, n, rights_wanted(fi->flags));
	if (n->old)
		r = -ESTALE; /* the kernel looks the name up again */
	db_unlock(fs->db);
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	switch (n->kind) {
	case NODE_PLACE:
	case NODE_VALUE:
		derived_open(fs, req, n, fi);
		return;
	case NODE_SOURCE:
		r = open_source(req, n, fi);
		break;
	case NODE_PAST:
		r = open_past(req, n, fi);
		break;
	case NODE_TREE:
	case NODE_CONTENT:
		db_lock(fs->db);
		r = for_writing(fi->flags)
			    ? n->kind == NODE_TREE ? -EPERM : -EROFS
			    : open_content(fs, n, &n->addr, fi);
		db_unlock(fs->db);
		break;
	case NODE_TEXT:
		if (n->control == CTL_VERIFY && !for_writing(fi->flags)) {
			derived_verify(fs, req, n, fi);
			return;
		}
		/* fall through */
	case NODE_CONTROL:
		r = open_control(req, n, fi);
		break;
	default:
		r = -EISDIR;
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_opened(req, fi);
}

static ssize_t read_handle(struct fs *fs, struct handle *h, char *p,
			   size_t size, uint64_t off)
{
	if (h->node->kind == NODE_SOURCE)
		return file_read(fs, h->node, p, size, off);
	if (h->node->blob)
		return blob_pread(h->node->blob, p, size, off);
	if (h->events)
		return events_read(fs, h, p, size, off);
	if (off >= h->text.len)
		return 0;
	size = MIN(size, h->text.len - (size_t)off);
	memcpy(p, h->text.data + off, size);
	return (ssize_t)size;
}

/* Answers without copying it once more. False: read_handle() has to. */
static bool read_large(fuse_req_t req, struct handle *h, size_t size,
		       uint64_t off)
{
	struct fs *fs = fs_of(req);
	struct blob_spans s;
	int r = -E2BIG;

	if (h->node->kind == NODE_SOURCE)
		r = file_spans(fs, h->node, size, off, &s);
	else if (h->node->blob)
		r = blob_spans(h->node->blob, size, off, &s);
	if (r < 0)
		return false;
	fuse_reply_iov(req, s.iov, s.count);
	blob_spans_done(&s);
	return true;
}

void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);
	ssize_t n;
	char *p;

	(void)id;
	if (h->request) {
		serve_long(fs->crew);
		request_read(fs, h, req, size, (uint64_t)off);
		return;
	}
	if (size > SHORT)
		serve_long(fs->crew);
	else
		serve_busy(fs->crew);
	if (size > LARGE && read_large(req, h, size, (uint64_t)off))
		return;
	p = malloc(size ? size : 1);
	n = p ? read_handle(fs, h, p, size, (uint64_t)off) : -ENOMEM;
	if (is_damage(n)) {
		complain_damage(fs, h->node, off);
		n = -EIO;
	}
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_buf(req, p, (size_t)n);
	free(p);
}

void op_write(fuse_req_t req, fuse_ino_t id, const char *p, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);
	int r;

	(void)id;
	if (size > SHORT || h->node->kind != NODE_SOURCE)
		serve_long(fs->crew);
	if (h->node->kind == NODE_SOURCE) {
		if (!fi->writepage)
			privileges_drop(req, h->node, false);
		r = file_write(fs, h->node, p, size, (uint64_t)off,
			       fi->writepage);
	} else {
		/* what was closed before belongs to a snapshot or a branch */
		if (h->node->kind == NODE_CONTROL &&
		    (h->node->control == CTL_SNAPSHOT ||
		     h->node->control == CTL_BRANCH))
			taker_wait(fs);
		db_lock(fs->db);
		r = control_write(fs, h, p, size);
		fs_unlock(fs);
	}
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_write(req, size);
}

/* Something of what was acknowledged since the handle was opened is lost; said
 * once a handle. */
static int tell_lost(struct fs *fs, struct handle *h)
{
	unsigned lost = __atomic_load_n(&fs->lost, __ATOMIC_ACQUIRE);

	if (h->lost == lost)
		return 0;
	h->lost = lost;
	return -EIO;
}

/* Each close(2) of a descriptor. What was written becomes a version here, so
 * that its caller learns when it could not; a mere truncation waits for the
 * last close, as `cmd > file` closes the descriptor once before cmd writes. */
void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);
	int r = 0;

	(void)id;
	if (h->node->kind == NODE_SOURCE && for_writing(h->flags))
		r = file_close(fs, h->node, false);
	if (r >= 0 && for_writing(h->flags))
		r = tell_lost(fs, h);
	reply_err(req, r);
}

static void complain_lost(struct fs *fs, const struct node *n)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	node_path(fs, n, &path);
	log_error("%s: what was written before the last close is lost",
		  buf_cstr(&path));
}

/* What could not be kept goes with the last handle. The kernel has its size,
 * and pages of it: another node shows what the rows say. */
static void lose(struct fs *fs, struct node *n)
{
	complain_lost(fs, n);
	db_lock(fs->db);
	if (n->opens == 1) {
		node_supersede(fs, n);
		derived_told(fs);
	}
	db_unlock(fs->db);
}

void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);

	(void)id;
	if (h->node->kind == NODE_SOURCE && for_writing(h->flags) &&
	    file_close(fs, h->node, true) < 0)
		lose(fs, h->node);
	release(fs, h);
	fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync,
	      struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);
	int r = 0;

	(void)id;
	(void)datasync;
	serve_long(fs->crew);
	if (h->node->kind == NODE_SOURCE && h->node->file)
		r = file_commit(fs, h->node, true);
	if (r >= 0)
		taker_wait(fs);
	if (r >= 0)
		r = fs_sync(fs);
	if (r >= 0)
		r = tell_lost(fs, h);
	reply_err(req, r);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e;
	struct node *n;
	int r;

	db_lock(fs->db);
	r = make_node(req, parent, name, S_IFREG | (mode & 07777), 0, NULL, &n);
	if (r >= 0)
		r = node_entry(fs, n, &e);
	fs_unlock(fs);
	if (r >= 0) {
		r = open_source(req, n, fi);
		if (r < 0) {
			db_lock(fs->db);
			node_forget(fs, n, 1);
			db_unlock(fs->db);
		}
	}
	if (r < 0) {
		reply_err(req, r);
	} else if (fuse_reply_create(req, &e, fi) == -ENOENT) {
		db_lock(fs->db);
		n->lookups--;
		db_unlock(fs->db);
		release(fs, handle_of(fi));
	}
}

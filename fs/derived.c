/* Derived files: a value is an inode.
 *
 * The content of an inode never changes under the kernel. A name whose value
 * is known and holds resolves to a VALUE node, with endless timeouts; any
 * other to a PLACE, which has size 0 and no open file. GETATTR and OPEN of a
 * PLACE, and of a VALUE that something has happened to, evaluate without
 * holding a thread; when the outcome is another value than the node's, they
 * answer ESTALE. The kernel then looks the name up again, by itself
 * (LOOKUP_REVAL in namei.c), and gets the right node.
 *
 * It does so once. So that the second look-up finds the value even when
 * something changed in between (or the input is open for writing, so that a
 * value never holds for longer than a moment), the thread that was sent back
 * has a grace: its look-ups of the name, and the GETATTR or OPEN behind them,
 * are served with the value that was computed for it. That ends the grace, and
 * so does any change that the thread makes, as it is not on its way then. In
 * the past, it goes by the same moment again (fs/past.c).
 *
 * When something changes, the kernel has to look up the name of a VALUE again
 * before it uses what it knows: one FUSE_NOTIFY_INC_EPOCH makes it do so for
 * all names, which is safe from any handler. Kernels before 6.16 do not know
 * that; there derived names have no entry timeout at all. (Invalidating the
 * attributes alone does not do: under the writeback cache a statx(2) for
 * nothing but size or mtime is answered from what the kernel has.)
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "core/clock.h"

enum park_kind {
	PARK_GETATTR,
	PARK_OPEN,
	PARK_ADDR,
	PARK_STATE,
	PARK_CHILD,   /* a name in a DIR */
	PARK_OPENDIR, /* the DIR itself */
	PARK_VERIFY,  /* a TEXT: what it tells of is made again */
};

/* A request that waits for an evaluation. */
struct parked {
	struct fs *fs;
	uint64_t id;
	enum park_kind kind;
	fuse_req_t req;
	int pid;
	int64_t since_ns;
	struct node *node; /* held by `opens` */
	struct fuse_file_info fi;
	size_t size; /* PARK_ADDR, PARK_STATE: of the caller's buffer */
	char *child; /* PARK_CHILD: the name */
	struct eval_wait *wait;
	bool interrupted;
};

/* --- look-up ------------------------------------------------------------ */

int derived_lookup(struct fs *fs, uint64_t at, uint64_t dir, const char *name,
		   size_t len, int pid, struct node **ret)
{
	const struct eval_value *v = eval_current(fs->eval, at, dir, name, len);
	struct ns_attr recipe;
	struct node *n;
	/* asked of the rows even so: another process may have taken the recipe
	 * away, which the evaluation is told a moment later */
	int r = eval_defined(fs->eval, at, dir, name, len, &recipe);

	if (r < 0) {
		if (r == -EEXIST)
			r = -ENOENT;
		if (r != -ENOENT || at != NS_NOW || len > NS_NAME_MAX ||
		    !map_count(fs->ghosts) ||
		    !ghost_show(fs, dir, name, len, pid))
			return r;
		n = ghost_is_dir(fs, dir, name, len)
			    ? node_dir(fs, at, dir, name, len)
			    : node_place(fs, at, dir, name, len);
		if (!n)
			return -ENOMEM;
		n->ghost = true;
		*ret = n;
		return 0;
	}
	if (v ? v->is_dir : eval_makes_dir(fs->eval, &recipe)) {
		n = node_dir(fs, at, dir, name, len);
		if (!n)
			return -ENOMEM;
		n->ghost = false;
		*ret = n;
		return 0;
	}
	if (!v)
		v = grace_of(fs, pid, at, dir, name, len);
	n = v && !v->is_dir ? node_value(fs, at, dir, name, len, v)
			    : node_place(fs, at, dir, name, len);
	if (!n)
		return -ENOMEM;
	*ret = n;
	return 0;
}

/* Whether the node's value is what its name holds at this moment. */
bool derived_current(struct fs *fs, const struct node *n)
{
	const struct name *nm = n->name;
	const struct eval_value *v;

	if (n->kind != NODE_VALUE)
		return false;
	v = eval_current(fs->eval, nm->at, nm->dir, nm->text, nm->len);
	return v && addr_eq(&v->addr, &n->addr) &&
	       v->executable == n->executable;
}

/* --- answers ------------------------------------------------------------ */

static void reply_attr(struct fs *fs, fuse_req_t req, struct node *n)
{
	struct stat st;
	int r = node_attr(fs, n, &st);

	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &st, attr_timeout(fs, n));
}

static void reply_value_open(struct fs *fs, fuse_req_t req, struct node *n,
			     struct fuse_file_info *fi)
{
	int r = open_content(fs, n, &n->addr, fi);

	if (r < 0)
		reply_err(req, r);
	else
		reply_open(req, fi);
}

static bool same_value(const struct node *n, const struct eval_value *v)
{
	return n->kind == NODE_VALUE && !v->error &&
	       addr_eq(&n->addr, &v->addr) && n->executable == v->executable;
}

static void reply_addr(fuse_req_t req, const struct eval_value *v, size_t size)
{
	char hex[ADDR_HEX];

	if (v->error) {
		fuse_reply_err(req, v->error == ENOENT ? ENODATA : v->error);
		return;
	}
	addr_hex(&v->addr, hex);
	if (!size)
		fuse_reply_xattr(req, ADDR_HEX - 1);
	else if (size < ADDR_HEX - 1)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, hex, ADDR_HEX - 1);
}

/* v: what it holds; NULL: something would have to run. */
static void reply_state(struct fs *fs, fuse_req_t req, struct node *n,
			const struct eval_value *v, size_t size)
{
	const struct name *nm = n->name;
	enum eval_state state = EVAL_NEW;
	struct eval_value known;
	const char *text;
	bool now;

	if (v && v->error)
		state = EVAL_FAILED;
	else if (v)
		state = eval_is_dropped(fs->eval, nm->at, nm->dir, nm->text,
					nm->len)
				? EVAL_DROPPED
				: EVAL_FRESH;
	else if (eval_peek(fs->eval, nm->at, nm->dir, nm->text, nm->len, &state,
			   &known, &now, NULL) < 0)
		state = EVAL_NEW;
	else if (state == EVAL_FRESH || state == EVAL_FAILED)
		state = EVAL_STALE;
	text = eval_state_name(state);
	if (!size)
		fuse_reply_xattr(req, strlen(text));
	else if (size < strlen(text))
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, text, strlen(text));
}

/* --- directories --------------------------------------------------------- */

static void reply_child(struct fs *fs, struct parked *p,
			const struct eval_value *v)
{
	struct fuse_entry_param e;
	struct tree_at at;
	struct node *n;
	int r = v->error ? -v->error : v->is_dir ? 0 : -ESTALE;

	if (r >= 0)
		r = tree_at_value(fs, p->node, v, &at);
	if (r >= 0)
		r = tree_child(fs, &at, p->child, &n);
	if (r >= 0)
		r = node_entry(fs, n, &e);
	if (r < 0)
		reply_err(p->req, r);
	else
		fuse_reply_entry(p->req, &e);
}

/* What went a moment ago with its recipe can be listed as empty. */
static void reply_opendir(struct fs *fs, struct parked *p,
			  const struct eval_value *v)
{
	const struct name *nm = p->node->name;
	struct tree_at at;
	bool ghost = v->error == ENOENT &&
		     ghost_take(fs, nm->dir, nm->text, nm->len, p->pid);
	int r = v->error ? -v->error : v->is_dir ? 0 : -ESTALE;

	if (r >= 0)
		r = tree_at_value(fs, p->node, v, &at);
	if (ghost || r >= 0)
		reply_tree_open(p->req, p->node, ghost ? NULL : &at, &p->fi);
	else
		reply_err(p->req, r);
}

static void reply_verify(struct fs *fs, struct parked *p, int rc,
			 const struct eval_value *v)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (rc >= 0)
		rc = h ? eval_verify_text(fs->eval, v, &h->text) : -ENOMEM;
	if (rc < 0) {
		if (h)
			buf_done(&h->text);
		free(h);
		reply_err(p->req, rc == -ECANCELED ? -EIO : rc);
		return;
	}
	h->node = p->node;
	h->flags = p->fi.flags;
	p->node->opens++;
	p->fi.fh = (uint64_t)(uintptr_t)h;
	p->fi.direct_io = 1;
	reply_open(p->req, &p->fi);
}

/* The outcome of an evaluation, to a request for the node. */
static void reply_value(struct fs *fs, struct parked *p, int rc,
			const struct eval_value *v)
{
	struct node *n = p->node;

	if (p->kind == PARK_VERIFY) {
		reply_verify(fs, p, rc, v);
		return;
	}
	if (p->kind == PARK_STATE && (rc >= 0 || rc == -EAGAIN)) {
		reply_state(fs, p->req, n, rc < 0 ? NULL : v, p->size);
		return;
	}
	if (rc < 0) {
		reply_err(p->req, rc == -ECANCELED ? -EIO : rc);
		return;
	}
	switch (p->kind) {
	case PARK_ADDR:
		reply_addr(p->req, v, p->size);
		return;
	case PARK_CHILD:
		reply_child(fs, p, v);
		return;
	case PARK_OPENDIR:
		reply_opendir(fs, p, v);
		return;
	case PARK_STATE:
	case PARK_VERIFY:
		break;
	case PARK_GETATTR:
		/* fstat comes without a handle: who has the old value open
		 * gets its attributes; one is ours */
		if (same_value(n, v) ||
		    (n->kind == NODE_VALUE && n->opens > 1)) {
			reply_attr(fs, p->req, n);
			return;
		}
		if (v->error && v->error != ENOENT && n->kind == NODE_PLACE) {
			reply_attr(fs, p->req, n); /* a failure has size 0 */
			return;
		}
		break;
	case PARK_OPEN:
		if (same_value(n, v)) {
			reply_value_open(fs, p->req, n, &p->fi);
			return;
		}
		if (v->error && v->error != ENOENT && n->kind == NODE_PLACE) {
			reply_err(p->req, -v->error);
			return;
		}
		break;
	}
	if (!v->error)
		grace_add(fs, p->pid, n->name, p->since_ns, v);
	fuse_reply_err(p->req, ESTALE);
}

/* --- parked requests ---------------------------------------------------- */

static void unpark(struct parked *p)
{
	struct fs *fs = p->fs;

	map_del_u64(fs->parked, p->id);
	p->node->opens--;
	node_drop(fs, p->node);
	free(p->child);
	free(p);
}

static void evaluated(void *ctx, int rc, const struct eval_value *v)
{
	struct parked *p = ctx;

	reply_value(p->fs, p, rc, v);
	unpark(p);
}

/* Called by libfuse with a lock of the request held, perhaps while the request
 * is being parked, perhaps when it is gone: the number says which. */
static void interrupted(fuse_req_t req, void *data)
{
	struct fs *fs = fs_of(req);
	struct parked *p;

	db_lock(fs->db);
	p = map_get_u64(fs->parked, (uint64_t)(uintptr_t)data);
	if (p && p->wait) {
		eval_cancel(fs->eval, p->wait);
		if (p->kind == PARK_GETATTR)
			ahead_interrupted(fs, p->node->name->dir);
		fuse_reply_err(p->req, EINTR);
		unpark(p);
	} else if (p) {
		p->interrupted = true;
	}
	fs_unlock(fs);
}

static int ask(struct fs *fs, struct parked *p, struct eval_value *ret)
{
	const struct name *nm = p->node->name;
	const char *name;
	size_t len;

	if (p->kind == PARK_VERIFY) {
		name = node_text_name(p->node, &len);
		return eval_verify(fs->eval, p->node->ino, name, len, evaluated,
				   p, ret, &p->wait);
	}
	return (p->kind == PARK_STATE ? eval_check
				      : eval_want)(fs->eval, nm->at, nm->dir,
						   nm->text, nm->len, evaluated,
						   p, ret, &p->wait);
}

/* Answers at once, or parks the request. db_lock is not held. */
static void evaluate(struct fs *fs, fuse_req_t req, struct node *n,
		     enum park_kind kind, const struct fuse_file_info *fi,
		     size_t size, const char *child)
{
	struct parked *p = calloc(1, sizeof(*p));
	struct name *nm = n->name;
	struct eval_value v;
	int r;

	if (p && child) {
		p->child = strdup(child);
		if (!p->child) {
			free(p);
			p = NULL;
		}
	}
	if (!p) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	p->fs = fs;
	p->kind = kind;
	p->req = req;
	p->pid = fuse_req_ctx(req)->pid;
	p->since_ns = clock_now_ns();
	p->node = n;
	p->size = size;
	if (fi)
		p->fi = *fi;
	db_lock(fs->db);
	p->id = ++fs->next_id;
	r = map_put_u64(fs->parked, p->id, p);
	if (r < 0) {
		free(p->child);
		free(p);
		fuse_reply_err(req, ENOMEM);
		db_unlock(fs->db);
		return;
	}
	n->opens++;
	db_unlock(fs->db);
	/* may call back at once, so before the evaluation and without lock */
	fuse_req_interrupt_func(req, interrupted, (void *)(uintptr_t)p->id);
	db_lock(fs->db);
	if (p->interrupted) {
		fuse_reply_err(req, EINTR);
		unpark(p);
	} else {
		if (kind == PARK_OPEN || kind == PARK_CHILD ||
		    kind == PARK_OPENDIR)
			eval_want_bytes(fs->eval, nm->at, nm->dir, nm->text,
					nm->len);
		r = ask(fs, p, &v);
		if (r)
			evaluated(p, r < 0 ? r : 0, &v);
	}
	fs_unlock(fs);
}

void parked_free(struct fs *fs)
{
	map_free(fs->parked);
}

/* --- the operations ------------------------------------------------------ */

static bool lazy(struct fs *fs, const struct node *n)
{
	return fs->opt.stat_lazy ||
	       eval_is_lazy(fs->eval, n->name->at, n->name->dir, n->name->text,
			    n->name->len);
}

/* Whether the value may be given out: it holds, or it was promised. The
 * promise ends with that. */
static bool may_serve(struct fs *fs, struct node *n, int pid)
{
	const struct name *nm = n->name;
	const struct eval_value *v;
	bool yes = derived_current(fs, n);

	if (!map_count(fs->graces))
		return yes;
	v = grace_of(fs, pid, nm->at, nm->dir, nm->text, nm->len);
	if (!v)
		return yes;
	yes = yes || same_value(n, v);
	grace_drop(fs, pid);
	return yes;
}

static bool is_dropped(struct fs *fs, const struct node *n)
{
	const struct name *nm = n->name;

	return eval_is_dropped(fs->eval, nm->at, nm->dir, nm->text, nm->len);
}

void derived_getattr(struct fs *fs, fuse_req_t req, struct node *n)
{
	int pid = fuse_req_ctx(req)->pid;

	double timeout = 0;
	struct stat st;
	bool serve;
	int r = 0;

	db_lock(fs->db);
	serve = may_serve(fs, n, pid) || (n->kind == NODE_PLACE && lazy(fs, n));
	if (serve)
		r = node_attr(fs, n, &st);
	if (serve)
		timeout = attr_timeout(fs, n);
	else if (n->kind == NODE_PLACE)
		ahead_wanted(fs, n, pid);
	db_unlock(fs->db);
	if (!serve)
		evaluate(fs, req, n, PARK_GETATTR, NULL, 0, NULL);
	else if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_attr(req, &st, timeout);
}

void derived_open(struct fs *fs, fuse_req_t req, struct node *n,
		  const struct fuse_file_info *fi)
{
	const struct name *nm = n->name;
	struct fuse_file_info copy = *fi;
	bool serve;
	int r = 0;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	db_lock(fs->db);
	serve = may_serve(fs, n, fuse_req_ctx(req)->pid) && !is_dropped(fs, n);
	if (serve)
		r = open_content(fs, n, &n->addr, &copy);
	if (r < 0 && content_lost(fs, &n->addr)) {
		/* collection let go of it */
		eval_lost(fs->eval, nm->at, nm->dir, nm->text, nm->len);
		serve = false;
	}
	db_unlock(fs->db);
	/* answered without the lock: who is woken by it may want it */
	if (!serve)
		evaluate(fs, req, n, PARK_OPEN, fi, 0, NULL);
	else if (r < 0)
		reply_err(req, r);
	else
		reply_opened(req, &copy);
}

void derived_state(struct fs *fs, fuse_req_t req, struct node *n, size_t size)
{
	evaluate(fs, req, n, PARK_STATE, NULL, size, NULL);
}

void derived_addr(struct fs *fs, fuse_req_t req, struct node *n, size_t size)
{
	evaluate(fs, req, n, PARK_ADDR, NULL, size, NULL);
}

void derived_child(struct fs *fs, fuse_req_t req, struct node *n,
		   const char *name)
{
	evaluate(fs, req, n, PARK_CHILD, NULL, 0, name);
}

void derived_opendir(struct fs *fs, fuse_req_t req, struct node *n,
		     const struct fuse_file_info *fi)
{
	evaluate(fs, req, n, PARK_OPENDIR, fi, 0, NULL);
}

void derived_verify(struct fs *fs, fuse_req_t req, struct node *n,
		    const struct fuse_file_info *fi)
{
	evaluate(fs, req, n, PARK_VERIFY, fi, 0, NULL);
}

/* --- news --------------------------------------------------------------- */

/* The kernel must not find an old value under its name any more. */
static void stale(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct fs *fs = ctx;
	struct name *nm = name_find(fs, NS_NOW, dir, name, len);
	struct node *n;

	for (n = nm ? nm->nodes : NULL; n; n = n->next)
		if ((n->kind == NODE_VALUE || n->kind == NODE_DIR) &&
		    n->lookups)
			fs->forget_names = true;
}

/* Tells the kernel to look up every name again before it uses it. */
void derived_told(void *ctx)
{
	struct fs *fs = ctx;
	struct fuse_out_header {
		uint32_t len;
		int32_t error;
		uint64_t unique;
	} head = {sizeof(head), 8 /* FUSE_NOTIFY_INC_EPOCH */, 0};

	if (!fs->forget_names)
		return;
	fs->forget_names = false;
	fs->epochs++;
	if (fs->epoch && !fs->closing &&
	    write(fuse_session_fd(fs->se), &head, sizeof(head)) < 0 &&
	    errno != ENOENT && errno != ENODEV)
		log_warn("the kernel refuses to forget names: %s",
			 err_name(errno));
}

/* Also where the file was opened before another process wrote it. */
static struct node *writer_of(struct fs *fs, uint64_t ino)
{
	struct node *n = NULL;

	while ((n = node_next_source(fs, ino, n)))
		if (n->writers)
			return n;
	return NULL;
}

static bool writing(void *ctx, uint64_t ino)
{
	return writer_of(ctx, ino);
}

/* Dirty pages come in as WRITEs while the notification waits, so no lock may
 * be held; the node is held by an open of ours. */
static int settle(void *ctx, uint64_t ino)
{
	struct fs *fs = ctx;
	struct node *n;
	fuse_ino_t id;
	int r;

	db_lock(fs->db);
	n = writer_of(fs, ino);
	if (!n) {
		db_unlock(fs->db);
		return 0;
	}
	n->opens++;
	id = node_id(fs, n);
	db_unlock(fs->db);
	r = fuse_lowlevel_notify_inval_inode(fs->se, id, 0, 0);
	if (r >= 0 || r == -ENOENT)
		r = file_commit(fs, n, true);
	db_lock(fs->db);
	file_release(fs, n, false);
	fs_unlock(fs);
	return r;
}

void derived_init(struct fs *fs, struct eval_host *ret)
{
	*ret = (struct eval_host){
		.ctx = fs,
		.writing = writing,
		.settle = settle,
		.stale = stale,
		.told = derived_told,
		.wrote = fs_wrote,
		.show = view_show,
		.show_live = view_show_live,
		.hide = view_hide,
	};
}

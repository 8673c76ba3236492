/* Extended attributes: what Deriva knows of a file (user.deriva.*, made up
 * when asked for, not listed, so that nobody copies them), and everybody
 * else's, kept with the inode.
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/acl.h"

#define OURS "user.deriva."

#define NAME_LIMIT  255
#define VALUE_LIMIT KIB(64)

static bool ours(const char *name)
{
	return !strncmp(name, OURS, strlen(OURS));
}

static bool derived(const struct node *n)
{
	return n->kind == NODE_PLACE || n->kind == NODE_VALUE ||
	       n->kind == NODE_DIR;
}

/* What other file systems know, too; of system.* ACLs only. */
static int check_name(const struct fs *fs, const char *name)
{
	static const char *const known[] = {"user.", "trusted.", "security."};
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(known); i++) {
		n = strlen(known[i]);
		if (!strncmp(name, known[i], n))
			return name[n] ? 0 : -EINVAL;
	}
	return acl_is_name(name) && fs->lists ? 0 : -EOPNOTSUPP;
}

static uint64_t moment_of(const struct node *n)
{
	return n->kind == NODE_PAST ? n->at : NS_NOW;
}

static void reply_bytes(fuse_req_t req, const void *p, size_t n, size_t size)
{
	if (!size)
		fuse_reply_xattr(req, n);
	else if (size < n)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, p, n);
}

static int add_hex(struct buf *b, const struct addr *a)
{
	char hex[ADDR_HEX];

	if (addr_is_zero(a))
		return -ENODATA;
	addr_hex(a, hex);
	buf_str(b, hex);
	return 0;
}

static int derived_value(struct fs *fs, const struct node *n, const char *what,
			 struct buf *b)
{
	const struct name *nm = n->name;
	CLEANUP_BUF struct buf message = BUF_INIT;
	enum eval_state state;
	struct eval_value v;
	struct result res;
	struct addr run;
	bool now;
	int r = eval_peek(fs->eval, nm->at, nm->dir, nm->text, nm->len, &state,
			  &v, &now, &message);

	if (r < 0)
		return r == -ENOENT ? -ENODATA : r;
	if (!strcmp(what, "recipe")) {
		eval_computation(fs->eval, &v.recipe, &run);
		return add_hex(b, &run);
	}
	r = addr_is_zero(&v.recipe) ? -ENOENT
				    : results_get(fs->results, &v.recipe, &res);
	if (!strcmp(what, "cost")) {
		if (r < 0)
			return -ENODATA;
		buf_fmt(b, "%.6f", (double)res.wall_ns / 1e9);
		return 0;
	}
	if (!strcmp(what, "error")) {
		if (message.len)
			buf_add(b, message.data, message.len);
		else if (r >= 0 && v.error > 0)
			buf_str(b, res.message);
		else
			return -ENODATA;
		return 0;
	}
	return -ENODATA;
}

static bool is_recipe_of_blocked(struct fs *fs, const struct node *n)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	const char *slash;
	uint64_t dir;

	if (ns_path(fs->ns, NS_NOW, n->ino, &path) < 0)
		return false;
	slash = strrchr(buf_cstr(&path), '/');
	return slash && ns_parent(fs->ns, NS_NOW, n->ino, &dir) >= 0 &&
	       eval_is_blocked(fs->eval, dir, slash + 1, strlen(slash + 1));
}

static int source_value(struct fs *fs, const struct node *n, const char *what,
			struct buf *b)
{
	uint64_t at = moment_of(n);
	struct ns_attr a;
	int r;

	if (!strcmp(what, "state")) {
		/* a recipe that an ordinary file keeps from being used */
		buf_str(b, at == NS_NOW && is_recipe_of_blocked(fs, n)
				   ? "blocked"
				   : "source");
		return 0;
	}
	if (strcmp(what, "addr"))
		return -ENODATA;
	r = ns_getattr(fs->ns, at, n->ino, &a);
	if (r < 0)
		return r;
	return S_ISREG(a.mode) ? add_hex(b, &a.addr) : -ENODATA;
}

static void get_ours(fuse_req_t req, struct node *n, const char *what,
		     size_t size)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct fs *fs = fs_of(req);
	struct ns_attr a;
	int r;

	if (derived(n) && !strcmp(what, "addr")) {
		derived_addr(fs, req, n, size);
		return;
	}
	if (derived(n) && !strcmp(what, "state")) {
		derived_state(fs, req, n, size);
		return;
	}
	/* the address of what is being written is that of what there is */
	if (n->kind == NODE_SOURCE && !strcmp(what, "addr")) {
		db_lock(fs->db);
		r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
		if (r >= 0 && S_ISREG(a.mode) && n->writers)
			n->opens++;
		else
			r = -ENODATA;
		db_unlock(fs->db);
		if (r >= 0) {
			r = file_commit(fs, n, true);
			db_lock(fs->db);
			file_release(fs, n, false);
			fs_unlock(fs);
		}
	}
	db_lock(fs->db);
	switch (n->kind) {
	case NODE_PLACE:
	case NODE_VALUE:
	case NODE_DIR:
		r = derived_value(fs, n, what, &b);
		break;
	case NODE_SOURCE:
	case NODE_PAST:
		r = source_value(fs, n, what, &b);
		break;
	case NODE_TREE:
	case NODE_CONTENT:
		r = strcmp(what, "addr") ? -ENODATA : add_hex(&b, &n->addr);
		break;
	default:
		r = -ENODATA;
	}
	db_unlock(fs->db);
	if (r >= 0)
		r = buf_err(&b);
	if (r < 0)
		reply_err(req, r);
	else
		reply_bytes(req, b.data, b.len, size);
}

void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	int r = check_name(fs, name);

	if (ours(name)) {
		get_ours(req, n, name + strlen(OURS), size);
		return;
	}
	if (r >= 0 && n->kind != NODE_SOURCE && n->kind != NODE_PAST)
		r = -ENODATA;
	if (r >= 0) {
		db_lock(fs->db);
		r = strncmp(name, "user.", 5) ? 0 : may(fs, n, R_OK);
		if (r >= 0)
			r = ns_xattr_get_at(fs->ns, moment_of(n), n->ino, name,
					    &b);
		db_unlock(fs->db);
	}
	/* `ls -l` asks for that once a file, or, told so, once */
	if (r == -ENODATA && !fs->selinux && !strcmp(name, "security.selinux"))
		r = -EOPNOTSUPP;
	if (r < 0)
		reply_err(req, r);
	else
		reply_bytes(req, b.len ? (void *)b.data : "", b.len, size);
}

/* Names that begin like that. */
static void hide(struct buf *b, const char *prefix)
{
	char *p = (char *)b->data, *end = p + b->len, *to = p;
	size_t n;

	for (; p < end; p += n) {
		n = strlen(p) + 1;
		if (!strncmp(p, prefix, strlen(prefix)))
			continue;
		memmove(to, p, n);
		to += n;
	}
	b->len = (size_t)(to - (char *)b->data);
}

void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	int r = 0;

	if (n->kind == NODE_SOURCE || n->kind == NODE_PAST) {
		db_lock(fs->db);
		r = ns_xattr_list_at(fs->ns, moment_of(n), n->ino, &b);
		db_unlock(fs->db);
		if (r >= 0 && b.len && fuse_req_ctx(req)->uid)
			hide(&b, "trusted."); /* for root alone */
		if (r >= 0 && b.len && !fs->lists)
			hide(&b, "system.");
	}
	if (r < 0)
		reply_err(req, r);
	else
		reply_bytes(req, b.len ? (void *)b.data : "", b.len, size);
}

static void change(fuse_req_t req, fuse_ino_t id, const char *name,
		   const char *value, size_t size, int flags)
{
	struct fs *fs = fs_of(req);
	struct node *n = node_of(fs, id);
	char program[32];
	struct ns_by by = by_of(req, program);
	int r = check_name(fs, name);

	if (r < 0) {
		reply_err(req, r);
		return;
	}
	if (ours(name) || n->kind != NODE_SOURCE) {
		fuse_reply_err(req, n->kind == NODE_PAST ? EROFS : EPERM);
		return;
	}
	if (strlen(name) > NAME_LIMIT || size > VALUE_LIMIT) {
		fuse_reply_err(req, ERANGE);
		return;
	}
	db_lock(fs->db);
	r = acl_is_name(name) ? 0 : may(fs, n, W_OK);
	if (r >= 0)
		r = value ? fs_room(fs, size) : fs_room_to_remove(fs);
	if (r >= 0)
		r = acl_is_name(name)
			    ? acl_set(req, n, name, value, size, flags)
			    : ns_xattr_set(fs->ns, &by, n->ino, name, value,
					   size, flags);
	fs_unlock(fs);
	reply_err(req, r);
}

void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
		 const char *value, size_t size, int flags)
{
	change(req, id, name, value ? value : "", size, flags);
}

void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	change(req, id, name, NULL, 0, 0);
}

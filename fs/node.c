/* Identity: which node the kernel knows for what, and for how long.
 *
 * Every node has a key that says what it stands for; asking twice for the same
 * gives the same node while the kernel or a handle holds it. PLACE and VALUE
 * nodes are also gathered by name, so that what is stale can be told to the
 * kernel.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_MAX (2 + 2 * sizeof(uint64_t) + ADDR_LEN + NS_NAME_MAX)

struct key {
	size_t len;
	uint8_t bytes[KEY_MAX];
};

static void key_add(struct key *k, const void *p, size_t n)
{
	memcpy(k->bytes + k->len, p, n);
	k->len += n;
}

static struct key key_of(enum node_kind kind, uint8_t control, uint64_t at,
			 uint64_t ino)
{
	struct key k = {.len = 0};
	uint8_t head[2] = {(uint8_t)kind, control};

	key_add(&k, head, sizeof(head));
	key_add(&k, &at, sizeof(at));
	key_add(&k, &ino, sizeof(ino));
	return k;
}

/* Numbers made up for what has none of its own: above 2^62, where they meet
 * no inode of the namespace. */
uint64_t hash_ino(const void *p, size_t n)
{
	struct addr a;
	uint64_t v;

	addr_of(OBJ_CHUNK, p, n, &a);
	v = get_le64(a.b);
	return (v & ((UINT64_C(1) << 62) - 1)) | UINT64_C(1) << 62;
}

struct node *node_of(struct fs *fs, fuse_ino_t id)
{
	return id == FUSE_ROOT_ID ? fs->root : (struct node *)(uintptr_t)id;
}

fuse_ino_t node_id(const struct fs *fs, const struct node *n)
{
	return n == fs->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)n;
}

static struct node *get(struct fs *fs, const struct key *k, bool *ret_new)
{
	struct node *n = node_table_get(fs->nodes, k->bytes, k->len);

	*ret_new = !n;
	if (n)
		return n;
	n = calloc(1, sizeof(*n) + k->len);
	if (!n)
		return NULL;
	n->kind = (enum node_kind)k->bytes[0];
	n->control = (enum control)k->bytes[1];
	memcpy(&n->at, k->bytes + 2, sizeof(n->at));
	memcpy(&n->ino, k->bytes + 2 + sizeof(n->at), sizeof(n->ino));
	n->key_len = (uint16_t)k->len;
	memcpy(n->key, k->bytes, k->len);
	if (node_table_put(fs->nodes, n) < 0) {
		free(n);
		return NULL;
	}
	return n;
}

struct node *node_source(struct fs *fs, uint64_t ino)
{
	struct key k = key_of(NODE_SOURCE, 0, 0, ino);
	bool made;

	return get(fs, &k, &made);
}

struct node *node_find_source(struct fs *fs, uint64_t ino)
{
	struct key k = key_of(NODE_SOURCE, 0, 0, ino);

	return node_table_get(fs->nodes, k.bytes, k.len);
}

struct node *node_past(struct fs *fs, uint64_t at, uint64_t ino)
{
	struct key k = key_of(NODE_PAST, 0, at, ino);
	bool made;

	return get(fs, &k, &made);
}

struct node *node_live(struct fs *fs, uint64_t id, size_t place, bool link)
{
	struct key k = key_of(NODE_LIVE, link, id, place);
	struct node *n;
	bool made;

	n = get(fs, &k, &made);
	if (n)
		n->mode = link ? S_IFLNK | 0777 : S_IFDIR | 0555;
	return n;
}

struct node *node_control(struct fs *fs, enum control c, uint64_t ino)
{
	struct key k = key_of(NODE_CONTROL, (uint8_t)c, 0, ino);
	bool made;

	return get(fs, &k, &made);
}

struct node *node_history(struct fs *fs, const char *path)
{
	struct key k = key_of(NODE_HISTORY, 0, 0, 0);
	struct addr hash;
	struct node *n;
	bool made;

	addr_of(OBJ_CHUNK, path, strlen(path), &hash);
	key_add(&k, hash.b, ADDR_LEN);
	n = get(fs, &k, &made);
	if (!n || !made)
		return n;
	n->target = strdup(path);
	if (n->target)
		return n;
	node_table_del(fs->nodes, n);
	free(n);
	return NULL;
}

struct node *node_text(struct fs *fs, enum control c, uint64_t dir,
		       const char *name, size_t len)
{
	struct key k = key_of(NODE_TEXT, (uint8_t)c, 0, dir);
	bool made;

	key_add(&k, name, len);
	return get(fs, &k, &made);
}

void node_supersede(struct fs *fs, struct node *n)
{
	struct key k = key_of(NODE_SOURCE, 1, ++fs->next_id, n->ino);
	struct node *next;

	if (n == fs->root || n->old)
		return;
	next = map_get_u64(fs->olds, n->ino);
	if (map_put_u64(fs->olds, n->ino, n) < 0) {
		log_error("out of memory: inode %llu is shown as it was",
			  (unsigned long long)n->ino);
		return;
	}
	node_table_del(fs->nodes, n);
	memcpy(n->key, k.bytes, k.len);
	if (node_table_put(fs->nodes, n) < 0)
		log_error("inode %llu: cannot happen: one has just gone",
			  (unsigned long long)n->ino);
	n->old = true;
	n->next = next;
	fs->forget_names = true;
}

struct node *node_next_source(struct fs *fs, uint64_t ino,
			      const struct node *after)
{
	struct node *n = after ? NULL : node_find_source(fs, ino);

	if (n)
		return n;
	return after && after->old ? after->next : map_get_u64(fs->olds, ino);
}

static void leave_olds(struct fs *fs, struct node *n)
{
	struct node *first = map_get_u64(fs->olds, n->ino), **p = &first;

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	if (!first)
		map_del_u64(fs->olds, n->ino);
	else if (map_put_u64(fs->olds, n->ino, first) < 0)
		log_error("out of memory"); /* cannot be: it replaces */
}

const char *node_text_name(const struct node *n, size_t *ret_len)
{
	size_t head = 2 + 2 * sizeof(uint64_t);

	*ret_len = n->key_len - head;
	return (const char *)n->key + head;
}

struct node *node_content(struct fs *fs, const struct addr *a, uint64_t size,
			  bool executable)
{
	struct key k = key_of(NODE_CONTENT, executable, 0, 0);
	struct node *n;
	bool made;

	key_add(&k, a->b, ADDR_LEN);
	n = get(fs, &k, &made);
	if (n) {
		n->addr = *a;
		n->size = size;
		n->executable = executable;
	}
	return n;
}

struct node *node_view(struct fs *fs, uint64_t id, const struct view_node *view)
{
	uint64_t p = (uint64_t)(uintptr_t)view;
	struct key k = key_of(NODE_VIEW, 0, p, id);
	struct node *n;
	bool made;

	n = get(fs, &k, &made);
	if (n)
		n->view = view;
	return n;
}

/* --- derived names ------------------------------------------------------ */

static size_t name_key(uint8_t *key, uint64_t at, uint64_t dir,
		       const char *name, size_t len)
{
	memcpy(key, &at, sizeof(at));
	memcpy(key + sizeof(at), &dir, sizeof(dir));
	memcpy(key + sizeof(at) + sizeof(dir), name, len);
	return sizeof(at) + sizeof(dir) + len;
}

struct name *name_find(struct fs *fs, uint64_t at, uint64_t dir,
		       const char *name, size_t len)
{
	uint8_t key[KEY_MAX];

	if (len > NS_NAME_MAX)
		return NULL;
	return map_get(fs->names, key, name_key(key, at, dir, name, len));
}

static struct name *name_get(struct fs *fs, uint64_t at, uint64_t dir,
			     const char *name, size_t len)
{
	struct name *n = name_find(fs, at, dir, name, len);
	uint8_t key[KEY_MAX];

	if (n)
		return n;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n)
		return NULL;
	n->at = at;
	n->dir = dir;
	n->len = len;
	memcpy(n->text, name, len);
	if (map_put(fs->names, key, name_key(key, at, dir, name, len), n,
		    NULL) < 0) {
		free(n);
		return NULL;
	}
	return n;
}

static struct node *named(struct fs *fs, struct key *k, uint64_t at,
			  uint64_t dir, const char *name, size_t len)
{
	struct name *nm;
	struct node *n;
	bool made;

	n = get(fs, k, &made);
	if (!n || !made)
		return n;
	nm = name_get(fs, at, dir, name, len);
	if (!nm) {
		node_table_del(fs->nodes, n);
		free(n);
		return NULL;
	}
	n->name = nm;
	n->next = nm->nodes;
	nm->nodes = n;
	return n;
}

struct node *node_place(struct fs *fs, uint64_t at, uint64_t dir,
			const char *name, size_t len)
{
	struct key k = key_of(NODE_PLACE, 0, at, dir);

	key_add(&k, name, len);
	return named(fs, &k, at, dir, name, len);
}

struct node *node_value(struct fs *fs, uint64_t at, uint64_t dir,
			const char *name, size_t len,
			const struct eval_value *v)
{
	struct key k = key_of(NODE_VALUE, v->executable, at, dir);
	struct node *n;

	key_add(&k, v->addr.b, ADDR_LEN);
	key_add(&k, name, len);
	n = named(fs, &k, at, dir, name, len);
	if (n) {
		n->addr = v->addr;
		n->size = v->size;
		n->executable = v->executable;
		n->since_ns = v->since_ns;
	}
	return n;
}

struct node *node_dir(struct fs *fs, uint64_t at, uint64_t dir,
		      const char *name, size_t len)
{
	struct key k = key_of(NODE_DIR, 0, at, dir);

	key_add(&k, name, len);
	return named(fs, &k, at, dir, name, len);
}

struct node *node_tree(struct fs *fs, uint64_t ino, const struct addr *a)
{
	struct key k = key_of(NODE_TREE, 0, 0, ino);
	struct node *n;
	bool made;

	n = get(fs, &k, &made);
	if (n)
		n->addr = *a;
	return n;
}

static void leave_name(struct fs *fs, struct node *n)
{
	struct name *nm = n->name;
	uint8_t key[KEY_MAX];
	struct node **p;

	if (!nm)
		return;
	for (p = &nm->nodes; *p != n; p = &(*p)->next)
		;
	*p = n->next;
	if (nm->nodes)
		return;
	map_del(fs->names, key,
		name_key(key, nm->at, nm->dir, nm->text, nm->len));
	free(nm);
}

/* --- end of life -------------------------------------------------------- */

static void node_free(struct node *n)
{
	blob_close(n->blob);
	if (n->kind == NODE_TREE || n->kind == NODE_HISTORY)
		free(n->target);
	free(n);
}

void node_drop(struct fs *fs, struct node *n)
{
	if (n->lookups || n->opens || n == fs->root)
		return;
	leave_name(fs, n);
	if (n->old)
		leave_olds(fs, n);
	if (n->unlinked && ns_reap(fs->ns, n->ino) < 0)
		log_warn("inode %llu: cannot be reaped",
			 (unsigned long long)n->ino);
	node_table_del(fs->nodes, n);
	node_free(n);
}

void node_forget(struct fs *fs, struct node *n, uint64_t lookups)
{
	n->lookups -= MIN(lookups, n->lookups);
	node_recheck(fs, n);
	node_drop(fs, n);
}

void nodes_free(struct fs *fs)
{
	struct node *n;
	size_t it = 0;
	void *v;

	while (fs->nodes && (n = node_table_next(fs->nodes, &it)))
		node_free(n);
	it = 0;
	while (fs->names && map_next(fs->names, &it, NULL, NULL, &v))
		free(v);
	node_table_free(fs->nodes);
	map_free(fs->names);
	map_free(fs->olds);
	map_free(fs->mixed);
}

/* .deriva/by-addr: any object by its address.
 *
 * What is content of a file is a file, of whatever size; a directory object is
 * a directory; of computations and journals it is the bytes. Nothing is listed:
 * there are as many names as objects.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"

/* Nobody's own: the mounting user's, like .deriva itself. */
static int show_dir(struct fs *fs, const struct addr *a, struct node **ret)
{
	const struct tree_at at = {
		.addr = *a,
		.ino = UINT64_C(1) << 62,
		.mode = 0444,
		.uid = fs->uid,
		.gid = fs->gid,
		.since_ns = NO_TIME_NS,
	};

	return tree_top(fs, &at, ret);
}

static int show_file(struct fs *fs, const struct addr *a, struct node **ret)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	int r = blob_open(fs->store, a, &b);

	if (r < 0)
		return r;
	*ret = node_content(fs, a, blob_size(b), false);
	return *ret ? 0 : -ENOMEM;
}

static int show_bytes(struct fs *fs, const struct addr *a, struct node **ret)
{
	char hex[ADDR_HEX];

	addr_hex(a, hex);
	*ret = node_text(fs, CTL_BY_ADDR, 0, hex, ADDR_HEX - 1);
	return *ret ? 0 : -ENOMEM;
}

int by_addr_lookup(struct fs *fs, const char *name, struct node **ret)
{
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	struct object_loc loc;
	struct addr a, empty;
	int r;

	if (!addr_parse(name, &a))
		return -ENOENT;
	blob_empty_addr(&empty);
	if (addr_eq(&a, &empty))
		return show_file(fs, &a, ret);
	r = store_find(fs->store, &a, &loc);
	if (r == -ENOENT) {
		r = results_get_recipe(fs->results, &a, &bytes);
		return r < 0 ? r : show_bytes(fs, &a, ret);
	}
	if (r < 0)
		return r;
	switch (loc.kind) {
	case OBJ_CHUNK:
	case OBJ_NODE:
		return show_file(fs, &a, ret);
	case OBJ_DIR:
		return show_dir(fs, &a, ret);
	default:
		return show_bytes(fs, &a, ret);
	}
}

int by_addr_text(struct fs *fs, const char *name, size_t len, struct buf *ret)
{
	char hex[ADDR_HEX];
	struct addr a;
	int r;

	if (len != ADDR_HEX - 1)
		return -ENOENT;
	memcpy(hex, name, len);
	hex[len] = '\0';
	if (!addr_parse(hex, &a))
		return -ENOENT;
	r = store_get(fs->store, &a, NULL, ret);
	return r == -ENOENT ? results_get_recipe(fs->results, &a, ret) : r;
}

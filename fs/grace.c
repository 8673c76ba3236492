/* Graces: what a thread that was sent back with ESTALE is promised, until it
 * has been there or does something else. See derived.c.
 */
#include "fs/fs.h"

#include <string.h>

#include "core/clock.h"

#define GRACE_NS NSEC_PER_SEC

struct grace {
	uint64_t at, dir;
	int64_t until_ns, since_ns;
	struct eval_value value;
	size_t len;
	char name[];
};

void grace_drop(struct fs *fs, int pid)
{
	free(map_del_u64(fs->graces, (uint64_t)pid));
}

void grace_add(struct fs *fs, int pid, const struct name *nm, int64_t since_ns,
	       const struct eval_value *v)
{
	struct grace *g = calloc(1, sizeof(*g) + nm->len);

	grace_drop(fs, pid);
	if (!g)
		return;
	g->at = nm->at;
	g->dir = nm->dir;
	g->until_ns = clock_mono_ns() + GRACE_NS;
	g->since_ns = since_ns;
	g->value = *v;
	g->len = nm->len;
	memcpy(g->name, nm->text, nm->len);
	if (map_put_u64(fs->graces, (uint64_t)pid, g) < 0)
		free(g);
}

/* What the thread is promised of that name, or NULL. */
const struct eval_value *grace_of(struct fs *fs, int pid, uint64_t at,
				  uint64_t dir, const char *name, size_t len)
{
	struct grace *g = map_get_u64(fs->graces, (uint64_t)pid);

	return g && g->at == at && g->dir == dir && g->len == len &&
			       !memcmp(g->name, name, len) &&
			       g->until_ns >= clock_mono_ns()
		       ? &g->value
		       : NULL;
}

bool grace_moment(struct fs *fs, int pid, uint64_t *ret_at,
		  int64_t *ret_since_ns)
{
	struct grace *g = map_get_u64(fs->graces, (uint64_t)pid);

	if (!g || g->at == NS_NOW || g->until_ns < clock_mono_ns())
		return false;
	*ret_at = g->at;
	*ret_since_ns = g->since_ns;
	return true;
}

void graces_free(struct fs *fs)
{
	size_t it = 0;
	void *v;

	while (fs->graces && map_next(fs->graces, &it, NULL, NULL, &v))
		free(v);
	map_free(fs->graces);
}

/* Who needs what is damaged: versions of files, and results. */
#include "cas/fsck_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/* --- versions --------------------------------------------------------------
 */

struct hurt_version {
	struct addr addr;
	uint64_t ino, born;
};

struct versions {
	struct fsck *f;
	struct buf hurt; /* of hurt_version */
	int rc;
};

/* Only looks: what is hurt is told afterwards, since telling asks for paths. */
static int check_version(void *ctx, const struct ns_version *v)
{
	struct versions *vs = ctx;
	struct hurt_version h = {v->attr.addr, v->attr.ino, v->change.seq};
	int rc;

	vs->f->sums.versions++;
	if (!(vs->f->sums.versions & 1023))
		fsck_progress(vs->f, "versions", vs->f->sums.versions, 0);
	if (!S_ISREG(v->attr.mode) || v->attr.gone ||
	    v->attr.version != v->change.seq)
		return 0;
	rc = fsck_need(vs->f, &v->attr.addr, true);
	if (rc <= 0)
		return rc;
	buf_add(&vs->hurt, &h, sizeof(h));
	return buf_err(&vs->hurt);
}

/* The path it has, or had when it came to be. */
static int version_path(struct fsck *f, const struct hurt_version *h, bool now,
			struct buf *ret)
{
	int rc = ns_path(f->ns, now ? NS_NOW : h->born, h->ino, ret);

	if (rc == -ENOENT) {
		buf_reset(ret);
		buf_fmt(ret, "inode %" PRIu64 ", which has lost its name",
			h->ino);
		rc = 0;
	}
	return rc < 0 ? rc : buf_err(ret);
}

static int tell_version(struct fsck *f, const struct hurt_version *h)
{
	CLEANUP_BUF struct buf path = BUF_INIT, list = BUF_INIT;
	struct fsck_finding found = {
		.kind = FSCK_FILE,
		.state = FSCK_DAMAGED,
		.change = h->born,
	};
	struct ns_attr a;
	int rc;

	rc = ns_getattr(f->ns, NS_NOW, h->ino, &a);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	found.now = !rc && a.nlink && a.version == h->born;
	rc = version_path(f, h, found.now, &path);
	if (!rc)
		rc = fsck_need_list(f, &h->addr, &list);
	if (rc < 0)
		return rc;
	found.where = buf_cstr(&path);
	found.what = found.now ? "what it holds now cannot be read whole"
			       : "an old version cannot be read whole";
	found.addr = &h->addr;
	found.objects = (const struct addr *)(const void *)list.data;
	found.nobjects = list.len / ADDR_LEN;
	fsck_found(f, found);
	return 0;
}

static int check_versions(struct fsck *f)
{
	struct versions vs = {.f = f};
	struct hurt_version h;
	size_t i;
	int rc;

	rc = ns_versions_between(f->ns, 0, UINT64_MAX, check_version, &vs);
	for (i = 0; rc >= 0 && i < vs.hurt.len; i += sizeof(h)) {
		memcpy(&h, vs.hurt.data + i, sizeof(h));
		rc = tell_version(f, &h);
	}
	buf_done(&vs.hurt);
	return rc;
}

/* --- results ---------------------------------------------------------------
 */

struct results_walk {
	struct fsck *f;
	struct map *hurt; /* recipe -> struct hurt_result */
};

struct hurt_result {
	struct addr addr; /* output, or what was printed */
	bool text;	  /* only that */
	bool told;
};

/* What is missing was dropped, but for a result that is whole in the index and
 * has damaged bytes: that one is never computed again by itself. */
static int check_result(void *ctx, const struct result *res)
{
	struct results_walk *w = ctx;
	struct hurt_result *h;
	bool text = false;
	int rc = 0;

	if (!(++w->f->sums.results & 1023))
		fsck_progress(w->f, "results", w->f->sums.results, 0);
	if (!res->error && !addr_is_zero(&res->addr))
		rc = fsck_need(w->f, &res->addr, false);
	if (rc >= 0 && !(rc & NEED_DAMAGED) && !addr_is_zero(&res->text)) {
		rc = fsck_need(w->f, &res->text, false);
		text = true;
	}
	if (rc < 0 || !(rc & NEED_DAMAGED))
		return rc < 0 ? rc : 0;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->addr = text ? res->text : res->addr;
	h->text = text;
	rc = map_put(w->hurt, res->recipe.b, ADDR_LEN, h, NULL);
	if (rc < 0) {
		free(h);
		return rc;
	}
	if (!text && !w->f->last)
		buf_add(&w->f->hurt, res->recipe.b, ADDR_LEN);
	return buf_err(&w->f->hurt);
}

int fsck_derived_path(struct fsck *f, const struct derived *d, struct buf *ret)
{
	size_t at = ret->len;
	int rc = 0;

	if (d->dir != NS_ROOT) {
		rc = ns_path(f->ns, NS_NOW, d->dir, ret);
		if (rc == -ENOENT) {
			ret->len = at;
			rc = ns_path(f->ns, d->seq, d->dir, ret);
		}
	}
	buf_str(ret, "/");
	buf_str(ret, d->name);
	return rc < 0 ? rc : buf_err(ret);
}

/* They are computed again with the result. */
static void excuse(struct fsck *f, const struct addr *a, size_t n)
{
	struct bad *b;

	for (; n; n--, a++) {
		b = fsck_find_bad(f, a);
		if (b)
			b->excused = true;
	}
}

static int tell_result(struct fsck *f, const char *path, uint64_t change,
		       const struct addr *recipe, const struct hurt_result *h)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	struct fsck_finding found = {
		.kind = FSCK_RESULT,
		.state = FSCK_DAMAGED,
		.where = path,
		.what = h->text ? "what its command printed is damaged"
				: "its result is damaged",
		.addr = recipe,
		.change = change,
	};
	int rc = fsck_need_list(f, &h->addr, &list);

	if (rc < 0)
		return rc;
	found.objects = (const struct addr *)(const void *)list.data;
	found.nobjects = list.len / ADDR_LEN;
	fsck_found(f, found);
	excuse(f, found.objects, found.nobjects);
	return 0;
}

/* Whether the row is what the name holds now, and a recipe still defines it. */
static bool is_present(struct fsck *f, const struct derived *d)
{
	char recipe[NS_NAME_MAX + 16];
	struct derived newest;
	uint64_t ino;
	int n = snprintf(recipe, sizeof(recipe), "%s.recipe", d->name);

	return !results_derived(f->results, NS_NOW, d->dir, d->name,
				strlen(d->name), &newest) &&
	       newest.seq == d->seq && n <= NS_NAME_MAX &&
	       !ns_lookup(f->ns, NS_NOW, d->dir, recipe, (size_t)n, &ino, NULL);
}

static int tell_derived(void *ctx, const struct derived *d)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct results_walk *w = ctx;
	struct hurt_result *h = map_get(w->hurt, d->recipe.b, ADDR_LEN);
	int rc;

	if (!h)
		return 0;
	rc = fsck_derived_path(w->f, d, &path);
	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = tell_result(w->f, buf_cstr(&path), d->seq, &d->recipe, h);
	h->told = true;
	if (rc < 0 || h->text || w->f->last || !is_present(w->f, d))
		return rc;
	buf_add(&w->f->derived, path.data, path.len + 1);
	return buf_err(&w->f->derived);
}

/* Those that no name led to: of names that are gone with their directory. */
static int tell_nameless(struct results_walk *w)
{
	struct hurt_result *h;
	const void *key;
	struct addr recipe;
	size_t it = 0, len;
	void *v;
	int rc = 0;

	while (!rc && map_next(w->hurt, &it, &key, &len, &v)) {
		h = v;
		memcpy(recipe.b, key, ADDR_LEN);
		if (!h->told)
			rc = tell_result(w->f, "", 0, &recipe, h);
	}
	return rc;
}

static int check_results(struct fsck *f)
{
	struct results_walk w = {.f = f, .hurt = map_new()};
	size_t it = 0;
	void *h;
	int rc;

	rc = w.hurt ? results_each(f->results, check_result, &w) : -ENOMEM;
	if (rc >= 0 && map_count(w.hurt))
		rc = results_each_derived(f->results, tell_derived, &w);
	if (rc >= 0)
		rc = tell_nameless(&w);
	while (w.hurt && map_next(w.hurt, &it, NULL, NULL, &h))
		free(h);
	map_free(w.hurt);
	return rc;
}

/* --- all -------------------------------------------------------------------
 */

int fsck_check_needs(struct fsck *f)
{
	int rc;

	f->sums.versions = f->sums.results = 0;
	if (!f->last)
		buf_reset(&f->derived);
	fsck_need_forget(f);
	f->nodes = map_new();
	if (!f->nodes)
		return -ENOMEM;
	db_lock(f->db);
	rc = check_versions(f);
	if (rc >= 0)
		rc = check_results(f);
	db_unlock(f->db);
	return rc;
}

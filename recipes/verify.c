#include "recipes/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/settings.h"
#include "core/verified.h"

#define LOOK_NS NSEC_PER_SEC /* between looks at the setting */

static const char *verdict(const struct verified *v)
{
	return v->message[0]		 ? "failed"
	       : addr_is_zero(&v->other) ? "same"
					 : "different";
}

static void tell_differs(const struct task *j, const struct result *old,
			 const struct result *now)
{
	char a[ADDR_HEX], b[ADDR_HEX];

	addr_hex(&old->addr, a);
	addr_hex(&now->addr, b);
	log_warn("%s: not reproducible: run again it made %.16s instead of "
		 "%.16s; both are kept",
		 j->label, b, a);
}

/* One output. */
static int compare_one(struct eval *ev, const struct task *j,
		       const struct result *now)
{
	struct verified v = {0};
	struct result old;
	bool same;
	int r = results_get(ev->results, &now->recipe, &old);

	if (r < 0 || old.error)
		return r == -ENOENT ? 0 : r;
	r = verified_get(ev->db, &now->recipe, &v);
	if (r < 0 && r != -ENOENT)
		return r;
	v.when_ns = now->when_ns;
	v.message[0] = '\0';
	same = !now->error && addr_eq(&old.addr, &now->addr) &&
	       old.executable == now->executable;
	if (same) {
		v.times++;
	} else if (now->error) {
		snprintf(v.message, sizeof(v.message), "%s", now->message);
		log_warn("%s: not reproducible: run again it failed: %s",
			 j->label, now->message);
	} else {
		v.other = now->addr;
		v.other_ns = now->when_ns;
		v.other_is_dir = now->is_dir;
		v.other_executable = now->executable;
		v.other_size = now->size;
		tell_differs(j, &old, now);
	}
	r = verified_put(ev->db, &now->recipe, &v);
	/* what came over the network may be another tomorrow; and once it was
	 * another, it stays so */
	if (r >= 0)
		r = results_judge(ev->results, &now->recipe,
				  same && addr_is_zero(&v.other) &&
					  !j->def->network);
	ev->host.wrote(ev->host.ctx);
	return r;
}

int verify_compare(struct eval *ev, const struct task *j,
		   const struct result *res)
{
	const struct recipe_def *d = j->def;
	struct result one = *res;
	size_t i;
	int r = 0;

	if (!d->nouts) {
		one.recipe = j->known.recipe;
		return compare_one(ev, j, &one);
	}
	for (i = 0; r >= 0 && i < d->nouts; i++) {
		one = *res;
		results_output_addr(&j->known_base, d->outs[i].name,
				    &one.recipe);
		if (!one.error) {
			one.addr = j->outs[i].addr;
			one.size = j->outs[i].size;
			one.executable = j->outs[i].executable;
		}
		r = compare_one(ev, j, &one);
	}
	return r;
}

/* --- the sample ----------------------------------------------------------- */

/* Which ones follows from their addresses, so that a share of them is chosen
 * and the same ones everywhere. */
bool verify_chosen(struct eval *ev, const struct addr *recipe)
{
	struct settings s;
	int64_t now = clock_mono_ns();
	uint32_t n;

	if (now >= ev->verify_look_ns) {
		ev->verify_look_ns = now + LOOK_NS;
		ev->verify_share = settings_load(ev->db, &s) < 0 ? 0 : s.verify;
	}
	memcpy(&n, recipe->b, sizeof(n));
	return (double)n < ev->verify_share * 4294967296.0;
}

/* --- from outside --------------------------------------------------------- */

int eval_verify(struct eval *ev, uint64_t dir, const char *name, size_t len,
		eval_fn fn, void *ctx, struct eval_value *ret,
		struct eval_wait **ret_wait)
{
	uint64_t at = ns_last_change(ev->ns);
	struct target *t = target_get(ev, at, dir, name, len, true);

	if (!t)
		return -ENOMEM;
	t->verify = true;
	t->fresh = false;
	return eval_want(ev, at, dir, name, len, fn, ctx, ret, ret_wait);
}

static void add_address(struct buf *b, const char *key, const struct addr *a)
{
	char hex[ADDR_HEX];

	addr_hex(a, hex);
	buf_fmt(b, ",\"%s\":\"%s\"", key, hex);
}

int eval_verify_text(struct eval *ev, const struct eval_value *value,
		     struct buf *ret)
{
	struct verified v;
	struct result res;
	int r;

	if (value->error || addr_is_zero(&value->recipe)) {
		buf_str(ret, "{\"verdict\":\"unusable\"}\n");
		return buf_err(ret);
	}
	r = results_get(ev->results, &value->recipe, &res);
	if (r >= 0)
		r = verified_get(ev->db, &value->recipe, &v);
	if (r < 0)
		return r;
	buf_fmt(ret, "{\"verdict\":\"%s\",\"reproducible\":%s,\"times\":%llu",
		verdict(&v), res.reproducible ? "true" : "false",
		(unsigned long long)v.times);
	add_address(ret, "address", &res.addr);
	if (!addr_is_zero(&v.other))
		add_address(ret, "other", &v.other);
	if (v.message[0]) {
		buf_str(ret, ",\"error\":");
		buf_json(ret, v.message, strlen(v.message));
	}
	buf_str(ret, "}\n");
	return buf_err(ret);
}

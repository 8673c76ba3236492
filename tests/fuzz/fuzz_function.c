/* Built-in functions over any input with any params: a refusal that says why,
 * or an output that is the same however the input is cut into blocks.
 *
 * The input: number of the function, which params with which values, how many
 * inputs, their bytes. */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "recipes/function.h"

#define PARAMS	 8
#define INPUTS	 3
#define RENEW	 300		    /* inputs, then another store */
#define DEADLINE (2 * NSEC_PER_SEC) /* of one run */

static struct {
	struct store *store;
	int scratch;
	unsigned inputs;
} w;

struct work {
	const struct function *fn;
	struct fn_input inputs[INPUTS];
	size_t ninputs;
	struct canon_value params[PARAMS];
	size_t nparams;
	char values[PARAMS][64];
};

static void renew(void)
{
	char path[4200];
	struct err err;

	if (w.inputs++ % RENEW)
		return;
	if (w.store)
		REQUIRE(store_close(w.store) == 0);
	snprintf(path, sizeof(path), "%s/store", work_dir());
	work_clear(path);
	REQUIRE(store_open(path, STORE_CREATE, &w.store, &err) == 0);
	if (w.scratch > 0)
		return;
	snprintf(path, sizeof(path), "%s/scratch", work_dir());
	REQUIRE(mkdir(path, 0700) == 0);
	w.scratch = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(w.scratch > 0);
}

/* --- what is asked -------------------------------------------------------- */

static const struct function *choose_function(struct cur *c)
{
	size_t n = 0;

	while (function_at(n))
		n++;
	return function_at(take_u8(c) % n);
}

/* One of the words, counted from the front. */
static void take_choice(const char *words, unsigned which, char *to, size_t cap)
{
	size_t n = strcspn(words, " ");

	while (which-- && words[n]) {
		words += n + 1;
		n = strcspn(words, " ");
	}
	snprintf(to, cap, "%.*s", (int)n, words);
}

static void take_value(struct cur *c, const struct fn_param *p, char to[64])
{
	uint8_t how = take_u8(c);
	const void *bytes;
	size_t n;

	if (p && p->type == FN_CHOICE && how < 250) {
		take_choice(p->choices, how % 8, to, 64);
	} else if (p && p->type == FN_BOOL && how < 250) {
		strcpy(to, how & 1 ? "true" : "false");
	} else if (p && p->type == FN_INT && how < 200) {
		snprintf(to, 64, "%ld", p->min + how % 16);
	} else {
		bytes = take_bytes(c, how % 63, &n);
		memcpy(to, bytes ? bytes : "", n);
		to[n] = '\0';
	}
}

static bool has_param(const struct work *k, const char *name)
{
	size_t i;

	for (i = 0; i < k->nparams; i++)
		if (!strcmp(k->params[i].name, name))
			return true;
	return false;
}

static void add_param(struct work *k, struct cur *c, const struct fn_param *p)
{
	const char *name = p ? p->name : "other";
	char *value = k->values[k->nparams];
	size_t i;

	if (k->nparams == PARAMS || has_param(k, name))
		return;
	take_value(c, p, value);
	for (i = k->nparams++; i && strcmp(k->params[i - 1].name, name) > 0;
	     i--)
		k->params[i] = k->params[i - 1];
	k->params[i] = (struct canon_value){name, value};
}

static void take_params(struct work *k, struct cur *c)
{
	const struct fn_param *p;
	unsigned which = take_u8(c);

	for (p = k->fn->params; p && p->name; p++, which >>= 1)
		if ((which & 1) || !p->value)
			add_param(k, c, p);
	if (k->fn->any_param && (which & 1))
		add_param(k, c, NULL);
}

static void take_inputs(struct work *k, struct cur *c)
{
	size_t count = k->fn->min_inputs + take_u8(c) % INPUTS, n;
	struct fn_input *in;
	const void *p;

	count = MIN(count, k->fn->max_inputs);
	for (; count && k->ninputs < INPUTS; count--) {
		in = &k->inputs[k->ninputs++];
		p = count == 1 ? take_bytes(c, cur_left(c), &n)
			       : take_some(c, &n);
		*in = (struct fn_input){.path = "in", .size = n};
		REQUIRE(blob_put(w.store, p ? p : "", n, &in->addr) == 0);
	}
}

/* --- running ----------------------------------------------------------------
 */

static int run(struct work *k, size_t block, struct addr *ret)
{
	CLEANUP(blob_writer_freep)
	struct blob_writer *out = blob_writer_new(w.store);
	CLEANUP_BUF struct buf text = BUF_INIT;
	bool stop = false;
	struct fn_call call = {.fn = k->fn,
			       .store = w.store,
			       .block = block,
			       .inputs = k->inputs,
			       .ninputs = k->ninputs,
			       .params = k->params,
			       .nparams = k->nparams,
			       .out = out,
			       .stop = &stop,
			       .deadline_ns = clock_mono_ns() + DEADLINE,
			       .text = &text,
			       .scratch_fd = w.scratch};
	struct err err = {""};
	int rc;

	REQUIRE(out);
	rc = k->fn->run(&call, &err);
	REQUIRE(rc <= 0);
	if (rc == 0)
		REQUIRE(blob_finish(out, ret, NULL) == 0);
	else
		REQUIRE(*err.msg && rc != -EBADMSG && rc != -EFAULT);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(data, size);
	struct work k = {0};
	struct addr once, again;
	struct err err = {""};
	int rc, rc2;

	renew();
	k.fn = choose_function(&c);
	take_params(&k, &c);
	take_inputs(&k, &c);
	rc = function_check(k.fn, k.params, k.nparams, k.ninputs, &err);
	REQUIRE(rc == 0 || (rc == -EINVAL && *err.msg));
	if (rc < 0 || k.fn->makes_dir)
		return 0;
	rc = run(&k, 0, &once);
	rc2 = run(&k, 1 + size % 13, &again);
	if (rc == -ECANCELED || rc2 == -ECANCELED)
		return 0;
	REQUIRE(rc == rc2);
	if (rc == 0)
		REQUIRE(addr_eq(&once, &again));
	return 0;
}

#include "recipes/canon.h"

#include <errno.h>
#include <string.h>

#include "cas/store.h"
#include "recipes/function.h"
#include "recipes/word.h"

/* The bytes, little-endian; str is a u32 length and that many bytes, none of
 * them NUL. deriva-store(5) repeats this; both are permanent.
 *
 *	u8	kind		1 shell text, 2 argument list, 3 function
 *	u8	shape		1 file, 2 directory, 3 several files
 *	u32	flags		1 network, 2 inputs are observed
 *	u32	version		of the sandbox, or of the function; not 0
 *	u32	depth		0 unless observed
 *	u32	words		count: 1 but for an argument list, at least 1
 *	  str			the shell text, function name, arguments
 *	u32	inputs		count; 0 when observed
 *	  u8	kind		0 an empty list, 1 file, 2 directory
 *	  u8	flags		1 executable, 2 named, 4 list
 *	  str	name		not empty when named, else empty
 *	  addr			zero for an empty list
 *	  str	path		empty for an empty list, and for functions but
 *				those that see paths
 *	u32	params		count
 *	  str	name, value
 *	u32	env		count
 *	  u8	set		0 or 1
 *	  str	name, value	value empty unless set
 *	u32	tools		count
 *	  str	name
 *	  addr
 *	u32	outputs		count: 0 for functions, 1 unless several
 *	  str	name		empty unless several
 *	  str	file		a file name
 *
 * Names rise strictly in params, env, tools and several outputs, and do not
 * fall in inputs, of which all or none are named. Only an element of a list
 * shares its name, and an empty list stands alone. Functions have flags 0,
 * depth 0, no env, no tools, shape 1 or 2.
 *
 * One check serves both ways: encoding checks the structure it is given, and
 * decoding checks the one it has built, so both accept the same. What the
 * structure cannot express (undefined bits, bytes behind the end) decoding
 * refuses itself. */

#define FLAG_NETWORK  1u
#define FLAG_OBSERVED 2u

#define INPUT_EXECUTABLE 1u
#define INPUT_NAMED	 2u
#define INPUT_LIST	 4u

enum { INPUT_EMPTY = 0, INPUT_FILE = 1, INPUT_DIR = 2 };

/* --- what is canonical ---------------------------------------------------- */

static bool rises(const char *before, const char *name)
{
	return !before || strcmp(before, name) < 0;
}

static bool file_name_ok(const char *s)
{
	return *s && strlen(s) <= 255 && !strchr(s, '/') && strcmp(s, ".") &&
	       strcmp(s, "..");
}

static bool input_ok(const struct canon *c, size_t i)
{
	const struct canon_input *in = &c->inputs[i];
	const struct canon_input *before = i ? in - 1 : NULL;
	bool same;

	if (in->path_len && memchr(in->path, '\0', in->path_len))
		return false;
	if (in->empty && (!in->name || !in->list || in->dir || in->executable ||
			  in->path_len || !addr_is_zero(&in->addr)))
		return false;
	if (!in->name)
		return !before || !before->name;
	if (!*in->name || (before && !before->name))
		return false;
	same = before && !strcmp(before->name, in->name);
	if (same)
		return in->list && before->list && !in->empty && !before->empty;
	return rises(before ? before->name : NULL, in->name);
}

static bool values_ok(const struct canon_value *v, size_t n, bool unset)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!*v[i].name || (!v[i].value && !unset) ||
		    !rises(i ? v[i - 1].name : NULL, v[i].name))
			return false;
	return true;
}

static bool outs_ok(const struct canon *c)
{
	size_t i;

	if (c->shape != CANON_FILES)
		return !c->nouts && (!c->out_name || file_name_ok(c->out_name));
	if (!c->nouts || c->out_name)
		return false;
	for (i = 0; i < c->nouts; i++)
		if (!word_is_name(c->outs[i].name) ||
		    !file_name_ok(c->outs[i].file) ||
		    !rises(i ? c->outs[i - 1].name : NULL, c->outs[i].name))
			return false;
	return true;
}

static bool canonical(const struct canon *c)
{
	size_t i;

	if (c->kind == RECIPE_RUN_ARGV ? !c->argc || !*c->argv[0]
				       : !c->text || !*c->text)
		return false;
	if (c->observed ? c->ninputs > 0 : c->depth > 0)
		return false;
	if (c->kind == RECIPE_FN && (c->network || c->observed || c->nenv ||
				     c->ntools || c->shape == CANON_FILES))
		return false;
	for (i = 0; i < c->ninputs; i++)
		if (!input_ok(c, i))
			return false;
	for (i = 0; i < c->ntools; i++)
		if (!*c->tools[i].name ||
		    !rises(i ? c->tools[i - 1].name : NULL, c->tools[i].name))
			return false;
	return values_ok(c->params, c->nparams, false) &&
	       values_ok(c->env, c->nenv, true) && outs_ok(c);
}

/* --- encoding ------------------------------------------------------------- */

/* What is longer than an object may be is cut, and then too long all the
 * same. */
static void put_bytes(struct buf *b, const char *p, size_t n)
{
	n = MIN(n, (size_t)OBJ_MAX);
	buf_u32(b, (uint32_t)n);
	buf_add(b, p, n);
}

static void put_str(struct buf *b, const char *s)
{
	put_bytes(b, s ? s : "", s ? strlen(s) : 0);
}

static void put_input(struct buf *b, const struct canon *c,
		      const struct canon_input *in)
{
	buf_u8(b, in->empty ? INPUT_EMPTY : in->dir ? INPUT_DIR : INPUT_FILE);
	buf_u8(b, (uint8_t)((in->executable ? INPUT_EXECUTABLE : 0) |
			    (in->name ? INPUT_NAMED : 0) |
			    (in->list || !in->name ? INPUT_LIST : 0)));
	put_str(b, in->name);
	buf_add(b, in->addr.b, ADDR_LEN);
	put_bytes(b, in->path,
		  c->kind == RECIPE_FN && !c->paths ? 0 : in->path_len);
}

static void put_outs(struct buf *b, const struct canon *c)
{
	size_t i;

	if (c->kind == RECIPE_FN) {
		buf_u32(b, 0);
	} else if (c->shape == CANON_FILES) {
		buf_u32(b, (uint32_t)c->nouts);
		for (i = 0; i < c->nouts; i++) {
			put_str(b, c->outs[i].name);
			put_str(b, c->outs[i].file);
		}
	} else {
		buf_u32(b, 1);
		put_str(b, NULL);
		put_str(b, c->out_name ? c->out_name : "out");
	}
}

static void put_head(struct buf *b, const struct canon *c, uint32_t version)
{
	size_t i;

	buf_u8(b, c->kind == RECIPE_RUN_SHELL  ? 1
		  : c->kind == RECIPE_RUN_ARGV ? 2
					       : 3);
	buf_u8(b, (uint8_t)(c->shape + 1));
	buf_u32(b, (c->network ? FLAG_NETWORK : 0) |
			   (c->observed ? FLAG_OBSERVED : 0));
	buf_u32(b, version);
	buf_u32(b, c->depth);
	if (c->kind != RECIPE_RUN_ARGV) {
		buf_u32(b, 1);
		put_str(b, c->text);
		return;
	}
	buf_u32(b, (uint32_t)c->argc);
	for (i = 0; i < c->argc; i++)
		put_str(b, c->argv[i]);
}

static int present_version(const struct canon *c, uint32_t *ret)
{
	const struct function *f;

	if (c->version) {
		*ret = c->version;
	} else if (c->kind != RECIPE_FN) {
		*ret = SANDBOX_VERSION;
	} else {
		f = function_find(c->text);
		if (!f)
			return -EINVAL;
		*ret = f->version;
	}
	return 0;
}

int canon_encode(const struct canon *c, struct buf *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint32_t version = 0;
	size_t i;
	int rc;

	if (!canonical(c))
		return -EINVAL;
	rc = present_version(c, &version);
	if (rc < 0)
		return rc;
	put_head(&b, c, version);
	buf_u32(&b, (uint32_t)c->ninputs);
	for (i = 0; i < c->ninputs && b.len <= OBJ_MAX; i++)
		put_input(&b, c, &c->inputs[i]);
	buf_u32(&b, (uint32_t)c->nparams);
	for (i = 0; i < c->nparams && b.len <= OBJ_MAX; i++) {
		put_str(&b, c->params[i].name);
		put_str(&b, c->params[i].value);
	}
	buf_u32(&b, (uint32_t)c->nenv);
	for (i = 0; i < c->nenv && b.len <= OBJ_MAX; i++) {
		buf_u8(&b, c->env[i].value != NULL);
		put_str(&b, c->env[i].name);
		put_str(&b, c->env[i].value);
	}
	buf_u32(&b, (uint32_t)c->ntools);
	for (i = 0; i < c->ntools && b.len <= OBJ_MAX; i++) {
		put_str(&b, c->tools[i].name);
		buf_add(&b, c->tools[i].addr.b, ADDR_LEN);
	}
	put_outs(&b, c);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	if (b.len > OBJ_MAX)
		return -E2BIG;
	buf_add(ret, b.data, b.len);
	return buf_err(ret);
}

/* --- decoding ------------------------------------------------------------- */

/* Strings are copied with a NUL behind each into one block, `text`, which
 * cannot be longer than the encoding: each gives up a length for its NUL. */
struct canon_decoded {
	struct canon canon;
	const char **argv;
	struct canon_input *inputs;
	struct canon_value *params, *env;
	struct canon_tool *tools;
	struct canon_out *outs;
	char *text;
	size_t used;
};

void canon_decoded_free(struct canon_decoded *d)
{
	if (!d)
		return;
	free(d->argv);
	free(d->inputs);
	free(d->params);
	free(d->env);
	free(d->tools);
	free(d->outs);
	free(d->text);
	free(d);
}

const struct canon *canon_get(const struct canon_decoded *d)
{
	return &d->canon;
}

static const char *get_str(struct canon_decoded *d, struct cur *c,
			   size_t *ret_len)
{
	uint32_t n = cur_u32(c);
	const char *p = cur_bytes(c, n);
	char *to;

	if (!p || memchr(p, '\0', n)) {
		c->bad = true;
		return "";
	}
	to = d->text + d->used;
	memcpy(to, p, n);
	to[n] = '\0';
	d->used += (size_t)n + 1;
	if (ret_len)
		*ret_len = n;
	return to;
}

static void get_addr(struct cur *c, struct addr *ret)
{
	const void *p = cur_bytes(c, ADDR_LEN);

	if (p)
		memcpy(ret->b, p, ADDR_LEN);
}

/* Zeroed room for as many elements as are announced, each of which takes at
 * least min bytes of what is left: a lie costs no memory. NULL: bad is set,
 * or there is no memory. */
static void *get_count(struct cur *c, size_t min, size_t size, size_t *ret)
{
	uint32_t n = cur_u32(c);

	if (c->bad || n > cur_left(c) / min) {
		c->bad = true;
		return NULL;
	}
	*ret = n;
	return calloc((size_t)n + 1, size);
}

static int get_head(struct canon_decoded *d, struct cur *cur)
{
	struct canon *c = &d->canon;
	unsigned kind = cur_u8(cur), shape = cur_u8(cur);
	uint32_t flags = cur_u32(cur);
	size_t n, i;

	if (kind < 1 || kind > 3 || shape < 1 || shape > 3 ||
	    flags & ~(FLAG_NETWORK | FLAG_OBSERVED))
		return -EBADMSG;
	c->kind = kind == 1   ? RECIPE_RUN_SHELL
		  : kind == 2 ? RECIPE_RUN_ARGV
			      : RECIPE_FN;
	c->shape = (enum canon_shape)(shape - 1);
	c->network = flags & FLAG_NETWORK;
	c->observed = flags & FLAG_OBSERVED;
	c->version = cur_u32(cur);
	c->depth = cur_u32(cur);
	if (!c->version)
		return -EBADMSG;
	d->argv = get_count(cur, 4, sizeof(*d->argv), &n);
	if (!d->argv)
		return cur->bad ? -EBADMSG : -ENOMEM;
	for (i = 0; i < n; i++)
		d->argv[i] = get_str(d, cur, NULL);
	if (c->kind == RECIPE_RUN_ARGV) {
		c->argv = d->argv;
		c->argc = n;
	} else if (n == 1) {
		c->text = d->argv[0];
	} else {
		return -EBADMSG;
	}
	return 0;
}

static void get_input(struct canon_decoded *d, struct cur *cur,
		      struct canon_input *in, const struct canon_input *before)
{
	unsigned kind = cur_u8(cur), flags = cur_u8(cur);

	in->name = get_str(d, cur, NULL);
	get_addr(cur, &in->addr);
	in->path = get_str(d, cur, &in->path_len);
	in->empty = kind == INPUT_EMPTY;
	in->dir = kind == INPUT_DIR;
	in->executable = flags & INPUT_EXECUTABLE;
	in->list = flags & INPUT_LIST;
	if (kind > INPUT_DIR ||
	    flags & ~(INPUT_EXECUTABLE | INPUT_NAMED | INPUT_LIST) ||
	    (!(flags & INPUT_NAMED) && (*in->name || !in->list)))
		cur->bad = true;
	d->canon.paths |= d->canon.kind == RECIPE_FN && in->path_len;
	if (!(flags & INPUT_NAMED))
		in->name = NULL;
	if (before &&
	    (!in->name || (before->name && !strcmp(before->name, in->name))))
		in->position = before->position + 1;
}

static int get_inputs(struct canon_decoded *d, struct cur *cur)
{
	size_t n, i;

	d->inputs = get_count(cur, 10 + ADDR_LEN, sizeof(*d->inputs), &n);
	if (!d->inputs)
		return cur->bad ? -EBADMSG : -ENOMEM;
	for (i = 0; i < n && !cur->bad; i++)
		get_input(d, cur, &d->inputs[i], i ? &d->inputs[i - 1] : NULL);
	d->canon.inputs = d->inputs;
	d->canon.ninputs = n;
	return 0;
}

static int get_values(struct canon_decoded *d, struct cur *cur, bool env,
		      struct canon_value **ret_owned,
		      const struct canon_value **ret, size_t *ret_n)
{
	struct canon_value *v = get_count(cur, 8, sizeof(*v), ret_n);
	size_t i;

	if (!v)
		return cur->bad ? -EBADMSG : -ENOMEM;
	*ret_owned = v;
	*ret = v;
	for (i = 0; i < *ret_n && !cur->bad; i++) {
		unsigned set = env ? cur_u8(cur) : 1;

		v[i].name = get_str(d, cur, NULL);
		v[i].value = get_str(d, cur, NULL);
		if (set > 1 || (!set && *v[i].value))
			cur->bad = true;
		if (!set)
			v[i].value = NULL;
	}
	return 0;
}

static int get_tools(struct canon_decoded *d, struct cur *cur)
{
	size_t n, i;

	d->tools = get_count(cur, 4 + ADDR_LEN, sizeof(*d->tools), &n);
	if (!d->tools)
		return cur->bad ? -EBADMSG : -ENOMEM;
	for (i = 0; i < n && !cur->bad; i++) {
		d->tools[i].name = get_str(d, cur, NULL);
		get_addr(cur, &d->tools[i].addr);
	}
	d->canon.tools = d->tools;
	d->canon.ntools = n;
	return 0;
}

static int get_outs(struct canon_decoded *d, struct cur *cur)
{
	struct canon *c = &d->canon;
	size_t n, i;

	d->outs = get_count(cur, 8, sizeof(*d->outs), &n);
	if (!d->outs)
		return cur->bad ? -EBADMSG : -ENOMEM;
	for (i = 0; i < n && !cur->bad; i++) {
		d->outs[i].name = get_str(d, cur, NULL);
		d->outs[i].file = get_str(d, cur, NULL);
	}
	if (cur->bad)
		return -EBADMSG;
	if (c->kind == RECIPE_FN)
		return n ? -EBADMSG : 0;
	if (c->shape == CANON_FILES) {
		c->outs = d->outs;
		c->nouts = n;
		return 0;
	}
	if (n != 1 || *d->outs[0].name)
		return -EBADMSG;
	c->out_name = d->outs[0].file;
	return 0;
}

int canon_decode(const void *p, size_t n, struct canon_decoded **ret)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *d = NULL;
	struct cur cur = cur_of(p, n);
	struct canon *c;
	int rc;

	if (n > OBJ_MAX)
		return -EBADMSG;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	c = &d->canon;
	d->text = malloc(n + 1);
	if (!d->text)
		return -ENOMEM;
	rc = get_head(d, &cur);
	if (rc >= 0)
		rc = get_inputs(d, &cur);
	if (rc >= 0)
		rc = get_values(d, &cur, false, &d->params, &c->params,
				&c->nparams);
	if (rc >= 0)
		rc = get_values(d, &cur, true, &d->env, &c->env, &c->nenv);
	if (rc >= 0)
		rc = get_tools(d, &cur);
	if (rc >= 0)
		rc = get_outs(d, &cur);
	if (rc < 0)
		return rc;
	if (cur.bad || cur_left(&cur) || !canonical(c))
		return -EBADMSG;
	*ret = steal(&d);
	return 0;
}

/* Proofs, heads and what is claimed of records: any text is refused or proves
 * something. As nobody guesses a signature or a hash, a text is tried as it is,
 * then with its heads signed, and then as claims about a record that is all of
 * a log. The input is the text; or a zero byte, the length of a record in two
 * bytes, the record, and the lines of what is claimed. */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "cas/head.h"
#include "cas/proof.h"
#include "core/merkle.h"
#include "core/sign.h"

#define HEAD "deriva head v1\n"

static const struct sign_key *key(void)
{
	static const uint8_t seed[SIGN_SEED_LEN] = {7};
	static struct sign_key k;
	static bool made;

	if (!made)
		REQUIRE(sign_key(seed, &k) == 0);
	made = true;
	return &k;
}

static void sign_head(struct tile_head *h)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	memcpy(h->key, key()->public, sizeof(h->key));
	head_text(h, false, &b);
	REQUIRE(sign(key(), b.data, b.len, h->signature) == 0);
}

static bool check(const char *text, size_t len)
{
	struct proof_facts f;
	struct err err = {""};
	int rc = proof_check(text, len, &f, &err);

	REQUIRE(rc == 0 || rc == -EBADMSG);
	REQUIRE(!rc || err.msg[0]);
	if (rc)
		return false;
	REQUIRE(head_is_signed(&f.head));
	REQUIRE(f.kind != PROOF_PATH || f.path);
	REQUIRE(f.kind != PROOF_CONSISTENCY || f.old.size <= f.head.size);
	proof_facts_done(&f);
	/* nothing may be left out at its end */
	rc = proof_check(text, len - 1, &f, &err);
	REQUIRE(rc == -EBADMSG);
	return true;
}

/* Every head that is in form is signed; the rest is copied. */
static void check_signed(const char *text)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct tile_head h;
	struct lines l;

	while (*text) {
		l.p = text;
		if (!strncmp(text, HEAD, strlen(HEAD)) &&
		    head_parse(&l, &h) == 0) {
			sign_head(&h);
			head_text(&h, true, &b);
			text = l.p;
		} else {
			buf_u8(&b, (uint8_t)*text++);
		}
	}
	check(buf_cstr(&b), b.len);
}

static void check_claims(struct cur *c)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct tile_head h = {.size = 1, .seq = 1};
	const void *record;
	size_t n;

	record = take_some(c, &n);
	merkle_leaf(record, n, &h.root);
	sign_head(&h);
	buf_str(&b, "deriva proof v1\npath: a\n");
	head_text(&h, true, &b);
	buf_str(&b, "leaf: 0 ");
	hex_add(&b, record, n);
	buf_str(&b, "\n");
	buf_add(&b, c->p, cur_left(c));
	check(buf_cstr(&b), b.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct cur c = cur_of(data, size);

	if (size && !data[0]) {
		(void)cur_u8(&c);
		check_claims(&c);
		return 0;
	}
	buf_add(&text, data, size);
	check(buf_cstr(&text), size);
	check_signed(buf_cstr(&text));
	return 0;
}

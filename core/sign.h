/* core/sign.h - signatures (Ed25519, RFC 8032), by libsodium.
 *
 * Threads: any.
 * Errors:  -EIO the library does not start.
 */
#ifndef CORE_SIGN_H
#define CORE_SIGN_H

#include "core/macros.h"

#include <stdbool.h>

#define SIGN_SEED_LEN	32
#define SIGN_PUBLIC_LEN 32
#define SIGN_LEN	64

struct sign_key {
	uint8_t public[SIGN_PUBLIC_LEN];
	uint8_t secret[64];
};

/* Random bytes, from which a key follows. */
int sign_seed(uint8_t ret[SIGN_SEED_LEN]) MUST_USE;
int sign_key(const uint8_t seed[SIGN_SEED_LEN], struct sign_key *ret) MUST_USE;
/* Overwrites what is secret. */
void sign_forget(void *p, size_t n);

int sign(const struct sign_key *k, const void *p, size_t n,
	 uint8_t ret[SIGN_LEN]) MUST_USE;
bool sign_is_good(const uint8_t public[SIGN_PUBLIC_LEN], const void *p,
		  size_t n, const uint8_t signature[SIGN_LEN]);

#endif

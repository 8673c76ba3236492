#include "core/sign.h"

#include <errno.h>
#include <sodium.h>

int sign_seed(uint8_t ret[SIGN_SEED_LEN])
{
	if (sodium_init() < 0)
		return -EIO;
	randombytes_buf(ret, SIGN_SEED_LEN);
	return 0;
}

int sign_key(const uint8_t seed[SIGN_SEED_LEN], struct sign_key *ret)
{
	if (sodium_init() < 0 ||
	    crypto_sign_ed25519_seed_keypair(ret->public, ret->secret, seed))
		return -EIO;
	return 0;
}

void sign_forget(void *p, size_t n)
{
	sodium_memzero(p, n);
}

int sign(const struct sign_key *k, const void *p, size_t n,
	 uint8_t ret[SIGN_LEN])
{
	return crypto_sign_ed25519_detached(ret, NULL, p, n, k->secret) ? -EIO
									: 0;
}

bool sign_is_good(const uint8_t public[SIGN_PUBLIC_LEN], const void *p,
		  size_t n, const uint8_t signature[SIGN_LEN])
{
	return sodium_init() >= 0 &&
	       !crypto_sign_ed25519_verify_detached(signature, p, n, public);
}

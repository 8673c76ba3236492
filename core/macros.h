/* core/macros.h - the few macros every file uses. */
#ifndef CORE_MACROS_H
#define CORE_MACROS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define UNUSED	     __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define CONTAINER_OF(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#define NSEC_PER_SEC INT64_C(1000000000)
#define KIB(n)	     ((uint64_t)(n) << 10)
#define MIB(n)	     ((uint64_t)(n) << 20)
#define GIB(n)	     ((uint64_t)(n) << 30)

/* Runs fn on the variable's address when it goes out of scope. A type's
 * destructor `thing_freep(struct thing **)` is made by CLEANUP_FN. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FN(type, free_fn)                      \
	static inline UNUSED void free_fn##p(type **p) \
	{                                              \
		free_fn(*p);                           \
		*p = NULL;                             \
	}

static inline void free_mem(void *p)
{
	free(*(void **)p);
}
#define CLEANUP_FREE CLEANUP(free_mem)

static inline void close_fdp(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define CLEANUP_CLOSE CLEANUP(close_fdp)

/* Takes what p holds and leaves NULL (or -1) behind. */
static inline MUST_USE void *steal_impl(void *p)
{
	void **pp = p, *v = *pp;

	*pp = NULL;
	return v;
}
#define steal(p) ((__typeof__(*(p)))steal_impl(p))

static inline MUST_USE int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#endif

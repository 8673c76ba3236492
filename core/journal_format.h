/* core/journal_format.h - the bytes of journals (permanent), for the writer and
 * the reader of core/journal.h only. Integers are little-endian.
 *
 * Journal: 'J', version 1, flags, address of the journal before (zero: none),
 * address of the clear object, u64 first change number, u32 count, then count
 * times u32 length and that many bytes: a record.
 *
 * Record: u64 change number, i64 time, u16 op, u32 branch, u32 uid, u32 pid,
 * hash of the program's name, hash of the message, u32 number of effects, then
 * the effects: u8 type (enum journal_effect_type) and
 *
 *   born, died    u64 dir, u64 ino, hash of the name
 *   inode         u64 ino, u32 mode, u32 uid, u32 gid, u64 rdev, u64 size,
 *                 i64 mtime, hash of the content's address or of the target
 *   xattr         u64 ino, hash of the name, hash of the value
 *   noxattr       u64 ino, hash of the name
 *   result        u64 dir, hash of the name, hash of the recipe's address,
 *                 u32 error, u8 kind of output, hash of the output's address,
 *                 u64 size, i64 wall time
 *   gone          u64 ino, u64 change of the version
 *   snapshot      u64 change, i64 time, hash of the name
 *   pin           u64 dir, u64 ino, u64 change, i64 time, hash of the name,
 *                 hash of the path
 *   unpin         hash of the path
 *   setting       hash of the name, hash of the value
 *   branch        u64 number, u64 parent's, u64 change of the fork, hash of the
 *                 name
 *   unbranch      u64 number
 *   merged        u64 number, u64 change		(14)
 *   dropped       u64 dir (0: it has no name), hash of the name, hash of the
 *                 recipe's address			(20)
 *   values        address of a journal, of its clear object before, of the one
 *                 from now on				(21)
 *   scrubbed      u64 change whose `values` the rows heed	(22)
 *
 * A change with very many effects goes on in further records that have the same
 * number, time, op, branch, uid and pid, and neither program nor message.
 *
 * Clear object: 'V', version 1, u32 count, then per value u32 length, 16 bytes
 * of salt, the bytes; of a forgotten value only the length, which is then
 * 0xffffffff. Values stand in the order in which the records hash them; an
 * absent value has a hash of zeros and is not counted. The hash is BLAKE3 in
 * derive-key mode over the salt and the bytes.
 */
#ifndef CORE_JOURNAL_FORMAT_H
#define CORE_JOURNAL_FORMAT_H

#include "core/macros.h"

#define JOURNAL_TAG	  'J'
#define JOURNAL_CLEAR_TAG 'V'
#define JOURNAL_VERSION	  1
#define JOURNAL_LAST	  1 /* flag: last of its batch */
#define JOURNAL_HEADER	  79
#define JOURNAL_RECORD	  98 /* without effects */
#define JOURNAL_BRANCH_AT 18 /* where the branch stands */
#define JOURNAL_EFFECTS	  94 /* where the number of effects stands */
#define JOURNAL_CLEAR	  6
#define JOURNAL_FORGOTTEN UINT32_MAX
#define JOURNAL_SALT	  16
#define JOURNAL_CONTEXT	  "deriva salt v1"

#endif

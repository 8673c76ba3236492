#include "core/ns_internal.h"

/* #B is the number of the branch (core/stmts.h). */

/* Indexes are named in the queries: without statistics SQLite would choose
 * among them by rules of thumb, and one wrong choice is a scan of the history.
 * A query that cannot use the named one does not compile. */

/* clang-format off */
const char *const ns_sql[NS_STMTS] = {
	[NS_COUNTERS_GET] =
		"SELECT next_seq, next_ino, files, dirs, links, bytes, changes,"
		" versions FROM counter WHERE id = 1",
	[NS_COUNTERS_PUT] =
		"UPDATE counter SET next_seq = ?1, next_ino = ?2, files = ?3,"
		" dirs = ?4, links = ?5, bytes = ?6, changes = ?7,"
		" versions = ?8 WHERE id = 1",
	[NS_LAST_CHANGE] =
		"SELECT seq, time FROM change ORDER BY seq DESC LIMIT 1",
	[NS_SETTING_GET] = "SELECT value FROM setting WHERE key = ?1",
	[NS_SETTING_PUT] =
		"INSERT INTO setting(key, value) VALUES (?1, ?2)"
		" ON CONFLICT(key) DO UPDATE SET value = ?2",

	[NS_INODE_GET] =
		"SELECT mode, nlink, uid, gid, rdev, size, atime, mtime, ctime,"
		" address, version FROM inode WHERE branch = #B AND ino = ?1",
	[NS_INODE_ADD] =
		"INSERT INTO inode(branch, ino, mode, nlink, uid, gid, rdev,"
		" size, atime, mtime, ctime, address, version)"
		" VALUES (#B, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[NS_INODE_PUT] =
		"UPDATE inode SET mode = ?2, nlink = ?3, uid = ?4, gid = ?5,"
		" rdev = ?6, size = ?7, atime = ?8, mtime = ?9, ctime = ?10,"
		" address = ?11, version = ?12 WHERE branch = #B AND ino = ?1",
	[NS_INODE_TOUCH] =
		"UPDATE inode SET ctime = ?2, nlink = ?3"
		" WHERE branch = #B AND ino = ?1",
	[NS_INODE_DEL] = "DELETE FROM inode WHERE branch = #B AND ino = ?1",
	[NS_DIR_TOUCH] =
		"UPDATE inode SET mtime = ?2, ctime = ?2, nlink = nlink + ?3"
		" WHERE branch = #B AND ino = ?1",
	[NS_TARGET] =
		"SELECT target, gone FROM version WHERE branch = #B AND ino = ?1"
		" AND born <= ?2 ORDER BY born DESC LIMIT 1",

	[NS_ENTRY_GET] =
		"SELECT id, ino, born FROM entry INDEXED BY entry_present"
		" WHERE branch = #B AND parent = ?1 AND name = ?2"
		" AND died IS NULL",
	[NS_ENTRY_ADD] =
		"INSERT INTO entry(branch, parent, name, ino, born, node)"
		" VALUES (#B, ?1, ?2, ?3, ?4, 0)",
	[NS_ENTRY_KILL] =
		"UPDATE entry SET died = ?2, node = ?3 WHERE id = ?1",
	[NS_ENTRY_LIST] =
		"SELECT e.name, e.ino, i.mode"
		" FROM entry AS e INDEXED BY entry_present"
		" JOIN inode AS i ON i.branch = #B AND i.ino = e.ino"
		" WHERE e.branch = #B AND e.parent = ?1 AND e.name > ?2"
		" AND e.died IS NULL ORDER BY e.name",
	[NS_ENTRY_PERCENT] =
		"SELECT name, ino, 0 FROM entry INDEXED BY entry_percent"
		" WHERE branch = #B AND parent = ?1 AND born <= ?2"
		" AND instr(name, x'25') > 0"
		" AND (died IS NULL OR died > ?2) ORDER BY name",
	[NS_ENTRY_RECIPE] =
		"SELECT name, ino, 0 FROM entry INDEXED BY entry_recipe"
		" WHERE branch = #B AND parent = ?1 AND born <= ?2"
		" AND substr(name, -7) = x'2e726563697065'"
		" AND (died IS NULL OR died > ?2) ORDER BY name",
	[NS_ENTRY_ANY] =
		"SELECT 1 FROM entry INDEXED BY entry_present"
		" WHERE branch = #B AND parent = ?1 AND died IS NULL LIMIT 1",
	[NS_ENTRY_OF_INO] =
		"SELECT parent, name FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL"
		" ORDER BY id LIMIT 1",
	[NS_ENTRIES_OF_INO] =
		"SELECT parent, name FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND born <= ?2"
		" AND (died IS NULL OR died > ?2) ORDER BY id",

	/* Intervals of one name do not overlap: only the newest that was born
	 * by then can hold the moment. */
	[NS_PAST_ENTRY] =
		"SELECT ino, born, died FROM entry INDEXED BY entry_past"
		" WHERE branch = #B AND parent = ?1 AND name = ?2"
		" AND born <= ?3 AND died IS NOT NULL"
		" ORDER BY born DESC LIMIT 1",
	[NS_PAST_LIVING] =
		"SELECT name, ino FROM entry INDEXED BY entry_born"
		" WHERE branch = #B AND parent = ?1 AND node = 0"
		" AND born <= ?2",
	[NS_PAST_DIED_AFTER] =
		"SELECT name, ino FROM entry INDEXED BY entry_died"
		" WHERE branch = #B AND parent = ?1 AND node = ?2"
		" AND died IS NOT NULL AND died > ?3",
	[NS_PAST_BORN_UPTO] =
		"SELECT name, ino FROM entry INDEXED BY entry_born"
		" WHERE branch = #B AND parent = ?1 AND node = ?2"
		" AND born <= ?3",
	[NS_PAST_ENTRY_OF_INO] =
		"SELECT * FROM (SELECT parent, name"
		" FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL"
		" AND born <= ?2 ORDER BY id LIMIT 1)"
		" UNION ALL"
		" SELECT * FROM (SELECT parent, name"
		" FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND died > ?2"
		" AND born <= ?2 ORDER BY died LIMIT 1) LIMIT 1",
	[NS_PAST_INODE] =
		"SELECT v.mode, 1, v.uid, v.gid, v.rdev, v.size, v.mtime,"
		" v.mtime, c.time, v.address, v.content, v.born, v.gone"
		" FROM version AS v JOIN change AS c ON c.seq = v.born"
		" WHERE v.branch = #B AND v.ino = ?1 AND v.born <= ?2"
		" ORDER BY v.born DESC LIMIT 1",
	[NS_PAST_MODE] =
		"SELECT mode FROM version WHERE branch = #B AND ino = ?1"
		" AND born <= ?2 ORDER BY born DESC LIMIT 1",
	[NS_PAST_TOUCHED] =
		"SELECT seq, time FROM (SELECT * FROM (SELECT seq, time"
		" FROM change INDEXED BY change_dir WHERE branch = #B"
		" AND dir = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1)"
		" UNION ALL SELECT * FROM (SELECT seq, time"
		" FROM change INDEXED BY change_dir2 WHERE branch = #B"
		" AND dir2 = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1)"
		" UNION ALL SELECT * FROM (SELECT m.seq, c.time"
		" FROM change_more AS m JOIN change AS c ON c.seq = m.seq"
		" WHERE m.branch = #B AND m.dir = ?1 AND m.seq <= ?2"
		" ORDER BY m.seq DESC LIMIT 1))"
		" ORDER BY seq DESC LIMIT 1",
	[NS_CHANGED_AFTER] =
		"SELECT EXISTS (SELECT 1 FROM change INDEXED BY change_dir"
		" WHERE branch = #B AND dir = ?1 AND seq > ?2)"
		" OR EXISTS (SELECT 1 FROM change INDEXED BY change_dir2"
		" WHERE branch = #B AND dir2 = ?1 AND seq > ?2)"
		" OR EXISTS (SELECT 1 FROM change_more"
		" WHERE branch = #B AND dir = ?1 AND seq > ?2)",

	[NS_CHANGE_ADD] =
		"INSERT INTO change(seq, branch, time, op, uid, pid, program,"
		" message, dir, dir2)"
		" VALUES (?1, #B, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[NS_CHANGE_MORE] =
		"INSERT OR IGNORE INTO change_more(branch, dir, seq)"
		" VALUES (#B, ?1, ?2)",
	[NS_CHANGE_GET] =
		"SELECT seq, time, op, uid, pid, program, message"
		" FROM change WHERE seq = ?1",
	[NS_CHANGE_FLOOR] =
		"SELECT seq, time FROM change WHERE seq <= ?1"
		" ORDER BY seq DESC LIMIT 1",
	[NS_VERSION_ADD] =
		"INSERT INTO version(branch, ino, born, content, mode, uid,"
		" gid, rdev, size, mtime, address, target)"
		" VALUES (#B, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[NS_VERSIONS] =
		"SELECT v.mode, 1, v.uid, v.gid, v.rdev, v.size, v.mtime,"
		" v.mtime, c.time, v.address, v.content, v.ino,"
		" c.seq, c.time, c.op, c.uid, c.pid, c.program, c.message,"
		" v.gone FROM version AS v JOIN change AS c ON c.seq = v.born"
		" WHERE v.branch = #B AND v.ino = ?1 AND v.born > ?2"
		" ORDER BY v.born",
	[NS_VERSIONS_BETWEEN] =
		"SELECT v.mode, 1, v.uid, v.gid, v.rdev, v.size, v.mtime,"
		" v.mtime, c.time, v.address, v.content, v.ino,"
		" c.seq, c.time, c.op, c.uid, c.pid, c.program, c.message,"
		" v.gone FROM version AS v INDEXED BY version_born"
		" JOIN change AS c ON c.seq = v.born"
		" WHERE v.branch = #B AND v.born > ?1 AND v.born <= ?2"
		" ORDER BY v.born, v.ino",
	[NS_VERSIONS_AFTER] =
		"SELECT v.mode, 1, v.uid, v.gid, v.rdev, v.size, v.mtime,"
		" v.mtime, c.time, v.address, v.content, v.ino,"
		" c.seq, c.time, c.op, c.uid, c.pid, c.program, c.message,"
		" v.gone FROM branch AS b"
		" JOIN version AS v INDEXED BY version_born ON v.branch = b.id"
		" JOIN change AS c ON c.seq = v.born"
		" WHERE v.born > ?1 ORDER BY v.born, v.ino",
	[NS_NAME_HISTORY] =
		"SELECT ino, born, died FROM entry INDEXED BY entry_past"
		" WHERE branch = #B AND parent = ?1 AND name = ?2"
		" AND died IS NOT NULL ORDER BY born",

	[NS_TRAIL_BORN] =
		"SELECT ino FROM version INDEXED BY version_born"
		" WHERE branch = #B AND born = ?1",
	[NS_TRAIL_NAMED] =
		"SELECT parent FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND name = ?2"
		" AND (died IS NULL OR died > ?3)",
	[NS_TRAIL_LIVING] =
		"SELECT name FROM entry INDEXED BY entry_present"
		" WHERE branch = #B AND parent = ?1 AND died IS NULL"
		" AND born < ?2 ORDER BY name",
	[NS_TRAIL_DEAD] =
		"SELECT name FROM entry INDEXED BY entry_past"
		" WHERE branch = #B AND parent = ?1 AND died IS NOT NULL"
		" AND born < ?2 ORDER BY name",
	[NS_TRAIL_OF_INO] =
		"SELECT born, died FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1",

	/* What only a branch asks (core/ns_over.c). Its rows of a name of
	 * which the parent knows begin with the name's end there; a row
	 * without inode says that the name is gone. */
	[NS_TOTALS_GET] =
		"SELECT files, dirs, links, bytes, removed FROM branch"
		" WHERE id = #B",
	[NS_TOTALS_PUT] =
		"UPDATE branch SET files = ?1, dirs = ?2, links = ?3,"
		" bytes = ?4 WHERE id = #B",
	[NS_COUNTERS_MOVE] =
		"UPDATE counter SET next_seq = ?1, next_ino = ?2,"
		" changes = ?3, versions = ?4 WHERE id = 1",
	[NS_OVER_LIST] =
		"SELECT e.name, e.ino, coalesce(i.mode, 0)"
		" FROM entry AS e INDEXED BY entry_present"
		" LEFT JOIN inode AS i ON i.branch = #B AND i.ino = e.ino"
		" WHERE e.branch = #B AND e.parent = ?1 AND e.name > ?2"
		" AND e.died IS NULL ORDER BY e.name",
	[NS_OVER_OWNS] =
		"SELECT 1 FROM version WHERE branch = #B AND ino = ?1 LIMIT 1",
	[NS_OVER_DEAD] =
		"INSERT INTO entry(branch, parent, name, ino, born, died,"
		" node) VALUES (#B, ?1, ?2, ?3, ?4, ?5, ?6)",
	[NS_OVER_INODES] = "SELECT ino FROM inode WHERE branch = #B",
	[NS_OVER_VERSIONS] =
		"SELECT DISTINCT ino FROM version WHERE branch = #B",
	/* with its last name */
	[NS_OVER_XATTRS] =
		"UPDATE xattr SET died = max(born + 1, coalesce("
		"(SELECT max(died) FROM entry WHERE branch = #B AND ino = ?1),"
		" born + 1)) WHERE branch = #B AND ino = ?1 AND died IS NULL",
	[NS_OVER_DEL] = "DELETE FROM entry WHERE id = ?1",
	[NS_OVER_COPIED] =
		"SELECT 1 FROM entry INDEXED BY entry_past"
		" WHERE branch = #B AND parent = ?1 AND name = ?2"
		" AND born <= ?3 AND died IS NOT NULL LIMIT 1",
	[NS_OVER_VERSION] =
		"INSERT INTO version(branch, ino, born, content, mode, uid,"
		" gid, rdev, size, mtime, address, target, gone)"
		" SELECT #B, ino, born, content, mode, uid, gid, rdev, size,"
		" mtime, address, target, gone FROM version"
		" WHERE branch = ?1 AND ino = ?2 AND born <= ?3"
		" ORDER BY born DESC LIMIT 1",
	[NS_OVER_TRAIL] =
		"SELECT parent, name, born, died FROM entry"
		" INDEXED BY entry_ino WHERE branch = #B AND ino = ?1",

	[NS_DIFF_DIRS] =
		"SELECT coalesce(dir, 0), coalesce(dir2, 0) FROM change"
		" WHERE seq > ?1 AND seq <= ?2"
		" AND (dir IS NOT NULL OR dir2 IS NOT NULL)"
		" UNION ALL SELECT dir, 0"
		" FROM change_more INDEXED BY change_more_seq"
		" WHERE seq > ?1 AND seq <= ?2",
	[NS_DIFF_DIED] =
		"SELECT name, ino FROM entry INDEXED BY entry_died"
		" WHERE branch = #B AND parent = ?1 AND node = ?2"
		" AND died IS NOT NULL AND died > ?3 AND died <= ?4"
		" AND born <= ?3",
	[NS_DIFF_LIVING] =
		"SELECT name, ino FROM entry INDEXED BY entry_born"
		" WHERE branch = #B AND parent = ?1 AND node = ?2"
		" AND born > ?3 AND born <= ?4",
	[NS_DIFF_BORN] =
		"SELECT name, ino FROM entry INDEXED BY entry_born"
		" WHERE branch = #B AND parent = ?1 AND node = ?2"
		" AND born > ?3 AND born <= ?4 AND died > ?4",

	[NS_XATTR_GET] =
		"SELECT value, born FROM xattr INDEXED BY xattr_present"
		" WHERE branch = #B AND ino = ?1 AND name = ?2"
		" AND died IS NULL",
	[NS_XATTR_LIST] =
		"SELECT name FROM xattr INDEXED BY xattr_present"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL ORDER BY name",
	[NS_XATTR_ANY] =
		"SELECT 1 FROM xattr INDEXED BY xattr_present"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL LIMIT 1",
	/* The primary key, up to the newest that was set by then. */
	[NS_XATTR_AT] =
		"SELECT value, died FROM xattr WHERE branch = #B AND ino = ?1"
		" AND name = ?2 AND born <= ?3 ORDER BY born DESC LIMIT 1",
	[NS_XATTR_NEXT] =
		"SELECT name FROM xattr WHERE branch = #B AND ino = ?1"
		" AND name > ?2 ORDER BY name LIMIT 1",
	[NS_XATTR_ADD] =
		"INSERT INTO xattr(branch, ino, name, born, value)"
		" VALUES (#B, ?1, ?2, ?3, ?4)",
	[NS_XATTR_KILL] =
		"UPDATE xattr SET died = ?3"
		" WHERE branch = #B AND ino = ?1 AND name = ?2 AND born = ?4",
	[NS_XATTR_KILL_ALL] =
		"UPDATE xattr INDEXED BY xattr_present SET died = ?2"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL",

	[NS_ORPHAN_ADD] =
		"INSERT OR REPLACE INTO orphan(branch, ino, owner)"
		" VALUES (#B, ?1, ?2)",
	[NS_ORPHAN_DEL] = "DELETE FROM orphan WHERE branch = #B AND ino = ?1",
	[NS_ORPHAN_LIST] =
		"SELECT ino, owner FROM orphan WHERE branch = #B",

	/* Going back after a power cut reads each table once: it is rare, and
	 * no index serves it. */
	[NS_BACK_INODES] =
		"SELECT ino FROM version INDEXED BY version_born"
		" WHERE branch = #B AND born > ?1"
		" UNION SELECT ino FROM entry NOT INDEXED"
		" WHERE born > ?1 OR died > ?1"
		" UNION SELECT parent FROM entry NOT INDEXED"
		" WHERE born > ?1 OR died > ?1",
	[NS_BACK_CHANGES] = "SELECT count(*) FROM change WHERE seq > ?1",
	[NS_BACK_VERSIONS] =
		"SELECT count(*) FROM version INDEXED BY version_born"
		" WHERE branch = #B AND born > ?1",
	[NS_BACK_ENTRY_DEL] = "DELETE FROM entry WHERE born > ?1",
	[NS_BACK_ENTRY_REVIVE] =
		"UPDATE entry SET died = NULL, node = 0 WHERE died > ?1",
	/* of a branch: names that are inherited again */
	[NS_BACK_COPIES] =
		"DELETE FROM entry WHERE branch = #B AND died IS NULL"
		" AND ino <> 0 AND born <= ?1 AND born <= (SELECT forked_at"
		" FROM branch WHERE id = #B)",
	[NS_BACK_XATTR_DEL] = "DELETE FROM xattr WHERE born > ?1",
	[NS_BACK_XATTR_REVIVE] =
		"UPDATE xattr SET died = NULL WHERE died > ?1",
	[NS_BACK_XATTR_KILL] =
		"UPDATE xattr SET died = ?1 WHERE branch = #B"
		" AND died IS NULL AND ino NOT IN"
		" (SELECT ino FROM inode WHERE branch = #B)",
	[NS_BACK_VERSION_DEL] =
		"DELETE FROM version WHERE branch = #B AND born > ?1",
	[NS_BACK_CHANGE_DEL] = "DELETE FROM change WHERE seq > ?1",
	[NS_BACK_MORE_DEL] = "DELETE FROM change_more WHERE seq > ?1",
	[NS_BACK_MERGED_DEL] = "DELETE FROM merged WHERE seq > ?1",
	[NS_BACK_GONE] = "UPDATE version SET gone = 0 WHERE gone > ?1",
	[NS_BACK_FORGOTTEN] = "DELETE FROM forgotten WHERE seq > ?1",
	[NS_BACK_LINKS] =
		"SELECT count(*) FROM entry INDEXED BY entry_ino"
		" WHERE branch = #B AND ino = ?1 AND died IS NULL",
	[NS_BACK_SUBDIRS] =
		"SELECT count(*) FROM entry AS e INDEXED BY entry_present"
		" JOIN inode AS i ON i.branch = #B AND i.ino = e.ino"
		" WHERE e.branch = #B AND e.parent = ?1 AND e.died IS NULL"
		" AND (i.mode & 61440) = 16384",
};
/* clang-format on */

const char ns_raise_sql[] = "UPDATE counter SET next_seq = max(next_seq, ?1)"
			    " WHERE id = 1";

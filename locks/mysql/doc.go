// Package mysql locks with a row of a table in MySQL or MariaDB.
//
//	Lock ── UPDATE ... WHERE version = seen ──▶ server ── row NAME of the table
//
// # Guarantees
//
// The lock is a [locks.Lock], with what that guarantees. Beside that:
//
//   - Each write takes its version from a row of a second table, TABLE_versions, in the
//     same transaction. So versions grow, also when the record was deleted and made
//     anew, and are fencing tokens. MySQL has no sequences, and AUTO_INCREMENT counts
//     for each node of a Galera cluster apart.
//   - A server that is read only is refused, for reading too, also if the user may
//     write all the same.
//   - A server that may forget a commit is refused: innodb_flush_log_at_trx_commit has
//     to be 1, unless the server is a node of a Galera cluster. Both tables have to be
//     of InnoDB.
//   - In a Galera cluster each statement waits until the node has applied what the
//     others have committed (wsrep_sync_wait).
//   - There is one connection. After a failure the next call connects anew. Statements
//     are not prepared, so that a proxy may be in between. No write is tried twice.
//
// Of a conflict the lock says Conflict only when the server has found no row of the
// version that was seen, or one where none was. Everything else, such as a deadlock or
// a certification that failed, is another error, after which Get tells.
//
// # What it trusts
//
// That whoever takes over has every write that was confirmed. That needs Galera,
// group replication, or semi-synchronous replication that never falls back
// (rpl_semi_sync_master_timeout). With asynchronous replication a failover can take
// back the last writes, and two processes lead: then only a destination that checks
// the token keeps the late one out. The same holds for a restored backup, and for a
// table TABLE_versions that was emptied: stop all processes first.
//
// There is one host: the address that leads to the primary, whichever that is. A
// replica of which nobody has set read_only looks like a primary, so that the lock
// does not search for one among several.
//
// # Why no GET_LOCK
//
// It is bound to a connection. When that ends, another process gets the lock at once,
// while the first learns of it with its next statement. It gives no token, and neither
// Galera nor a failover keeps it. Here, nothing expires in the server: how long the
// record counts is measured by those who watch it.
//
// # Rights
//
// The user needs these, if the tables are there:
//
//	CREATE TABLE fairlead_locks (name VARBINARY(255) PRIMARY KEY,
//		version BIGINT UNSIGNED NOT NULL, record BLOB NOT NULL) ENGINE=InnoDB;
//	CREATE TABLE fairlead_locks_versions (name VARBINARY(255) PRIMARY KEY,
//		version BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
//	GRANT SELECT, INSERT, UPDATE ON fairlead.fairlead_locks TO 'fairlead'@'%';
//	GRANT SELECT, INSERT, UPDATE ON fairlead.fairlead_locks_versions TO 'fairlead'@'%';
//
// If they are not, the first lock makes both. For that the user needs CREATE. Columns
// are binary, so that names differ by case and identities come back byte for byte:
// SELECT name, version, CONVERT(record USING utf8mb4) FROM fairlead_locks. To delete a
// record: DELETE FROM fairlead_locks WHERE name = ...; leave the other table as it is.
//
// # Usage
//
//	lock, err := mysql.New(mysql.Options{
//		Host: "db.example:3306", Database: "fairlead", User: "fairlead",
//		TLS: ..., Password: ..., Name: "controller", Identity: identity,
//	})
//	...
//	defer lock.Close()
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
package mysql

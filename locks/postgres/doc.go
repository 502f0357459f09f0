// Package postgres locks with a row of a table in PostgreSQL.
//
//	Lock ── UPDATE ... WHERE version = seen ──▶ primary ── row NAME of the table
//
// # Guarantees
//
// The lock is a [locks.Lock], with what that guarantees. Beside that:
//
//   - A version comes from a sequence at each write, while the row is locked. So it
//     grows, also when the row was deleted and made anew, and is the fencing token.
//   - A standby is refused, for reading too. Of several hosts the one is used that
//     takes writes.
//   - A write counts once it is on disk, and on the synchronous standbys if there are
//     any: synchronous_commit is raised to on for it. A commit of which the server
//     warns that it did not wait for them is no success.
//   - A server with fsync = off is refused.
//   - There is one connection, without session state and without prepared statements:
//     pgbouncer may be in between, with transaction pooling. After a failure the next
//     call connects anew. No call is tried twice.
//   - The server ends a write that waits for longer than the timeout, which nobody
//     waits for any more.
//
// # What it trusts
//
// That the primary that takes over has every write that was confirmed: replication has
// to be synchronous (synchronous_standby_names), and the new primary one of those
// standbys. With asynchronous replication a failover can take back the last writes,
// and two processes lead: then only a destination that checks the token keeps the late
// one out. The same holds for a restored backup, and for a sequence that was set back
// or dropped: stop all processes first.
//
// # Why no advisory lock
//
// One is bound to a connection. When that ends, another process gets the lock at once,
// while the first learns of it with its next statement. It gives no token, pgbouncer
// can give it to two, and a failover loses it. Here, nothing expires in the server: how
// long the record counts is measured by those who watch it.
//
// # Rights
//
// The user needs these, if the table is there:
//
//	CREATE TABLE public.fairlead_locks (
//		name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, record text NOT NULL);
//	CREATE SEQUENCE public.fairlead_locks_versions;
//	GRANT SELECT, INSERT, UPDATE ON public.fairlead_locks TO fairlead;
//	GRANT USAGE ON SEQUENCE public.fairlead_locks_versions TO fairlead;
//
// If it is not, the first lock makes both. For that the user needs CREATE on the
// schema. The record is JSON in UTF-8, for people to read. To delete one:
// DELETE FROM fairlead_locks WHERE name = ...; leave the sequence as it is.
//
// # Usage
//
//	lock, err := postgres.New(postgres.Options{
//		Hosts: []string{"db.example:5432"}, Database: "fairlead", User: "fairlead",
//		TLS: ..., Password: ..., Name: "controller", Identity: identity,
//	})
//	...
//	defer lock.Close()
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
//
// Environment variables and files of libpq (PGHOST, PGPASSWORD, .pgpass) are not used.
package postgres

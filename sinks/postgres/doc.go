// Package postgres writes changes to tables in PostgreSQL.
//
//	batch ── arrays ──▶ one statement: ┌ fairlead_writer   has it this term? else nothing
//	                                   ├ fairlead_state    a row for each object ──▶ view fairlead_objects
//	                                   ├ fairlead_history  a row for each change
//	                                   └ NOTIFY            once, if wanted
//
// # Guarantees
//
//   - A batch is one transaction, of which all or nothing is in the tables. What Write
//     has accepted is on disk, and on the synchronous standbys if there are any:
//     synchronous_commit is raised to on for it.
//   - fairlead_state never goes back: a row is replaced by one of a higher term or, of
//     the same term, of no lower sequence. What is deleted keeps its row, as deleted,
//     for DeletedFor, so that nothing older makes it exist again.
//   - fairlead_history has each event once, by its id.
//   - A process whose term is over writes nothing: in the statement that writes, the row
//     of the writer is compared and held. Write returns a pipeline.ErrOldTerm then.
//   - Only an error about the data of a change is permanent. Whatever else is wrong, such
//     as a password, a right, a table or the disk, is tried again.
//   - What PostgreSQL cannot store of an object, the zero character and halves of
//     surrogate pairs, is replaced by U+FFFD. Column altered says so, and a metric
//     counts it.
//   - A standby is refused. Of several hosts, and all their addresses, the one is used
//     that takes writes, whatever is wrong with those before it.
//   - pgbouncer may be in between, with transaction pooling: there is no session state,
//     and nothing is prepared.
//
// Write and all else may be called from any goroutine. As many writes are under way as
// there are connections.
//
// # What it does not do
//
// It does not make the schema, partitions or roles. A restored backup of the database
// goes back, as backups do: replay then. Terms and sequences above 2^63-1 are refused.
//
// # What it trusts
//
// That the primary that takes over has every write that was confirmed: replication has
// to be synchronous for that, and the new primary one of those standbys. Whoever may
// write the tables can forge what is in them.
//
// # Rights
//
// The first Write makes the tables if they are not there, for which the user needs
// CREATE on the schema. To make them yourself, run what [Migration] returns, and
//
//	GRANT USAGE ON SCHEMA public TO fairlead;
//	GRANT SELECT ON fairlead_schema, fairlead_objects TO fairlead;
//	GRANT SELECT, INSERT, UPDATE ON fairlead_writer TO fairlead;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON fairlead_state TO fairlead;
//	GRANT SELECT, INSERT ON fairlead_history TO fairlead;
//
// DELETE is for rows whose retention is over: with HistoryFor the history needs UPDATE
// and DELETE, and without DeletedFor the state does not need DELETE.
//
// # Usage
//
//	sink, err := postgres.Open(postgres.Options{
//		Hosts: []string{"db.example:5432"}, Database: "fleet", User: "fairlead",
//		TLS: ..., Password: ..., Tables: postgres.Both,
//	})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// [Kind] makes it one that a text can choose. Environment variables and files of libpq
// (PGHOST, PGPASSWORD, .pgpass) are not used.
package postgres
